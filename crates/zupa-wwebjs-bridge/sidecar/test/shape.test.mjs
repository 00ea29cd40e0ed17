import assert from 'node:assert/strict';
import { test } from 'node:test';

import { address, key, message, name, serialized } from '../shape.mjs';

const ANA = '15550001111@c.us';

test('an id is put together from its parts, whatever a build calls the whole', () => {
  const parts = { fromMe: false, remote: { user: '15550001111', server: 'c.us' }, id: '3EB0' };
  const expected = { id: '3EB0', from_me: false, chat: ANA, participant: undefined };
  for (const id of [
    { ...parts, _serialized: 'false_15550001111@c.us_3EB0' },
    { ...parts, $1: 'false_15550001111@c.us_3EB0' },
    parts,
    { $1: 'false_15550001111@c.us_3EB0' },
    'false_15550001111@c.us_3EB0',
  ]) assert.deepEqual(key(id), expected);
  for (const none of [undefined, null, 7, {}, '', 'nonsense']) assert.equal(key(none), undefined);
});

test('a message has one name in whichever chat it is seen', () => {
  const seen = (remote) => name(key({ fromMe: true, remote, id: '3EB0' }));
  assert.equal(seen(ANA), seen('99@lid'));
  const group = key({ fromMe: false, remote: '1@g.us', id: '3EB0', participant: ANA });
  assert.equal(name(group), `3EB0|false|${ANA}`);
  assert.equal(serialized(group), `false_1@g.us_3EB0_${ANA}`);
});

test('an address has no device', () => {
  assert.equal(address('15550001111:12@c.us'), ANA);
  assert.equal(address({ user: '15550001111', server: 'c.us' }), ANA);
  assert.equal(address({ $1: ANA }), ANA);
  for (const none of [undefined, null, '', 'x', {}]) assert.equal(address(none), undefined);
});

test('what a message lacks is lacking, and nothing throws', () => {
  assert.equal(message(undefined), undefined);
  assert.equal(message({ id: {} }), undefined);
  const bare = message({ id: { fromMe: false, remote: ANA, id: 'A' } });
  assert.deepEqual([bare.kind, bare.body, bare.at, bare.history], ['unknown', '', undefined, false]);
});

test('what would fill a frame is known by its kind alone', () => {
  const raw = { id: { fromMe: false, remote: ANA, id: 'A' }, type: 'vcard', body: '', vCards: ['x'.repeat(2 << 20)] };
  const shape = message(raw);
  assert.deepEqual([shape.kind, shape.cards, name(shape.key)], ['vcard', undefined, 'A|false|']);
  assert.ok(JSON.stringify(shape).length < 1_000);
});
