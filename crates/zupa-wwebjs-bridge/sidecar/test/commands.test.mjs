import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { Commands } from '../commands.mjs';
import { Journal } from '../journal.mjs';
import { likeness, mark } from '../say.mjs';
import { contentHash, key, message } from '../shape.mjs';

const ANA = '15550001111@c.us';
const BEA = '15550002222@c.us';

/** A message as the library shows it. */
const raw = (id, body, { chat = ANA, fromMe = true, ack = 0, t = 0 } = {}) => ({
  id: { fromMe, remote: chat, id },
  body,
  type: 'chat',
  timestamp: t,
  to: chat,
  ack,
});
const shape = (of) => ({ key: key(of.id), at: of.timestamp, body: of.body, ack: of.ack, kind: 'chat' });

/** Commands over a page of which each part can be put in the place of another. */
function over(page = {}, file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'zupa-')), 'journal'), isTold = () => false) {
  const told = [];
  const humans = [];
  const journal = new Journal(file, 0);
  const commands = new Commands({
    journal,
    now: () => 0,
    isTold,
    human: async (one) => {
      humans.push(one.body);
      return 'told';
    },
    told: (_, level, command) => told.push([command, level]),
    page: {
      isReady: () => true,
      content: async () => ({}),
      chat: async (id) => ({ id }),
      fetch: async () => [],
      hasSpoken: async () => true,
      isSameChat: (one, two) => one === two,
      send: async () => raw('M1', 'hello', { ack: 1 }),
      ...page,
    },
  });
  return { commands, told, humans, file, journal };
}

const ask = (change = {}) => ({
  command: 'k',
  attempt: 1,
  chat: ANA,
  what: { kind: 'text', text: 'hello' },
  first: 'allow',
  timeout_ms: 50,
  ...change,
});

test('sent means that WhatsApp has it, and not that a page took it', async () => {
  const { commands, told } = over({ send: async () => raw('M1', 'hello') });
  let isAnswered = false;
  const asking = commands.answer(ask({ timeout_ms: 5_000 }));
  void asking.then(() => (isAnswered = true));
  await new Promise(setImmediate);
  assert.deepEqual([isAnswered, told], [false, []]);
  commands.acked(key(raw('M1').id), 1);
  assert.equal((await asking).result, 'sent');
  assert.deepEqual(told, [['k', 1]]);
});

test('levels only go up, and are told once each', async () => {
  const { commands, told } = over();
  await commands.answer(ask());
  for (const level of [2, 1, 2, 0, 3, 2, -1]) commands.acked(key(raw('M1').id), level);
  assert.deepEqual(told, [['k', 1], ['k', 2], ['k', 3]]);
});

test('an own message of a chat with a send at work is parked until it is known whose it is', async () => {
  let end;
  const { commands, humans } = over({ send: () => new Promise((resolve) => (end = resolve)) });
  const asking = commands.answer(ask({ timeout_ms: 5_000 }));
  await new Promise(setImmediate);
  commands.own(shape(raw('H1', 'I am here myself')));
  commands.own(shape(raw('M1', 'hello')));
  commands.own(shape(raw('H2', 'elsewhere', { chat: BEA })));
  assert.deepEqual(humans, ['elsewhere']);
  end(raw('M1', 'hello', { ack: 1 }));
  assert.equal((await asking).result, 'sent');
  await new Promise(setImmediate);
  assert.deepEqual(humans, ['elsewhere', 'I am here myself']);
  // Seen again, in a catch-up for example.
  commands.own(shape(raw('M1', 'hello')));
  assert.equal(humans.length, 2);
});

test('whoever tells of a human waits until it is told', async () => {
  const { commands } = over();
  const asked = commands.own(shape(raw('H1', 'I am here myself')));
  assert.equal(await asked, 'told');
});

test('a human who says the same as the bot is taken for neither twice', async () => {
  let end;
  const { commands, humans } = over({ send: () => new Promise((resolve) => (end = resolve)) });
  const asking = commands.answer(ask({ timeout_ms: 5_000 }));
  await new Promise(setImmediate);
  commands.own(shape(raw('H1', 'hello')));
  commands.own(shape(raw('M1', 'hello')));
  end(raw('M1', 'hello', { ack: 1 }));
  await asking;
  await new Promise(setImmediate);
  assert.deepEqual(humans, ['hello']);
});

