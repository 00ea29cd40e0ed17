// The sidecar: frames in by standard input, frames out by standard output.
//
// Reading order: frames, lines, spool, told, journal (what is kept), shape and say (what the
// wire carries), library and page (what is asked of the library), commands, catchup, client.

import fs from 'node:fs';
import path from 'node:path';

import { ClientLife, setAside } from './client.mjs';
import { Commands } from './commands.mjs';
import { Decoder, encode, encodeEvent } from './frames.mjs';
import { Journal } from './journal.mjs';
import { load } from './library.mjs';
import { replaceLines } from './lines.mjs';
import { Page } from './page.mjs';
import { Spool } from './spool.mjs';
import { within } from './time.mjs';
import { namesOf, Told } from './told.mjs';

const PROTOCOL = 2;
/** Events that may be under way without being confirmed. */
const WINDOW = 64;

// Standard output is the wire, and the library says what it likes on the console.
for (const level of ['log', 'info', 'debug', 'dir', 'table']) console[level] = console.error;
// It also rejects promises that nobody holds, in handlers of its own events; what stays
// broken after one is found by the probe.
process.on('unhandledRejection', () => {});
process.on('uncaughtException', () => void leave('uncaught'));

let sidecar;
const decoder = new Decoder();
const heard = { at: Date.now() };

const say = (frame) => process.stdout.write(encode(frame));

process.stdin.on('data', (bytes) => {
  heard.at = Date.now();
  try {
    decoder.push(bytes).forEach(take);
  } catch {
    void leave('bad_frame');
  }
});
// Whoever started us is gone, and with it everybody who could want something.
process.stdin.on('end', () => void leave('supervisor_gone'));
process.stdout.on('error', () => void leave('supervisor_gone'));

let library;
try {
  library = load();
} catch {
  library = undefined;
}
say({ kind: 'hello', protocol: PROTOCOL, library: library?.version ?? null });

/** Does what a frame says. Of a kind that is not known, nothing. */
function take(frame) {
  switch (frame.kind) {
    case 'hello':
      if (frame.protocol !== PROTOCOL) void leave('protocol');
      else if (library !== undefined) sidecar ??= start(frame.settings);
      break;
    case 'confirm':
      sidecar?.confirm(frame);
      break;
    case 'send':
      void sidecar?.send(frame);
      break;
    case 'typing':
      sidecar?.typing(frame.chat);
      break;
    case 'media':
      void sidecar?.media(frame);
      break;
    case 'stop':
      void leave('stopped');
      break;
    default:
  }
}

function start(settings) {
  const now = () => Date.now();
  const file = (of) => path.join(settings.folder, of);
  const profile = file('profile');
  const spool = new Spool(file('spool'), { events: settings.spool_events, bytes: settings.spool_bytes });
  const journal = new Journal(file('journal'), now(), () => void leave('disk'));
  const accepted = new Told(file('told'));
  const page = new Page(library, file('outgoing'));
  // What is on its way from an earlier life.
  let waiting = new Set();
  const isTold = (of) => waiting.has(of) || accepted.has(of);
  let told = spool.confirmed;
  let life;
  let isOffline = false;
  let hasStopped = false;

  setInterval(() => {
    say({ kind: 'beat' });
    if (Date.now() - heard.at > settings.dead_ms) void leave('supervisor_silent');
  }, settings.beat_ms);

  const tell = () => {
    for (const { seq, event } of spool.after(told, WINDOW - (told - spool.confirmed))) {
      process.stdout.write(encodeEvent(seq, event));
      told = seq;
    }
  };
  const emit = (...events) => {
    // Not kept: the phone has it, and it is caught up with when there is room.
    if (isOffline || events.length === 0) return;
    try {
      spool.append(...events);
    } catch {
      // Nothing can be kept: the phone keeps it until there is a disk again.
      void leave('disk');
      return;
    }
    tell();
    if (spool.isFull) void goOffline();
  };
  const commands = new Commands({
    journal,
    page,
    now,
    isTold,
    human: (message) => page
      .names(message.key.chat ?? message.to)
      .then((names) => emit({ type: 'own', message, names })),
    told: (key, level, command) => emit({ type: 'ack', key, level, command }),
  });
  const begin = () => {
    isOffline = false;
    hasStopped = false;
    waiting = new Set(spool.after(0, Infinity).flatMap(({ event }) => namesOf(event)));
    life = new ClientLife({
      makeClient: library.makeClient,
      settings: { ...settings, profile },
      page,
      commands,
      emit,
      isTold,
      now,
      state: (state, reason) => say({ kind: 'state', state, reason }),
      pairing: (way, text) => say({ kind: 'pairing', way, text }),
      mark: markIn(file('caught-up')),
      leave: (reason) => void leave(reason),
    });
    void life.start();
  };
  const goOffline = async () => {
    isOffline = true;
    say({ kind: 'state', state: 'degraded', reason: 'spool_full' });
    await life.stop();
    // Two browsers cannot have one profile.
    hasStopped = true;
    comeBack();
  };
  const comeBack = () => {
    if (isOffline && hasStopped && spool.hasRoom) begin();
  };

  // What an earlier life has left to tell.
  tell();
  begin();

  return {
    async stop(reason) {
      await life.stop();
      if (reason === 'unlinked') setAside(profile, now());
    },
    confirm({ upto, skipped = [] }) {
      const gone = Number.isSafeInteger(upto) ? spool.confirm(upto) : [];
      // Set up in another way, what was left out is taken: it may be told again.
      const taken = gone.filter(({ seq }) => !skipped.includes(seq));
      accepted.add(taken.flatMap(({ event }) => namesOf(event)));
      told = Math.max(told, spool.confirmed);
      tell();
      comeBack();
    },
    async send(frame) {
      const answer = await commands.answer(frame);
      say({ kind: 'answer', command: frame.command, attempt: frame.attempt, ...answer });
    },
    typing(chat) {
      if (page.isReady()) void page.typing(chat).catch(() => {});
    },
    async media(frame) {
      const answer = await page.media(frame.handle, file('media'), frame);
      say({ kind: 'media', request: frame.request, ...answer });
    },
  };
}

/** The time up to which everything was told, in a file that is replaced as a whole. */
function markIn(file) {
  return {
    read() {
      try {
        const at = Number(fs.readFileSync(file, 'utf8'));
        // One from the future is of a clock that was set back.
        return Number.isSafeInteger(at) && at > 0 ? Math.min(at, Date.now()) : undefined;
      } catch {
        return undefined;
      }
    },
    write(at) {
      replaceLines(file, [at]);
    },
  };
}

let isLeaving = false;

/** Ends the process, and the browser before it. */
async function leave(reason) {
  if (isLeaving) return;
  isLeaving = true;
  try {
    say({ kind: 'leaving', reason });
    await within(10_000, Promise.resolve(sidecar?.stop(reason)), undefined);
  } finally {
    // What has been said gets out first.
    process.stdout.write('', () => process.exit(reason === 'stopped' ? 0 : 1));
    setTimeout(() => process.exit(1), 1_000);
  }
}
