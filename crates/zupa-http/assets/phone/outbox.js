// Messages on their way out. Each is in localStorage, under a key of its own,
// from before the first try until the server has said 202, and is always sent
// with the same id: a restart of the server or of the page loses and doubles
// nothing.

import { fresh } from './text.js';

const PREFIX = 'zupa.unsent.';
const FIRST_WAIT = 400;
const LONGEST_WAIT = 5000;
const PATIENCE = 20000;

// Refusals that a later try may not meet.
const LATER = new Set([408, 425, 429]);

export class Outbox {
  #on;
  #queue = load();
  #running = false;
  #wake = () => {};

  constructor(on) {
    this.#on = on;
  }

  of(conversation) {
    return this.#queue.filter((message) => message.conversation === conversation);
  }

  add(conversation, text) {
    const message = { order: order(), conversation, id: fresh(), text };
    this.#queue.push(message);
    save(message);
    this.kick();
    return message;
  }

  remove(message) {
    this.#queue = this.#queue.filter((other) => other !== message);
    localStorage.removeItem(PREFIX + message.id);
  }

  // Tries now, also when it was waiting for a better moment.
  kick() {
    this.#wake();
    if (!this.#running) this.#run();
  }

  // One at a time and in order: what was written first is accepted first.
  async #run() {
    this.#running = true;
    let wait = FIRST_WAIT;
    for (let message; (message = this.#queue.find((one) => !one.refused));) {
      const answer = await post(message);
      if (answer.taken) {
        this.remove(message);
        this.#on.taken(message);
        wait = FIRST_WAIT;
      } else if (answer.refused) {
        message.refused = answer.refused;
        save(message);
        this.#on.refused(message);
      } else {
        this.#on.waiting(message, answer.why);
        await this.#sleep(answer.after ? answer.after * 1000 : wait);
        wait = Math.min(wait * 1.7, LONGEST_WAIT);
      }
    }
    this.#running = false;
  }

  #sleep(wait) {
    return new Promise((done) => {
      const timer = setTimeout(done, wait);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}

async function post({ conversation, id, text }) {
  let response;
  try {
    response = await fetch(`/chat/${encodeURIComponent(conversation)}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ id, text }),
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    return { why: 'the server cannot be reached' };
  }
  if (response.status === 202) return { taken: true };
  const problem = await response.json().catch(() => ({}));
  const why = problem.errors?.[0]?.detail ?? problem.detail ?? `the server answered ${response.status}`;
  if (response.status >= 400 && response.status < 500 && !LATER.has(response.status)) {
    return { refused: why };
  }
  return { why, after: Number(response.headers.get('retry-after')) || 0 };
}

function save(message) {
  try {
    localStorage.setItem(PREFIX + message.id, JSON.stringify(message));
  } catch {
    // No room left: this page alone keeps it.
  }
}

function load() {
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(PREFIX))
    .flatMap((key) => {
      try {
        return [JSON.parse(localStorage.getItem(key))];
      } catch {
        return [];
      }
    })
    .sort((a, b) => a.order - b.order);
}

let last = 0;

// Time in milliseconds, but never twice the same.
function order() {
  last = Math.max(last + 1, Date.now());
  return last;
}
