// One life of a client: from its start to `ready`, its events in order, and its end.

import fs from 'node:fs';

import { catchUp } from './catchup.mjs';
import { address, isHeard, key, message, name } from './shape.mjs';
import { within } from './time.mjs';
import { namesOf } from './told.mjs';

const MINUTE = 60_000;
/** What was said shortly before the last sign of life is looked for again. */
const OVERLAP = 10 * MINUTE;
/** Before a chat that could not be read is looked at again. */
const LOOK_AGAIN = 5 * MINUTE;
/** No clock is further ahead. */
const MAX_AHEAD = 24 * 60 * MINUTE;
const MAX_SEEN = 20_000;
const MAX_SEALED = 1_000;
/** Characters; as many as fit into a frame however they are written. */
const MAX_EDIT = 150_000;
const MAX_EMOJI = 100;
/** Connection states that are none of our making and stop every send. */
const BLOCKS = new Set(['TOS_BLOCK', 'SMB_TOS_BLOCK', 'PROXYBLOCK', 'DEPRECATED_VERSION', 'CONFLICT']);
const UNLINKED = new Set(['LOGOUT', 'UNPAIRED', 'UNPAIRED_IDLE']);

export class ClientLife {
  #of;
  #queue = Promise.resolve();
  #seen = new Set();
  /** What is told before its chat is caught up with; none while all are. */
  #waiting = [];
  #state = ['starting'];
  #timers = [];
  #isOver = false;
  #isDue = false;
  #isBehind = false;
  /** When messages were said that cannot be read yet, by their names. */
  #sealed = new Map();
  #ahead;
  #probing;
  #readying;

  /**
   * `of`: `makeClient`, `settings`, `page`, `commands`, `emit(…events)` (durable when it
   * returns), `isTold(name)`, `state(state, reason)`, `pairing(kind, text)`, `leave(reason)`,
   * `mark` (reads and writes the time up to which everything was told), `now()`.
   */
  constructor(of) {
    this.#of = of;
  }

