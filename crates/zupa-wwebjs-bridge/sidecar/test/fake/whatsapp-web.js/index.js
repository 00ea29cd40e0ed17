// A stand-in for the library: the same calls and events, over a phone that is a folder.
//
// `chats.ndjson` is what the phone shows, and outlives every sidecar: a test appends what
// people write, the client what really leaves. `mood.json` says how the client behaves.
// The folder is `phone`, beside the session's, which is the working directory.

'use strict';

const { createHash } = require('node:crypto');
const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');

const PHONE = path.resolve('..', 'phone');
const CHATS = path.join(PHONE, 'chats.ndjson');
const ME = '15550000000@c.us';

const read = (name, otherwise) => {
  try {
    return fs.readFileSync(path.join(PHONE, name), 'utf8');
  } catch {
    return otherwise;
  }
};
/** For a test to read. */
const note = (name, text) => fs.appendFileSync(path.join(PHONE, name), `${text}\n`);
const mood = () => JSON.parse(read('mood.json', '{}') || '{}');

const shownSoFar = { bytes: 0, lines: [] };
/** Everything that the phone shows; only what is new is read. */
function lines() {
  let handle;
  try {
    handle = fs.openSync(CHATS, 'r');
  } catch {
    return [];
  }
  const fresh = Buffer.alloc(fs.fstatSync(handle).size - shownSoFar.bytes);
  fs.readSync(handle, fresh, 0, fresh.length, shownSoFar.bytes);
  fs.closeSync(handle);
  const whole = fresh.subarray(0, fresh.lastIndexOf(10) + 1);
  shownSoFar.bytes += whole.length;
  for (const line of whole.toString('utf8').split('\n').slice(0, -1)) {
    shownSoFar.lines.push(JSON.parse(line));
  }
  return shownSoFar.lines;
}

/** Lives so far, this one included. */
const life = Number(read('lives', '0')) + 1;
fs.mkdirSync(PHONE, { recursive: true });
fs.writeFileSync(path.join(PHONE, 'lives'), String(life));

/** Chances that come out the same for the same life. */
let drawn = (mood().seed ?? 1) * 7919 + life;
const chance = () => {
  // xorshift32
  drawn ^= drawn << 13;
  drawn ^= drawn >>> 17;
  drawn ^= drawn << 5;
  return (drawn >>> 0) / 2 ** 32;
};

/** A frame, and then nothing. */
const forge = (...frames) => () => {
  for (const frame of frames) {
    const body = Buffer.from(JSON.stringify(frame));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    fs.writeSync(1, Buffer.concat([length, body]));
  }
  for (;;);
};
const forged = (seq) => ({ kind: 'event', seq, event: { type: 'forged' } });

const DEATHS = {
  kill: () => process.kill(process.pid, 'SIGKILL'),
  hang: () => {
    for (;;);
  },
  garbage: () => {
    fs.writeSync(1, 'this is not a frame at all');
    for (;;);
  },
  huge: () => {
    fs.writeSync(1, Buffer.from([0xff, 0xff, 0xff, 0xff]));
    for (;;);
  },
  skipped: forge(forged(1_000_000), forged(1_000_002)),
  hello_again: forge({ kind: 'hello', protocol: 2, library: '1.34.7' }),
  // A byte at a time, which is a sign of life of nobody.
  drip: () => {
    fs.writeSync(1, Buffer.from([0, 0, 255, 255]));
    const pause = new Int32Array(new SharedArrayBuffer(4));
    for (;;) {
      fs.writeSync(1, ' ');
      Atomics.wait(pause, 0, 0, 20);
    }
  },
  partial: () => {
    fs.writeSync(1, Buffer.concat([Buffer.from([0, 0, 0, 90]), Buffer.from('{"kind":"sta')]));
    process.kill(process.pid, 'SIGKILL');
  },
};

/** Dies here, or not. */
function mayDie() {
  const { deaths } = mood();
  if (deaths === undefined || chance() >= deaths.rate) return;
  const ways = deaths.ways ?? Object.keys(DEATHS);
  DEATHS[ways[Math.floor(chance() * ways.length)]]();
}

