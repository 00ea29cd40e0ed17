import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Decoder, encode, encodeEvent, MAX_FRAME_BYTES } from '../frames.mjs';

test('frames survive any cut', () => {
  const frames = [{ kind: 'beat' }, { kind: 'send', text: 'olá 👋' }];
  const bytes = Buffer.concat(frames.map(encode));
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const decoder = new Decoder();
    const read = [];
    for (let at = 0; at < bytes.length; at += size) {
      read.push(...decoder.push(bytes.subarray(at, at + size)));
    }
    assert.deepEqual(read, frames);
  }
});

test('a length of four gigabytes is refused before anything is kept', () => {
  assert.throws(() => new Decoder().push(Buffer.from([0xff, 0xff, 0xff, 0xff])), /too long/);
  assert.throws(() => encode({ text: 'x'.repeat(MAX_FRAME_BYTES) }), /too long/);
});

test('what is no object is no frame', () => {
  for (const body of ['nonsense', '[]', 'null', '7']) {
    const bytes = Buffer.alloc(4 + body.length);
    bytes.writeUInt32BE(body.length);
    bytes.write(body, 4);
    assert.throws(() => new Decoder().push(bytes));
  }
});

test('half a character is read by everybody, as one that is not known', () => {
  const [read] = new Decoder().push(encode({ kind: 'event', event: { body: 'cut \ud83d', list: ['\udc4b'] } }));
  assert.deepEqual(read.event, { body: 'cut \ufffd', list: ['\ufffd'] });
  assert.ok(!encode({ body: '\ud83d' }).includes('\\ud83d'));
});

test('an event that fits into no frame is told by its number alone', () => {
  const [read] = new Decoder().push(encodeEvent(7, { type: 'edit', body: 'x'.repeat(MAX_FRAME_BYTES) }));
  assert.deepEqual(read, { kind: 'event', seq: 7, event: { type: 'unreadable' } });
  const [small] = new Decoder().push(encodeEvent(8, { type: 'edit', body: 'x' }));
  assert.deepEqual(small, { kind: 'event', seq: 8, event: { type: 'edit', body: 'x' } });
});
