// What is asked of the library, and no more.

import fs from 'node:fs';
import path from 'node:path';

import { address, announced, digest, key, serialized } from './shape.mjs';
import { within } from './time.mjs';

/** How long a look into the page may take. */
const LOOK_MS = 15_000;
/** What phones show as a voice message. */
const VOICE = 'audio/ogg; codecs=opus';
/** The largest file that is sent again, and how long it may take to get it. */
const MAX_FILE_BYTES = 64 << 20;
const FETCH_MS = 60_000;
/** How long nobody asks again for the other name of somebody who has none. */
const ALONE_MS = 10 * 60_000;
/** Pairs of names that are remembered. */
const MAX_ALIASES = 10_000;

export class Page {
  client;
  #library;
  #outgoing;
  #isReady = false;
  #others = new Map();
  #alone = new Map();
  #asking = new Map();

  /** `library` makes parts of messages; `outgoing` is the folder of files that leave. */
  constructor(library, outgoing) {
    this.#library = library;
    this.#outgoing = outgoing;
  }

  isReady() {
    return this.#isReady && this.client !== undefined;
  }

  set ready(ready) {
    this.#isReady = ready;
  }

  async chat(id) {
    return look(this.client.getChatById(id));
  }

  /** All of them, with all that the page knows of each: of thousands that takes a while. */
  async chats(limit) {
    return look(this.client.getChats(), limit);
  }

  async fetch(chat, limit) {
    return look(chat.fetchMessages({ limit }));
  }

  /** Who has reacted to a message, and how. */
  async reactions(raw) {
    const lists = raw.hasReaction ? await look(raw.getReactions()) : undefined;
    return (lists ?? []).flatMap(({ senders }) => senders ?? []);
  }

  async hasSpoken(chat) {
    return (await look(chat.fetchMessages({ limit: 1, fromMe: false }))).length > 0;
  }

  /** What `content` made of it. Not limited in time: whoever waits for it is. */
  async send(chat, { content, options }) {
    return this.client.sendMessage(address(chat.id), content, {
      waitUntilMsgSent: true,
      sendSeen: false,
      linkPreview: false,
      // A text that begins like a card is a text.
      parseVCards: false,
      ...options,
    });
  }

  /** What `send` takes, of what is to be said; none if its file is gone, or is another one. */
  async content(what) {
    const { Location, MessageMedia } = this.#library;
    switch (what.kind) {
      case 'location': {
        const { latitude, longitude, name } = what;
        return { content: new Location(latitude, longitude, { name: name ?? undefined }) };
      }
      case 'card':
        return { content: what.text, options: { parseVCards: true } };
      case 'voice': {
        const bytes = fs.readFileSync(path.join(this.#outgoing, what.file));
        const content = new MessageMedia(VOICE, bytes.toString('base64'));
        return { content, options: { sendAudioAsVoice: true }, sha256: digest(bytes) };
      }
      case 'file': {
        const { bytes, mime, filename } = await look(this.#fetch(what.handle, MAX_FILE_BYTES), FETCH_MS);
        if (bytes === undefined) return undefined;
        const content = new MessageMedia(mime, bytes.toString('base64'), filename);
        const options = { caption: what.caption ?? undefined, sendMediaAsDocument: !what.is_shown };
        return { content, options, sha256: digest(bytes) };
      }
      default:
        return { content: what.text };
    }
  }

  /** Reacts to a message of a chat by its name here. False if the chat has no such message. */
  async react(chat, to, emoji) {
    const [id, fromMe, participant] = to.split('|');
    if (!['true', 'false'].includes(fromMe)) return false;
    const of = { id, from_me: fromMe, participant: participant || undefined };
    const there = address(chat.id);
    // A chat has two names, and its older messages may be under the other one.
    for (const name of [there, this.#others.get(there)].filter((one) => one !== undefined)) {
      const raw = await look(this.client.getMessageById(serialized({ ...of, chat: name })));
      if (raw) {
        await look(raw.react(emoji));
        return true;
      }
    }
    return false;
  }

  /** The state of the connection, or `HUNG`. */
  async state() {
    return within(LOOK_MS, Promise.resolve(this.client.getState()), 'HUNG');
  }

  /** All names of the other end, its phone number first. */
  async names(id) {
    if (!id?.endsWith('@c.us') && !id?.endsWith('@lid')) return id === undefined ? [] : [id];
    if (!this.#others.has(id)) await this.#learn(id);
    const other = this.#others.get(id);
    const both = other === undefined ? [id] : [id, other];
    return both.sort((one, two) => Number(one.endsWith('@lid')) - Number(two.endsWith('@lid')));
  }

  isSameChat(one, two) {
    return one === two || (one !== undefined && this.#others.get(one) === two);
  }

  async typing(id) {
    const chat = await this.chat(id);
    await chat?.sendStateTyping();
  }

  /** Puts received media into a file of its own, whose name is in the answer. */
  async media(handle, folder, { request, timeout_ms: timeout, max_bytes: most }) {
    const late = { reason: 'timeout' };
    return within(timeout, this.#media(handle, folder, String(request), most), late);
  }

  async #media(handle, folder, name, most) {
    if (!this.isReady()) return { reason: 'not_ready' };
    const { bytes, mime, reason } = await this.#fetch(handle, most);
    if (bytes === undefined) return { reason };
    fs.writeFileSync(path.join(folder, name), bytes, { mode: 0o600 });
    return { file: name, mime };
  }

  /** The bytes of a received file, its type and its name; or the reason why there are none. */
  async #fetch(handle, most) {
    if (key(handle)?.chat === undefined) return { reason: 'gone' };
    const raw = await this.client.getMessageById(handle);
    if (!raw?.hasMedia) return { reason: 'gone' };
    // The library has a file in memory as a whole, so what it says of itself is asked first.
    const { bytes: size, sha256 } = announced(raw);
    if (size > most) return { reason: 'too_large' };
    const media = await raw.downloadMedia();
    if (typeof media?.data !== 'string') return { reason: 'gone' };
    const bytes = Buffer.from(media.data, 'base64');
    if (bytes.length > most) return { reason: 'too_large' };
    if (sha256 !== undefined && digest(bytes) !== sha256) return { reason: 'altered' };
    return { bytes, mime: String(media.mimetype), filename: media.filename ?? undefined };
  }

  /** Whoever asks while it is being asked for waits for the same answer. */
  async #learn(id) {
    const isDue = Date.now() - (this.#alone.get(id) ?? 0) > ALONE_MS;
    if (isDue && !this.#asking.has(id)) {
      this.#alone.set(id, Date.now());
      this.#asking.set(id, this.#ask(id));
    }
    // As good as can be had: without it the message has one name.
    const found = await within(LOOK_MS, Promise.resolve(this.#asking.get(id)), undefined);
    this.#asking.delete(id);
    if (found !== undefined) this.#remember(id, found);
  }

  async #ask(id) {
    const [pair] = await this.client.getContactLidAndPhone([id]);
    const names = [address(pair?.pn), address(pair?.lid)];
    return names.find((found) => found !== undefined && found !== id);
  }

  #remember(one, two) {
    if (this.#others.size > MAX_ALIASES) this.#others.clear();
    if (this.#alone.size > MAX_ALIASES) this.#alone.clear();
    this.#others.set(one, two);
    this.#others.set(two, one);
  }
}

async function look(promise, limit = LOOK_MS) {
  const late = Symbol('late');
  let failed;
  const looked = Promise.resolve(promise).catch((error) => {
    failed = error;
    return late;
  });
  const seen = await within(limit, looked, late);
  if (seen === late) throw failed ?? new Error('the page does not answer');
  return seen;
}
