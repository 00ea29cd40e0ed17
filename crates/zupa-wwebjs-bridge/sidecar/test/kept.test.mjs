import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { Journal } from '../journal.mjs';
import { Spool } from '../spool.mjs';
import { Told } from '../told.mjs';

const folder = () => fs.mkdtempSync(path.join(os.tmpdir(), 'zupa-sidecar-'));
const LIMITS = { events: 4, bytes: 1_000 };
const DAY = 24 * 60 * 60 * 1000;

test('events are told again until they are confirmed, under the same numbers', () => {
  const file = path.join(folder(), 'spool');
  const first = new Spool(file, LIMITS);
  assert.deepEqual([first.append({ n: 1 }), first.append({ n: 2 }), first.append({ n: 3 })], [1, 2, 3]);
  first.confirm(1);
  const later = new Spool(file, LIMITS);
  const told = later.after(0, 10);
  assert.deepEqual(told.map(({ seq, event }) => [seq, event.n]), [[2, 2], [3, 3]]);
  later.confirm(3);
  assert.equal(later.append({ n: 4 }), 4);
  assert.equal(new Spool(file, LIMITS).after(0, 10)[0].event.n, 4);
});

test('a torn line was never told, and costs no line before it', () => {
  const file = path.join(folder(), 'spool');
  new Spool(file, LIMITS).append({ n: 1 });
  fs.appendFileSync(file, '{"n":2');
  const spool = new Spool(file, LIMITS);
  assert.equal(spool.after(0, 10).length, 1);
  assert.equal(spool.append({ n: 3 }), 2);
});

test('the high-water mark is reached by number and by size, and left at half', () => {
  const byNumber = new Spool(path.join(folder(), 'spool'), LIMITS);
  for (let n = 1; n <= 4; n += 1) byNumber.append({ n });
  assert.ok(byNumber.isFull);
  byNumber.confirm(1);
  assert.ok(!byNumber.isFull && !byNumber.hasRoom);
  byNumber.confirm(2);
  assert.ok(byNumber.hasRoom);
  const bySize = new Spool(path.join(folder(), 'spool'), LIMITS);
  bySize.append({ text: 'x'.repeat(1_000) });
  assert.ok(bySize.isFull);
});

test('a file of confirmed events does not grow for ever', () => {
  const file = path.join(folder(), 'spool');
  const spool = new Spool(file, { events: 10, bytes: 1 << 20 });
  for (let n = 1; n <= 40; n += 1) spool.confirm(spool.append({ text: 'x'.repeat(20_000) }));
  assert.ok(fs.statSync(file).size < 400_000);
  assert.equal(spool.append({ n: 41 }), 41);
});

test('a command is known after a death, with its message and its answer', () => {
  const file = path.join(folder(), 'journal');
  const journal = new Journal(file, 0);
  journal.started({ key: 'a', attempt: 1, chat: 'c', hash: 'h', at: 0 }, 0);
  assert.deepEqual(journal.inDoubt().map(({ key }) => key), ['a']);
  journal.became('a', 'm|true|');
  journal.answered('a', { result: 'sent', id: 'm|true|' });
  const later = new Journal(file, DAY);
  assert.equal(later.get('a').answer.result, 'sent');
  assert.equal(later.ofMessage('m|true|').key, 'a');
  assert.equal(later.inDoubt().length, 0);
  // Longer than anybody asks.
  assert.equal(new Journal(file, 15 * DAY).get('a'), undefined);
});

test('a command that failed and is started again has no answer', () => {
  const file = path.join(folder(), 'journal');
  const journal = new Journal(file, 0);
  const command = { key: 'a', attempt: 1, chat: 'c', hash: 'h', at: 0 };
  journal.started(command, 0);
  journal.answered('a', { result: 'failed' });
  journal.started({ ...command, attempt: 2 }, 0);
  assert.equal(new Journal(file, 0).get('a').answer, undefined);
});

test('what accept has is known in the next life, and not for ever', () => {
  const file = path.join(folder(), 'told');
  new Told(file).add(['a|false|', 'b|false|']);
  fs.appendFileSync(file, 'c|fal');
  const told = new Told(file);
  assert.deepEqual(['a|false|', 'b|false|', 'c|fal'].map((name) => told.has(name)), [true, true, false]);
  told.add(Array.from({ length: 20_000 }, (_, n) => `${n}|false|`));
  assert.ok(!told.has('a|false|') && new Told(file).has('19999|false|'));
});

test('a journal that cannot be written says so to who must know, and to who asked', () => {
  const file = path.join(folder(), 'journal');
  const failed = [];
  const journal = new Journal(file, 0, () => failed.push('disk'));
  const command = { key: 'a', attempt: 1, chat: 'c', hash: 'h'.repeat(1 << 20), at: 0 };
  journal.started(command, 0);
  // A file of this length is rewritten, which cannot be where a folder is in the way.
  fs.mkdirSync(`${file}.new`);
  assert.throws(() => journal.started({ ...command, key: 'b' }, 0));
  assert.deepEqual([failed, journal.get('b')], [['disk'], undefined]);
  // What was open stays open.
  journal.answered('a', { result: 'failed' });
  fs.rmdirSync(`${file}.new`);
  journal.started({ ...command, key: 'b' }, 0);
  const later = new Journal(file, 0);
  assert.deepEqual(['a', 'b'].map((key) => later.get(key).answer?.result), ['failed', undefined]);
});

test('a spool that cannot be rewritten can still be written', () => {
  const file = path.join(folder(), 'spool');
  const spool = new Spool(file, { events: 10, bytes: 1 << 20 });
  fs.mkdirSync(`${file}.new`);
  assert.throws(() => {
    for (let n = 1; n <= 40; n += 1) spool.confirm(spool.append({ text: 'x'.repeat(20_000) }));
  }, { code: 'EISDIR' });
  spool.append({ n: 'last' });
  fs.rmdirSync(`${file}.new`);
  assert.equal(new Spool(file, LIMITS).after(0, 10).at(-1).event.n, 'last');
});
