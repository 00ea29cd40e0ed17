// Names of what accept has, so that a catch-up does not tell it once more.
//
// Nothing is synced: what is missing here is told again, and the ledger knows it.

import fs from 'node:fs';

import { name } from './shape.mjs';

const MAX_NAMES = 20_000;

/** What an event is known by, in whichever life it is told, and what it tells besides. */
export function namesOf(event) {
  const edit = (key, at) => (at === undefined ? [] : [`edit|${name(key)}|${at}`]);
  switch (event.type) {
    case 'message':
      return [name(event.message.key), ...edit(event.message.key, event.message.edited)];
    case 'own':
      return [`own|${name(event.message.key)}`];
    case 'edit':
      // Without its time it is not told apart from another one to the same words.
      return edit(event.key, event.at);
    case 'revoke':
      return [`revoke|${name(event.key)}`];
    case 'reaction':
      return [`reaction|${name(event.key)}|${event.emoji}`];
    default:
      return [];
  }
}

export class Told {
  #file;
  #names;

  constructor(file) {
    this.#file = file;
    let text = '';
    try {
      text = fs.readFileSync(file, 'utf8');
    } catch {
      // None yet.
    }
    // What has no end of line is no whole name.
    this.#names = new Set(text.split('\n').slice(0, -1).slice(-MAX_NAMES));
    fs.writeFileSync(file, [...this.#names].map((name) => `${name}\n`).join(''), { mode: 0o600 });
  }

  has(name) {
    return this.#names.has(name);
  }

  add(names) {
    if (names.length === 0) return;
    for (const name of names) this.#names.add(name);
    fs.appendFileSync(this.#file, names.map((name) => `${name}\n`).join(''));
    while (this.#names.size > MAX_NAMES) this.#names.delete(this.#names.values().next().value);
  }
}