test('the name that a page gives its message weighs more than the same words of a human', async () => {
  let end;
  const { commands, humans, journal } = over({ send: () => new Promise((resolve) => (end = resolve)) });
  const asking = commands.answer(ask());
  await new Promise(setImmediate);
  commands.own(shape(raw('H1', 'hello', { ack: 1 })));
  // The page takes its time, so words are all there is.
  assert.equal((await asking).id, 'H1|true|');
  end(raw('M1', 'hello', { ack: 1 }));
  await new Promise(setImmediate);
  assert.deepEqual(humans, ['hello']);
  assert.equal(journal.ofMessage('M1|true|').key, 'k');
  assert.equal(journal.ofMessage('H1|true|'), undefined);
  // The bot's own, seen in the chat.
  commands.own(shape(raw('M1', 'hello')));
  assert.equal(humans.length, 1);
  assert.equal((await commands.answer(ask({ attempt: 2 }))).id, 'M1|true|');
});

test('what is known to be a human\'s is no evidence', async () => {
  const typed = raw('H1', 'hello', { t: -3, ack: 1 });
  const send = async () => {
    throw new Error('detached Frame');
  };
  const { commands, humans, file } = over({ send, fetch: async () => [typed] });
  commands.own(shape(typed));
  assert.deepEqual(humans, ['hello']);
  assert.equal((await commands.answer(ask())).result, 'unknown');
  // Nor in the next life.
  const later = over({ fetch: async () => [typed] }, file, (of) => of === 'own|H1|true|');
  assert.equal((await later.commands.answer(ask({ attempt: 2 }))).result, 'unknown');
});

test('a send of an earlier life is looked for in its chat, and never made again', async () => {
  const { file, journal } = over();
  journal.started({ key: 'k', attempt: 1, chat: ANA, hash: contentHash('hello'), at: 0 }, 0);
  let sends = 0;
  const send = async () => {
    sends += 1;
  };
  const lost = over({ send }, file);
  assert.equal((await lost.commands.answer(ask({ attempt: 2 }))).result, 'unknown');
  const found = over({ send, fetch: async () => [raw('M1', 'hello', { ack: 2 })] }, file);
  assert.deepEqual(await found.commands.answer(ask({ attempt: 3 })), { result: 'sent', id: 'M1|true|' });
  assert.deepEqual(found.told, [['k', 2]]);
  assert.equal(sends, 0);
});

test('evidence is of the same chat, the same words and the same time', async () => {
  for (const other of [
    raw('M1', 'hello', { chat: BEA, ack: 1 }),
    raw('M1', 'goodbye', { ack: 1 }),
    raw('M1', 'hello', { t: 7_200, ack: 1 }),
    raw('M1', 'hello', { t: -30, ack: 1 }),
    raw('M1', 'hello', { fromMe: false }),
  ]) {
    const { commands } = over({
      send: async () => {
        throw new Error('detached Frame');
      },
      fetch: async () => [other],
    });
    assert.equal((await commands.answer(ask())).result, 'unknown');
  }
});

test('an echo that comes after a death is evidence, and no human', () => {
  const { commands, journal, humans, told } = over();
  journal.started({ key: 'k', attempt: 1, chat: ANA, hash: contentHash('hello'), at: 0 }, 0);
  commands.own(shape(raw('H1', 'something else')));
  commands.own(shape(raw('M1', 'hello', { ack: 1 })));
  assert.deepEqual(humans, ['something else']);
  assert.deepEqual(told, [['k', 1]]);
  assert.equal(journal.get('k').answer.result, 'sent');
});

test('nothing is on record of a send that was not begun', async () => {
  for (const [page, reason] of [
    [{ isReady: () => false }, 'not_ready'],
    [{ chat: async () => undefined }, 'no_chat'],
    [{ chat: () => Promise.reject(new Error('gone')) }, 'page'],
  ]) {
    const { commands, journal } = over(page);
    const answer = await commands.answer(ask());
    assert.deepEqual([answer.result, answer.reason], ['failed', reason]);
    assert.equal(journal.get('k'), undefined);
  }
});

