import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Decoder, encode, MAX_FRAME_BYTES } from '../frames.mjs';

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
