// Commands and what became of them, on disk, so that none is carried out twice.
//
// A command is `{ key, attempt, chat, hash, at, id?, answer? }`. Its line is synced before
// the page is touched: a command without an answer may have been carried out.

import { Lines, readLines, replaceLines } from './lines.mjs';

const DAY = 24 * 60 * 60 * 1000;
/** A file that is rewritten at a start once it is as long as this. */
const REWRITE_BYTES = 1 << 20;
/** How long a command is known: longer than anything that speaks of it may take. */
const KEPT = 14 * DAY;

export class Journal {
  #file;
  #lines;
  #commands = new Map();
  #ours = new Map();
  #failed;

  /** `failed()` is called when something could not be written, which is thrown besides. */
  constructor(file, now, failed = () => {}) {
    this.#file = file;
    this.#failed = failed;
    for (const line of readLines(file)) this.#apply(line);
    this.#rewrite(now);
  }

  get(key) {
    return this.#commands.get(key);
  }

  /** The command whose message has this name. */
  ofMessage(name) {
    const key = this.#ours.get(name);
    return key === undefined ? undefined : this.#commands.get(key);
  }

  /** Commands that may have been carried out, and of which nobody knows. */
  inDoubt() {
    return [...this.#commands.values()].filter((command) => command.answer === undefined);
  }

  /** If this throws, the command is not begun. */
  started(command, now) {
    if (this.#lines.bytes > REWRITE_BYTES) this.#try(() => this.#rewrite(now));
    this.#write({ started: command });
  }

  /** The message that a command has become. */
  became(key, name) {
    this.#write({ became: { key, name } });
  }

  answered(key, answer) {
    this.#write({ answered: { key, answer } });
  }

  #write(line) {
    this.#try(() => this.#lines.append(line));
    this.#apply(line);
  }

  #try(act) {
    try {
      act();
    } catch (error) {
      this.#failed();
      throw error;
    }
  }

  #apply({ started, became, answered }) {
    if (started !== undefined) this.#commands.set(started.key, { ...started });
    const command = this.#commands.get((became ?? answered)?.key);
    if (command === undefined) return;
    if (became !== undefined) {
      this.#ours.delete(command.name);
      command.name = became.name;
      this.#ours.set(became.name, command.key);
    }
    if (answered !== undefined) command.answer = answered.answer;
  }

  #rewrite(now) {
    const lines = [];
    for (const [key, command] of this.#commands) {
      if (now - command.at > KEPT) {
        this.#commands.delete(key);
        this.#ours.delete(command.name);
        continue;
      }
      const { name, answer, ...started } = command;
      lines.push({ started });
      if (name !== undefined) lines.push({ became: { key, name } });
      if (answer !== undefined) lines.push({ answered: { key, answer } });
    }
    replaceLines(this.#file, lines);
    const before = this.#lines;
    this.#lines = new Lines(this.#file);
    before?.close();
  }
}
