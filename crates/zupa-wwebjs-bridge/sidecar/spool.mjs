// Events that the supervisor has not confirmed, on disk: WhatsApp does not tell them again.
//
// The first line of the file is `{ "next": n }`, the number of the first event; the others
// are events, and `{ "confirmed": n }`. Should one of those be lost, events are told again.

import { Lines, readLines, replaceLines } from './lines.mjs';

/** A file of confirmed events that is rewritten once it is as long as this. */
const REWRITE_BYTES = 1 << 18;

export class Spool {
  #file;
  #lines;
  #pending = [];
  #next = 1;
  #limits;

  /** `limits`: `events` and `bytes` at which it is full. */
  constructor(file, limits) {
    this.#file = file;
    this.#limits = limits;
    const [head, ...lines] = readLines(file);
    this.#next = head?.next ?? 1;
    for (const line of lines) {
      if (line.confirmed === undefined) this.#keep(line);
      else this.#forget(line.confirmed);
    }
    this.#rewrite();
  }

  /** Keeps events and gives the number of the last. Durable when it returns. */
  append(...events) {
    this.#lines.append(...events);
    events.forEach((event) => this.#keep(event));
    return this.#next - 1;
  }

  /** Forgets the events up to this number, and gives them with their numbers. */
  confirm(upto) {
    const gone = this.#forget(upto);
    if (gone.length > 0) this.#lines.note({ confirmed: upto });
    if (this.#lines.bytes > REWRITE_BYTES && this.#bytes() * 2 < this.#lines.bytes) {
      this.#rewrite();
    }
    return gone;
  }

  /** What is not confirmed, from after this number on, in order. */
  after(seq, most) {
    const from = this.#pending.findIndex((kept) => kept.seq > seq);
    return from < 0 ? [] : this.#pending.slice(from, from + most);
  }

  /** The number before the first that is not confirmed. */
  get confirmed() {
    return this.#pending.length > 0 ? this.#pending[0].seq - 1 : this.#next - 1;
  }

  /** True at the high-water mark: the phone has to keep what comes. */
  get isFull() {
    return this.#pending.length >= this.#limits.events || this.#bytes() >= this.#limits.bytes;
  }

  /** True at half of it: there is room again. */
  get hasRoom() {
    return this.#pending.length * 2 <= this.#limits.events
      && this.#bytes() * 2 <= this.#limits.bytes;
  }

  #keep(event) {
    this.#pending.push({ seq: this.#next, event, bytes: JSON.stringify(event).length });
    this.#next += 1;
  }

  #forget(upto) {
    const kept = this.#pending.findIndex(({ seq }) => seq > upto);
    return this.#pending.splice(0, kept < 0 ? this.#pending.length : kept);
  }

  #bytes() {
    return this.#pending.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #rewrite() {
    const first = this.confirmed + 1;
    replaceLines(this.#file, [{ next: first }, ...this.#pending.map(({ event }) => event)]);
    const before = this.#lines;
    this.#lines = new Lines(this.#file);
    before?.close();
  }
}