  async start() {
    const { settings } = this.#of;
    this.#to('starting');
    this.#after(settings.start_ms, () => this.#isBefore('pairing') && this.#end('not_loaded'));
    let client;
    try {
      client = this.#of.makeClient(settings);
      this.#of.page.client = client;
      this.#listen(client);
      await client.initialize();
    } catch (error) {
      this.#end(whyNot(error));
      return;
    }
    // The library listens to none of these.
    client.pupBrowser?.on?.('disconnected', () => this.#end('browser_gone'));
    client.pupPage?.on?.('error', () => this.#end('page_crashed'));
    client.pupPage?.on?.('close', () => this.#end('page_closed'));
  }

  /** Lets go of the browser; a profile stays as it is. */
  async stop() {
    this.#isOver = true;
    this.#of.page.ready = false;
    this.#timers.forEach(clearInterval);
    const { client } = this.#of.page;
    const browser = client?.pupBrowser;
    await within(5_000, Promise.resolve(client?.destroy?.()), undefined);
    browser?.process?.()?.kill?.('SIGKILL');
  }

  #listen(client) {
    const on = (event, act) => client.on(event, (...what) => {
      if (!this.#isOver) act(...what);
    });
    const inOrder = (event, act) => on(event, (...what) => this.#inOrder(() => act(...what)));
    on('qr', (text) => this.#pairing('qr', text));
    on('code', (text) => this.#pairing('code', text));
    on('authenticated', () => this.#authenticated());
    on('auth_failure', () => this.#end('auth_failure'));
    on('ready', () => this.#ready());
    on('change_state', (state) => this.#changed(state));
    on('disconnected', (reason) => this.#disconnected(reason));
    inOrder('message', (raw) => this.#inChat(message(raw), async (shape) => {
      this.#compare(shape);
      this.#emit(...(await this.#said(shape, 'live')));
    }));
    inOrder('message_create', (raw) => this.#inChat(message(raw), (shape) => this.#own(shape)));
    inOrder('message_ack', (raw, level) => {
      const of = key(raw?.id);
      if (of?.from_me && Number.isSafeInteger(level)) this.#of.commands.acked(of, level);
    });
    inOrder('message_edit', (raw, body) => this.#inChat(message(raw), (shape) => {
      this.#emit(...this.#told(this.#edit(shape, String(body))));
    }));
    inOrder('message_revoke_everyone', (raw) => this.#inChat(message(raw), (shape) => {
      this.#emit(...this.#told(this.#revoke(shape, raw)));
    }));
    inOrder('message_reaction', async (raw) => this.#emit(...(await this.#reaction(raw))));
  }

  #authenticated() {
    if (this.#isBefore('authenticated')) this.#to('authenticated');
    // Said again when the page was loaded anew.
    if (!this.#isBefore('ready')) this.#waiting ??= [];
    clearTimeout(this.#readying);
    this.#readying = this.#after(this.#of.settings.ready_ms, () => this.#end('never_ready'));
  }

  /**
   * Comes again with each synchronisation, three times at once or after the page was loaded
   * anew: whatever it was, something may have been missed before it.
   */
  #ready() {
    clearTimeout(this.#readying);
    if (this.#isDue || this.#state[0] === 'blocked') return;
    this.#isDue = true;
    if (this.#isBefore('ready')) this.#state = ['ready', undefined];
    // Until a chat is caught up, what is said in it waits.
    this.#waiting ??= [];
    this.#inOrder(() => this.#catchUp());
  }

  async #catchUp() {
    const { page, commands, mark, now, settings } = this.#of;
    const began = now();
    this.#isDue = false;
    // It has waited its turn meanwhile.
    if (this.#isOver || this.#state[0] === 'blocked') return;
    this.#waiting ??= [];
    let unread;
    page.ready = true;
    let missed = [];
    try {
      // Should this never end well, a later life knows since when to look.
      if (mark.read() === undefined) this.#isWhole(began);
      const since = (mark.read() ?? began) - OVERLAP;
      unread = await catchUp(page, {
        since,
        groups: settings.groups,
        limit: settings.ready_ms,
        also: commands.chatsInDoubt(),
        found: async (shape, raw, isMissed) => {
          missed.push(...(await this.#found(shape, raw, isMissed)));
          missed.push(...(await this.#reactions(raw, since)));
        },
        done: async (chat) => {
          // A chat's messages are synced at once, and others get a word in between.
          this.#emit(...missed);
          missed = [];
          await new Promise(setImmediate);
          await this.#flush(chat);
        },
      });
    } catch {
      this.#end('catch_up_failed');
      return;
    }
    if (this.#isOver || this.#state[0] === 'blocked') return;
    this.#isBehind = unread > 0;
    if (this.#isBehind) this.#after(LOOK_AGAIN, () => this.#ready());
    else this.#isWhole(began);
    this.#to('ready');
    this.#probing ??= this.#each(this.#of.settings.probe_ms, () => this.#probe());
  }

  /**
   * Everything was told up to this time of ours, which is written down in WhatsApp's, or up
   * to the first message that cannot be read yet: should it never be in this life, it is
   * looked for in the next, for as long as it would be answered.
   */
  #isWhole(at) {
    const there = at - (this.#ahead ?? 0);
    const due = [...this.#sealed.values()].filter((said) => said > there - this.#of.settings.backlog_ms);
    this.#of.mark.write(Math.min(there, ...due));
  }

  /**
   * How far our clock is ahead of WhatsApp's, at most: by as much as the message is old that
   * came with the least delay. Too much costs nothing but a longer look back.
   */
  #compare(shape) {
    if (shape.at === undefined) return;
    const ahead = Math.max(0, this.#of.now() - (shape.at + 1) * 1000);
    this.#ahead = Math.min(this.#ahead ?? MAX_AHEAD, ahead);
  }

  async #flush(chat) {
    const isDue = (shape) => chat === undefined || this.#of.page.isSameChat(shape.key.chat, chat);
    const due = this.#waiting.filter(([shape]) => isDue(shape));
    this.#waiting = chat === undefined ? undefined : this.#waiting.filter(([shape]) => !isDue(shape));
    for (const [shape, act] of due) await act(shape);
  }

  async #probe() {
    const { page, now } = this.#of;
    const began = now();
    const state = await page.state();
    if (this.#isOver) return;
    if (state === 'HUNG') this.#end('page_hung');
    else if (state === 'CONNECTED') {
      const isWhole = this.#waiting === undefined && !this.#isDue && !this.#isBehind;
      if (this.#state[0] === 'ready' && isWhole) this.#isWhole(began);
      else this.#changed(state);
    } else this.#changed(state);
  }

  async #inChat(shape, act) {
    if (shape === undefined) return;
    if (this.#waiting !== undefined) this.#waiting.push([shape, act]);
    else await act(shape);
  }

  /** The event of a message; none if it was told before. */
  async #said(shape, origin) {
    if (this.#isKnown(shape.key)) return [];
    // It comes again under the same id when it can be read.
    if (shape.kind === 'ciphertext') {
      this.#seal(shape);
      return [];
    }
    this.#sealed.delete(name(shape.key));
    const names = await this.#of.page.names(shape.key.chat ?? shape.from);
    return this.#told({ type: 'message', message: shape, names, origin });
  }

  #seal(shape) {
    const { groups } = this.#of.settings;
    if (shape.at === undefined || !isHeard(shape.key.chat, groups)) return;
    this.#sealed.set(name(shape.key), shape.at * 1000);
    if (this.#sealed.size > MAX_SEALED) this.#sealed.delete(this.#sealed.keys().next().value);
  }

  /** What a catch-up finds: a message, or what has become of one that was told. */
  async #found(shape, raw, isMissed) {
    if (shape.key.from_me) {
      if (isMissed) await this.#own(shape);
      return [];
    }
    if (shape.kind === 'revoked') {
      const revoke = this.#revoke(shape, raw);
      return revoke !== undefined && this.#isKnown(revoke.key) ? this.#told(revoke) : [];
    }
    if (this.#isKnown(shape.key)) {
      return shape.edited === undefined ? [] : this.#told(this.#edit(shape, shape.body));
    }
    return isMissed ? this.#said(shape, 'catch_up') : [];
  }

  #edit(shape, body) {
    // What is longer than any message may be is no news.
    if (shape.key.from_me || body.length >= MAX_EDIT) return undefined;
    return { type: 'edit', key: shape.key, body, at: shape.edited };
  }

  #revoke(shape, raw) {
    const of = key(raw.protocolMessageKey) ?? shape.key;
    return of.from_me ? undefined : { type: 'revoke', key: of };
  }

  /** What is said after it is told after it: a human who has the conversation has it first. */
  async #own(shape) {
    const own = { type: 'own', message: shape };
    if (shape.key.from_me && this.#told(own).length > 0) await this.#of.commands.own(shape);
  }

  async #reaction(raw) {
    const [of, to] = [key(raw?.id), key(raw?.msgId)];
    if (of === undefined || to === undefined || of.from_me) return [];
    const emoji = typeof raw.reaction === 'string' ? raw.reaction : '';
    // No emoji is that long.
    if (emoji.length > MAX_EMOJI) return [];
    const names = await this.#of.page.names(to.chat);
    const at = reactedAt(raw);
    return this.#told({ type: 'reaction', key: of, to, emoji, sender: address(raw.senderId), at, names });
  }

  /** Reactions to one message since then. One that was taken back leaves no trace. */
  async #reactions(raw, since) {
    let raws = [];
    try {
      raws = await this.#of.page.reactions(raw);
    } catch {
      // Of less weight than what is said.
    }
    const missed = [];
    for (const one of raws.filter((of) => reactedAt(of) * 1000 >= since)) {
      missed.push(...(await this.#reaction(one)));
    }
    return missed;
  }

  /** Whether a message was told, in this life or in another. */
  #isKnown(of) {
    return this.#of.isTold(name(of)) || this.#seen.has(name(of));
  }

  /** The event, if it goes further and was not told before. */
  #told(event) {
    if (event === undefined) return [];
    const chat = (event.message?.key ?? event.to ?? event.key).chat;
    const isOwn = event.type === 'own';
    if (!isOwn && chat !== undefined && !isHeard(chat, this.#of.settings.groups)) return [];
    const [first, ...others] = namesOf(event);
    if (first === undefined) return [event];
    if (this.#of.isTold(first) || !this.#isNew(first)) return [];
    others.forEach((other) => this.#isNew(other));
    return [event];
  }

  #changed(state) {
    if (BLOCKS.has(state)) this.#to('blocked', state.toLowerCase());
    else if (state === 'CONNECTED' && this.#state[0] === 'degraded') this.#ready();
    else if (state === 'CONNECTED' || this.#isBefore('ready')) return;
    else {
      // What is told from now on comes after what is missed.
      this.#waiting ??= [];
      // Never followed by `disconnected`: nobody else would say it.
      this.#to('degraded', String(state ?? 'no_state').toLowerCase());
    }
  }

  #disconnected(reason) {
    if (BLOCKS.has(reason)) this.#end(reason.toLowerCase(), 'blocked');
    else if (UNLINKED.has(reason)) this.#end('unlinked');
    else this.#end('disconnected');
  }

  #pairing(kind, text) {
    if (!this.#isBefore('authenticated')) return;
    this.#state = ['pairing'];
    this.#of.pairing(kind, String(text));
  }

  #emit(...events) {
    if (!this.#isOver) this.#of.emit(...events);
  }

  #isNew(what) {
    if (this.#seen.has(what)) return false;
    this.#seen.add(what);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.values().next().value);
    return true;
  }

  #inOrder(act) {
    this.#queue = this.#queue.then(act).catch(() => {
      // One event that cannot be read costs no other.
    });
  }

  #isBefore(state) {
    const order = ['starting', 'pairing', 'authenticated', 'ready'];
    const at = order.indexOf(this.#state[0]);
    return at >= 0 && at < order.indexOf(state);
  }

  #to(state, reason) {
    if (this.#isOver) return;
    this.#state = [state, reason];
    this.#of.page.ready = state === 'ready';
    this.#of.state(state, reason);
  }

  #end(reason, state = 'degraded') {
    if (this.#isOver) return;
    this.#to(state, reason);
    this.#isOver = true;
    this.#of.leave(reason);
  }

  #after(milliseconds, act) {
    const timer = setTimeout(() => !this.#isOver && act(), milliseconds);
    this.#timers.push(timer);
    return timer;
  }

  #each(milliseconds, act) {
    const timer = setInterval(() => !this.#isOver && act(), milliseconds);
    this.#timers.push(timer);
    return timer;
  }
}

/** Puts the profile of a phone that has unlinked us out of the way; nothing is deleted. */
export function setAside(profile, now) {
  const aside = `${profile}.unlinked-${new Date(now).toISOString().replaceAll(':', '')}`;
  fs.renameSync(profile, aside);
}

/** In seconds, which the library divides out of milliseconds. */
function reactedAt(raw) {
  const at = Math.floor(Number(raw?.timestamp));
  return Number.isSafeInteger(at) ? at : undefined;
}

/** A word for what a start ended with; what the library says may name a person. */
function whyNot(error) {
  const text = String(error?.message ?? error);
  if (/ERR_(INTERNET_DISCONNECTED|NAME_NOT_RESOLVED|ADDRESS_UNREACHABLE|CONNECTION|NETWORK|TIMED_OUT|PROXY)/.test(text)) {
    return 'no_network';
  }
  if (/Failed to launch|Could not find|ENOENT|EACCES/.test(text)) return 'no_browser';
  if (/auth timeout/.test(text)) return 'not_loaded';
  return 'start_failed';
}
