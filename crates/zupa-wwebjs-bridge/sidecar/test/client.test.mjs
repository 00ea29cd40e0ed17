import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mock, test } from 'node:test';

import { ClientLife } from '../client.mjs';
import { name } from '../shape.mjs';

const ANA = '15550001111@c.us';
const MINUTE = 60_000;
const NOW = 1_000_000 * MINUTE;

/** A message as the library shows it, said so many milliseconds ago. */
const raw = (id, body, { chat = ANA, type = 'chat', ago = 0, fromMe = false } = {}) => ({
  id: { fromMe, remote: chat, id },
  body,
  type,
  timestamp: (NOW - ago) / 1000,
  from: chat,
});

/** All that is under way without a timer. */
const settle = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
};

/** A life over a page of one chat, of which each part can be put in the place of another. */
async function life(change = {}, before) {
  const client = Object.assign(new EventEmitter(), { initialize: async () => {} });
  const record = { told: [], states: [], left: [], looks: 0, mark: before, shown: [] };
  const page = {
    names: async (id) => [id],
    chats: async () => {
      record.looks += 1;
      return [{ id: ANA, unreadCount: 1, timestamp: NOW / 1000 }];
    },
    fetch: async () => record.shown,
    reactions: async () => [],
    isSameChat: (one, two) => one === two,
    state: async () => 'CONNECTED',
    ...change,
  };
  const told = new Set();
  const one = new ClientLife({
    makeClient: () => client,
    settings: { start_ms: MINUTE, ready_ms: MINUTE, probe_ms: 30_000, backlog_ms: 60 * MINUTE, groups: 'ignore' },
    page,
    commands: { chatsInDoubt: () => [], own: (shape) => record.own(shape), acked: () => {} },
    emit: (...events) => events.forEach((event) => {
      if (event.type === 'message') told.add(name(event.message.key));
      record.told.push(event.message?.body ?? event.type);
    }),
    isTold: (of) => told.has(of),
    state: (state, reason) => record.states.push(reason ?? state),
    pairing: () => {},
    leave: (reason) => record.left.push(reason),
    mark: { read: () => record.mark, write: (at) => (record.mark = at) },
    now: () => NOW,
  });
  await one.start();
  return { client, page, record, one };
}

/** With timers that go on when they are told to. */
const timed = (title, act) => test(title, async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  try {
    await act();
  } finally {
    mock.timers.reset();
  }
});

timed('a chat that cannot be read is looked at again, and the mark goes on once it can', async () => {
  let isBroken = true;
  const fetch = async () => {
    if (isBroken) throw new Error('Execution context was destroyed');
    return [raw('A1', 'missed')];
  };
  const { client, record } = await life({ fetch });
  client.emit('ready');
  await settle();
  // However it goes on, a later life knows since when.
  assert.equal(record.mark, NOW);
  record.mark = NOW - 60 * MINUTE;
  mock.timers.tick(30_000);
  await settle();
  assert.equal(record.mark, NOW - 60 * MINUTE, 'the mark stays behind what was not read');
  isBroken = false;
  mock.timers.tick(5 * MINUTE);
  await settle();
  assert.deepEqual([record.told, record.mark], [['missed'], NOW]);
  const { looks } = record;
  mock.timers.tick(20 * MINUTE);
  await settle();
  assert.equal(record.looks, looks, 'what is whole is not looked at again');
});

timed('a reaction that is longer than any is no news', async () => {
  const { client, record } = await life();
  client.emit('ready');
  await settle();
  const reaction = (id, emoji) => ({ id: raw(id).id, msgId: raw('M1').id, reaction: emoji, senderId: ANA, timestamp: NOW / 1000 });
  client.emit('message_reaction', reaction('R1', '+'.repeat(180_000)));
  client.emit('message_reaction', reaction('R2', '+'));
  await settle();
  assert.deepEqual(record.told, ['reaction']);
});

timed('after a gap, what was missed comes before what is told meanwhile', async () => {
  for (const gap of [
    (client) => client.emit('change_state', 'TIMEOUT'),
    // The page was loaded anew.
    (client) => client.emit('authenticated'),
  ]) {
    const { client, record } = await life();
    client.emit('ready');
    await settle();
    gap(client);
    client.emit('message', raw('A2', 'now'));
    await settle();
    assert.deepEqual(record.told, []);
    record.shown = [raw('A1', 'missed'), raw('A2', 'now')];
    client.emit('change_state', 'CONNECTED');
    client.emit('ready');
    await settle();
    assert.deepEqual([record.told, record.left], [['missed', 'now'], []]);
    client.emit('message', raw('A3', 'later'));
    await settle();
    mock.timers.tick(MINUTE);
    await settle();
    assert.deepEqual([record.told.at(-1), record.left], ['later', []]);
  }
});

timed('a page that was loaded anew and is never ready again is given up', async () => {
  const { client, record } = await life();
  client.emit('authenticated');
  client.emit('ready');
  await settle();
  client.emit('authenticated');
  mock.timers.tick(MINUTE);
  assert.deepEqual(record.left, ['never_ready']);
});

timed('a catch-up that waits when WhatsApp blocks opens nothing', async () => {
  const { client, page, record } = await life();
  client.emit('ready');
  client.emit('change_state', 'TOS_BLOCK');
  await settle();
  assert.deepEqual([record.looks, page.ready, record.states.at(-1)], [0, false, 'tos_block']);
});

timed('what a human types is told before what is said after it, however long its names take', async () => {
  const { client, record } = await life();
  client.emit('ready');
  await settle();
  let named;
  record.own = () => new Promise((resolve) => (named = resolve));
  client.emit('message_create', raw('H1', 'I am here myself', { fromMe: true }));
  client.emit('message', raw('A1', 'thank you'));
  await settle();
  assert.deepEqual(record.told, []);
  named();
  await settle();
  assert.deepEqual(record.told, ['thank you']);
});

timed('what cannot be read yet is looked for again in a later life', async () => {
  const cipher = raw('A1', '', { type: 'ciphertext', ago: 20 * MINUTE });
  const isBehind = ({ record }) => record.mark < NOW - 19 * MINUTE;
  // Shown by a catch-up, or told.
  const shown = await life({}, NOW - 30 * MINUTE);
  shown.record.shown = [cipher];
  shown.client.emit('ready');
  await settle();
  assert.ok(isBehind(shown));
  const told = await life();
  told.client.emit('ready');
  await settle();
  // The clocks agree.
  told.client.emit('message', raw('A0', 'before'));
  told.client.emit('message', cipher);
  await settle();
  mock.timers.tick(30_000);
  await settle();
  assert.ok(isBehind(told));
  // It can be read now.
  told.client.emit('message', raw('A1', 'hello', { ago: 20 * MINUTE }));
  await settle();
  mock.timers.tick(30_000);
  await settle();
  assert.deepEqual([told.record.told, told.record.mark], [['before', 'hello'], NOW]);
  // What is too old to be answered holds nothing up.
  told.client.emit('message', raw('A9', '', { type: 'ciphertext', ago: 61 * MINUTE }));
  await settle();
  mock.timers.tick(30_000);
  await settle();
  assert.equal(told.record.mark, NOW);
});
