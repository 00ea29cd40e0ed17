// Files of one JSON value in each line: appended and synced, or replaced as a whole.

import fs from 'node:fs';
import path from 'node:path';

/** The values of a file; none if it is not there. What follows a torn line is left out. */
export function readLines(file) {
  let text;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
  const values = [];
  const lines = text.split('\n');
  // What has no end of line was never synced, so nobody was told of it.
  lines.pop();
  for (const line of lines) {
    try {
      values.push(JSON.parse(line));
    } catch {
      break;
    }
  }
  return values;
}

/** Puts these values in place of a file. Durable when it returns. */
export function replaceLines(file, values) {
  const beside = `${file}.new`;
  const handle = fs.openSync(beside, 'w', 0o600);
  writeAll(handle, values.map(line).join(''));
  fs.fsyncSync(handle);
  fs.closeSync(handle);
  fs.renameSync(beside, file);
  const folder = fs.openSync(path.dirname(file), 'r');
  fs.fsyncSync(folder);
  fs.closeSync(folder);
}

/** The bytes written; a write may be short. */
function writeAll(handle, text) {
  const bytes = Buffer.from(text, 'utf8');
  for (let at = 0; at < bytes.length;) at += fs.writeSync(handle, bytes, at);
  return bytes.length;
}

const line = (value) => `${JSON.stringify(value)}\n`;

/** A file that grows. */
export class Lines {
  #handle;
  bytes;

  constructor(file) {
    this.#handle = fs.openSync(file, 'a', 0o600);
    this.bytes = fs.fstatSync(this.#handle).size;
  }

  /** Durable when it returns. */
  append(...values) {
    values.forEach((value) => this.note(value));
    fs.fsyncSync(this.#handle);
  }

  /** May be forgotten. */
  note(value) {
    try {
      this.bytes += writeAll(this.#handle, line(value));
    } catch (error) {
      // The next line must not continue a torn one.
      fs.ftruncateSync(this.#handle, this.bytes);
      throw error;
    }
  }

  close() {
    fs.closeSync(this.#handle);
  }
}