test('an echo under the other name of its chat is no human', async () => {
  let end;
  const { commands, humans } = over({
    chat: async () => ({ id: '99@lid' }),
    send: () => new Promise((resolve) => (end = resolve)),
  });
  const asking = commands.answer(ask({ timeout_ms: 5_000 }));
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  commands.own(shape(raw('M1', 'hello', { chat: '99@lid' })));
  assert.deepEqual(humans, []);
  end(raw('M1', 'hello', { chat: '99@lid', ack: 1 }));
  assert.equal((await asking).result, 'sent');
  assert.deepEqual(humans, []);
});

test('what left under the other name of its chat is not said to be absent', async () => {
  const { commands } = over({
    chat: async () => ({ id: '99@lid' }),
    send: async () => undefined,
    fetch: async () => [raw('M1', 'hello', { chat: '99@lid', ack: 1 })],
  });
  assert.equal((await commands.answer(ask())).result, 'sent');
});

test('what has failed is sent if it is asked for anew, as a first attempt too', async () => {
  let answer = null;
  const { commands } = over({ send: async () => answer });
  assert.equal((await commands.answer(ask({ attempt: 3 }))).result, 'failed');
  answer = raw('M1', 'hello', { ack: 1 });
  assert.equal((await commands.answer(ask({ attempt: 1 }))).result, 'sent');
});

test('a journal that cannot be written has sent nothing, and says so', async () => {
  let sends = 0;
  const send = async () => {
    sends += 1;
    return raw('M1', 'hello', { ack: 1 });
  };
  const { commands, journal } = over({ send });
  const started = journal.started.bind(journal);
  journal.started = () => {
    throw new Error('ENOSPC');
  };
  assert.deepEqual(await commands.answer(ask()), { result: 'failed', reason: 'disk', again: true });
  journal.started = started;
  assert.equal((await commands.answer(ask({ attempt: 2 }))).result, 'sent');
  assert.equal(sends, 1);
});

test('where an own message is in the chat that may be it, nothing is said to be absent', async () => {
  const nothing = { send: async () => null };
  const answerTo = async (shown) => (await over({ ...nothing, fetch: async () => shown }).commands.answer(ask())).result;
  assert.equal(await answerTo([raw('M1', 'hello, as the page writes it', { ack: 1 })]), 'unknown');
  for (const shown of [
    [],
    [raw('M1', 'hello', { fromMe: false })],
    [raw('M1', 'other words', { t: 7_200 })],
  ]) assert.equal(await answerTo(shown), 'failed');
});

/** A file that the page has made smaller. */
const file = (id, { type = 'image', caption = 'as you asked', sha256 = 'smaller' } = {}) => ({
  ...raw(id, caption, { ack: 1 }),
  type,
  hasMedia: true,
  _data: { mimetype: 'image/png', filehash: digestOf(sha256) },
});
const digestOf = (text) => Buffer.from(contentHash(text), 'hex').toString('base64');
const askFile = () => ask({ what: { kind: 'file', handle: 'x', is_shown: true, caption: 'as you asked' } });
const made = async () => ({ sha256: contentHash('larger') });

test('a file that the page has made anew is known by its kind and caption, where it is alone', async () => {
  const sends = {
    null: async () => null,
    throws: async () => {
      throw new Error('detached Frame');
    },
  };
  for (const [shown, result] of [
    [[file('M1')], 'sent'],
    [[file('M1'), raw('H1', 'and this')], 'sent'],
    [[file('M1', { sha256: 'larger' }), file('H1')], 'sent'],
    [[file('M1'), file('H1')], 'unknown'],
    [[file('M1', { caption: 'something else' })], 'unknown'],
    [[file('M1', { type: 'document' })], 'unknown'],
    [[file('M1', { type: 'ptt' })], 'unknown'],
  ]) {
    for (const [how, send] of Object.entries(sends)) {
      const { commands } = over({ send, content: made, fetch: async () => shown });
      assert.equal((await commands.answer(askFile())).result, result, `${how} ${JSON.stringify(shown)}`);
    }
  }
});

test('a file that the page has made anew is no human\'s when its echo comes after a death', () => {
  const { commands, journal, humans } = over();
  const what = askFile().what;
  const hash = mark(what, contentHash('larger'));
  journal.started({ key: 'k', attempt: 1, chat: ANA, hash, like: likeness(what), at: 0 }, 0);
  commands.own(message(file('M1')));
  assert.deepEqual([humans, journal.get('k').answer.result], [[], 'sent']);
});