// A sidecar of another version, before it has said its own first word.
const { wrong_version: wrong } = mood();
if (wrong !== undefined && life % wrong === 0) {
  const body = Buffer.from(JSON.stringify({ kind: 'hello', protocol: 99, library: '1.34.7' }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  fs.writeSync(1, Buffer.concat([length, body]));
}

const wid = (text) => {
  const [user, server] = text.split('@');
  return { user, server, _serialized: text };
};

/** A line of the phone as the library shows it. */
function shown(line) {
  const { renamed } = mood();
  const serialized = [line.fromMe, line.chat, line.id].join('_');
  return {
    id: {
      fromMe: line.fromMe,
      remote: wid(line.chat),
      id: line.id,
      participant: line.participant,
      [renamed ? '$1' : '_serialized']: serialized,
    },
    ack: line.ack ?? (line.fromMe ? 1 : 0),
    body: line.body,
    type: line.type ?? 'chat',
    timestamp: line.t,
    from: line.fromMe ? ME : line.chat,
    to: line.fromMe ? line.chat : ME,
    author: line.participant,
    location: line.location,
    vCards: line.vCards,
    react: async (emoji) => {
      if (mood().react === 'throws') throw new Error('detached Frame');
      note('reactions', `${line.id} ${emoji}`);
    },
    hasMedia: line.media !== undefined,
    latestEditSenderTimestampMs: line.edited,
    hasReaction: line.reactions !== undefined,
    getReactions: async () => [{ id: '+', senders: line.reactions.map(reaction) }],
    fromMe: line.fromMe,
    _data: {
      isNewMsg: line.isNewMsg ?? true,
      mimetype: line.media?.mime,
      size: line.media?.size,
      filehash: line.media?.filehash,
    },
    downloadMedia: async () => {
      note('downloaded', line.id);
      return line.media.data && { mimetype: line.media.mime, data: line.media.data };
    },
    ...line.forged,
  };
}

/** A place, with the library's own parts. */
class Location {
  constructor(latitude, longitude, options = {}) {
    Object.assign(this, { latitude, longitude, name: options.name, description: options.name ?? '' });
  }
}

class MessageMedia {
  constructor(mimetype, data) {
    Object.assign(this, { mimetype, data });
  }
}

/** What becomes of what is sent. */
function sendable(content, options) {
  if (content instanceof MessageMedia) {
    const bytes = Buffer.from(content.data, 'base64');
    // What the page has made smaller is another file.
    const kept = mood().smaller ? bytes.subarray(1) : bytes;
    const filehash = createHash('sha256').update(kept).digest('base64');
    const media = { mime: content.mimetype, data: content.data, size: bytes.length, filehash };
    const [kind] = content.mimetype.split('/');
    const type = options.sendMediaAsDocument ? 'document' : kind;
    return { type: options.sendAudioAsVoice ? 'ptt' : type, body: options.caption ?? '', media };
  }
  if (content instanceof Location) return { type: 'location', body: '', location: content };
  const isCard = options.parseVCards && content.startsWith('BEGIN:VCARD');
  return isCard ? { type: 'vcard', body: content, vCards: [content] } : { body: content };
}

/** Messages of a chat as they are after all that was done to them. */
function changed(all) {
  const messages = new Map();
  for (const line of all) {
    const before = messages.get(line.to ?? line.id);
    if (line.event === undefined) messages.set(line.id, line);
    else if (line.event === 'edit') messages.set(line.id, { ...before, body: line.body, edited: line.edited });
    else if (line.event === 'revoke') messages.set(line.id, { ...before, body: '', type: 'revoked' });
    else if (line.event === 'reaction') {
      messages.set(line.to, { ...before, reactions: [...(before.reactions ?? []), line] });
    }
  }
  return [...messages.values()];
}

/** Somebody's reaction, `body`, to the message `to` of the same chat. */
function reaction(line) {
  const id = (of) => ({ fromMe: false, remote: wid(line.chat), id: of });
  return { id: id(line.id), msgId: id(line.to), reaction: line.body, senderId: line.chat, timestamp: line.t + 0.25 };
}

class Client extends EventEmitter {
  constructor(options) {
    super();
    this.options = options;
    this.known = 0;
  }

  async initialize() {
    const { start } = mood();
    if (start === 'throws') throw new Error('net::ERR_NAME_NOT_RESOLVED at https://web.whatsapp.com/');
    if (start === 'hangs') return new Promise(() => {});
    this.pupBrowser = new EventEmitter();
    this.pupPage = new EventEmitter();
    if (start === 'qr') {
      this.waiting = setInterval(() => this.scan(), 5);
      return undefined;
    }
    return this.begin();
  }

  /** Shows a code, and another when the mood has another, until the phone has taken one. */
  scan() {
    const { start, code = '2@fake-code' } = mood();
    if (start === 'qr') {
      if (code !== this.code) this.emit('qr', (this.code = code));
      return;
    }
    clearInterval(this.waiting);
    this.begin();
  }

  async begin() {
    const { start } = mood();
    mayDie();
    this.known = lines().length;
    this.emit('authenticated');
    // It begins to tell before it says that it is ready.
    if (mood().early) {
      this.emit('message', shown(lines().at(-1)));
      await new Promise(setImmediate);
    }
    if (start !== 'authenticated') {
      // As often as it likes.
      for (let time = 0; time < (mood().ready ?? 3); time += 1) this.emit('ready');
    }
    this.watch = setInterval(() => this.look(), 5);
    return undefined;
  }

  /** Tells what people have written since. */
  look() {
    const { state, disconnected, die_in: dies, ready_again: again } = mood();
    if (dies === life) DEATHS.kill();
    if (again !== undefined && again !== this.again) this.emit('ready', (this.again = again));
    if (state !== undefined && state !== this.state) this.emit('change_state', (this.state = state));
    if (disconnected !== undefined && !this.gone) this.emit('disconnected', (this.gone = disconnected));
    const all = lines();
    const { deaf } = mood();
    for (const line of all.slice(this.known)) {
      this.known += 1;
      if (deaf) {
        note('unheard', line.id);
        continue;
      }
      if (line.event === 'edit') this.emit('message_edit', shown(line), line.body, '');
      else if (line.event === 'revoke') this.emit('message_revoke_everyone', shown(line));
      else if (line.event === 'reaction') this.emit('message_reaction', reaction(line));
      else if (line.event === 'ack') this.emit('message_ack', shown(line), line.ack);
      else if (!line.fromMe || line.typed) {
        mayDie();
        note('heard', line.id);
        for (let time = 0; time < (mood().twice ? 2 : 1); time += 1) {
          this.emit('message_create', shown(line));
          if (!line.fromMe || line.forged) this.emit('message', shown(line));
        }
        mayDie();
      }
    }
  }

  chatOf(id) {
    const of = lines().filter((line) => line.chat === id && line.event === undefined);
    if (of.length === 0) return undefined;
    return {
      id: wid(id),
      unreadCount: 0,
      timestamp: of.at(-1).t,
      fetchMessages: async ({ limit, fromMe }) => {
        const { fetch } = mood();
        if (fetch === 'throws') throw new Error('Execution context was destroyed');
        if (fetch === 'hangs') return new Promise(() => {});
        note('fetched', id);
        // What is said while it waits, it has not seen.
        const soFar = changed(lines().filter((line) => line.chat === id));
        while (mood().fetch === 'waits') await new Promise((resolve) => setTimeout(resolve, 5));
        return soFar
          .filter((line) => fromMe === undefined || line.fromMe === fromMe)
          .filter((line) => !line.lost || mood().found)
          .slice(-limit)
          .map(shown);
      },
      sendStateTyping: async () => note('typing', id),
    };
  }

  async getChats() {
    return [...new Set(lines().map((line) => line.chat))].map((id) => this.chatOf(id)).filter(Boolean);
  }

  async getChatById(id) {
    return this.chatOf(id);
  }

  async getContactLidAndPhone(ids) {
    const pairs = JSON.parse(read('names.json', '{}'));
    return ids.map((id) => ({ pn: pairs[id] ?? undefined, lid: undefined }));
  }

  async getState() {
    const { probe } = mood();
    return probe === 'hangs' ? new Promise(() => {}) : (probe ?? 'CONNECTED');
  }

  async getMessageById(id) {
    if (![3, 4].includes(id.split('_').length)) throw new Error('Invalid serialized message id specified');
    const line = lines().find((one) => one.event === undefined
      && id === [one.fromMe, one.chat, one.id, one.participant].filter((part) => part !== undefined).join('_'));
    return line && shown(line);
  }

  async sendMessage(chat, body, options) {
    // How it behaves at the first send of all, where that is another mood.
    const { first_send: first, send: each } = mood();
    const send = read('calls.ndjson') === undefined ? first ?? each : each;
    fs.appendFileSync(path.join(PHONE, 'calls.ndjson'), `${JSON.stringify({ chat, body, options })}\n`);
    mayDie();
    if (send === 'throws') throw new Error('detached Frame');
    if (send === 'null') return null;
    if (send === 'hangs') return new Promise(() => {});
    const line = {
      id: `3EB0${life}${Math.floor(chance() * 1e9)}`,
      chat,
      fromMe: true,
      ...sendable(body, options),
      t: Math.floor(Date.now() / 1000),
      ack: { pending: 0, refused: -1 }[send] ?? 1,
      lost: send === 'lost' || undefined,
    };
    // It leaves here.
    fs.appendFileSync(CHATS, `${JSON.stringify(line)}\n`);
    mayDie();
    // Neither an echo nor the chat shows it, before the mood is `found`.
    if (send === 'lost') throw new Error('detached Frame');
    if (send === 'ack_first') this.emit('message_ack', shown(line), 1);
    this.emit('message_create', shown({ ...line, ack: 0 }));
    mayDie();
    if (send === 'throws_after') throw new Error('detached Frame');
    if (send === 'null_after') return null;
    if (send === 'hangs_after') return new Promise(() => {});
    if (send === 'refused') this.emit('message_ack', shown(line), -1);
    else if (send !== 'pending') this.emit('message_ack', shown(line), 1);
    mayDie();
    return shown({ ...line, ack: 0 });
  }

  async destroy() {
    clearInterval(this.watch);
    clearInterval(this.waiting);
  }
}

class NoAuth {}

module.exports = { Client, Location, MessageMedia, NoAuth, version: '1.34.7' };
