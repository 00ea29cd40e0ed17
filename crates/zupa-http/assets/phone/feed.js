// The event stream of one conversation, reopened for as long as it is wanted.
//
// EventSource comes back by itself after some failures and gives up after
// others, and which is which depends on the browser. So each failure closes it
// and we come back ourselves, behind the last number that was seen.

const FIRST_WAIT = 300;
const LONGEST_WAIT = 5000;

export class Feed {
  #conversation;
  #on;
  #after = 0;
  #wait = FIRST_WAIT;
  #source = null;
  #timer = 0;

  constructor(conversation, on) {
    this.#conversation = conversation;
    this.#on = on;
    this.#open();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#on = {};
  }

  // Comes back now: the network or the person has.
  hurry() {
    if (this.#source || !this.#on.lost) return;
    clearTimeout(this.#timer);
    this.#open();
  }

  #open() {
    const path = `/chat/${encodeURIComponent(this.#conversation)}/events?after=${this.#after}`;
    const source = new EventSource(path);
    this.#source = source;
    source.onopen = () => {
      this.#wait = FIRST_WAIT;
      this.#on.open?.();
    };
    source.onerror = () => this.#lose(source);
    // Lines have a number, and each number comes once: a stream that was
    // reopened may repeat, a page must not.
    for (const name of ['inbound', 'message']) {
      source.addEventListener(name, (event) => {
        const number = Number(event.lastEventId);
        if (this.#source !== source || !(number > this.#after)) return;
        this.#after = number;
        this.#on[name]?.(JSON.parse(event.data), number);
      });
    }
    for (const name of ['typing', 'delta', 'end', 'turn']) {
      source.addEventListener(name, (event) => {
        if (this.#source === source) this.#on[name]?.(JSON.parse(event.data));
      });
    }
  }

  #lose(source) {
    source.close();
    if (this.#source !== source) return;
    this.#source = null;
    this.#on.lost?.();
    const jitter = 0.75 + Math.random() / 2;
    this.#timer = setTimeout(() => this.#open(), this.#wait * jitter);
    this.#wait = Math.min(this.#wait * 1.7, LONGEST_WAIT);
  }
}
