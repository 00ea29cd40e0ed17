// Sends, each carried out at most once, and whose own messages are whose.
//
// What a chat shows as written by us was written by the bot or by a human on the phone.
// While a send of a chat is at work its own messages are parked; once the send is known to
// be one of them, the others are the human's.

import { likeness, likenessOf, mark, markOf } from './say.mjs';
import { address, message, name } from './shape.mjs';
import { within } from './time.mjs';

/** How far from the start of a command its message may be dated. */
const WINDOW_BEFORE = 5_000;
const WINDOW_AFTER = 600_000;
/** Names of messages that are kept in memory. */
const MAX_REMEMBERED = 10_000;
/** How much of a chat is looked through for a message. */
const LOOK_BACK = 50;

export class Commands {
  #journal;
  #page;
  #now;
  #human;
  #told;
  #isTold;
  #jobs = new Map();
  #parked = [];
  /** Names of messages that a human wrote. */
  #humans = new Set();
  /** Messages that were taken for a command's by their words, by their names. */
  #guessed = new Map();
  #levels = new Map();

  /**
   * `page` is what `client.mjs` makes of the library; `human(message)` is called for what
   * a human wrote, `told(key, level, command)` for each step up of a message of ours;
   * `isTold(name)` is of this life and others.
   */
  constructor({ journal, page, now, human, told, isTold }) {
    this.#journal = journal;
    this.#page = page;
    this.#now = now;
    this.#human = human;
    this.#told = told;
    this.#isTold = isTold;
  }

  /** Carries a command out, or says again what became of it. Never throws. */
  async answer(command) {
    if (command.what.kind === 'reaction') return this.#react(command);
    const key = command.command;
    if (!this.#jobs.has(key)) this.#jobs.set(key, this.#begin(command));
    const job = this.#jobs.get(key);
    const late = { result: 'unknown', reason: 'timeout' };
    let answer = await within(command.timeout_ms, job.done, late);
    if (answer === late) answer = (await this.#fromEvidence(job.command)) ?? late;
    // What is settled is in the journal; what is not is looked at anew when asked again,
    // unless the page is still at it.
    if (answer !== late) this.#jobs.delete(key);
    return answer;
  }

  /** It is no message, and made twice it is the same: nothing is kept of it. */
  async #react({ chat, what, timeout_ms: limit }) {
    if (!this.#page.isReady()) return { result: 'failed', reason: 'not_ready', again: true };
    const react = async () => {
      const there = await this.#page.chat(chat);
      if (there && (await this.#page.react(there, what.to, what.emoji))) return { result: 'sent' };
      return { result: 'failed', reason: there ? 'no_message' : 'no_chat', again: false };
    };
    return within(limit, react(), { result: 'unknown', reason: 'page' });
  }

  /**
   * A message of ours has appeared in a chat, or was found there; `isAlone` if it is not one
   * of several of which each may be a command's. Gives what `human` gives, if it is theirs.
   */
  own(shape, isAlone = true) {
    if (this.#journal.ofMessage(name(shape.key)) !== undefined) {
      this.acked(shape.key, shape.ack ?? 0);
      return undefined;
    }
    const atWork = [...this.#jobs.values()].some((job) => job.isAtWork && this.#isIn(shape, job.command));
    if (atWork) {
      this.#parked.push(shape);
      return undefined;
    }
    const doubts = this.#journal.inDoubt();
    const doubted = doubts.find((command) => this.#isIt(shape, command))
      ?? doubts.find((command) => isAlone && this.#isLike(shape, command));
    if (doubted !== undefined) {
      this.#guess(doubted, shape);
      return undefined;
    }
    remember(this.#humans, name(shape.key));
    return this.#human(shape);
  }

  /** WhatsApp has said how far a message of ours got. Levels only go up. */
  acked(key, level) {
    const known = name(key);
    const parked = this.#parked.find((shape) => name(shape.key) === known);
    if (parked !== undefined) parked.ack = Math.max(parked.ack ?? 0, level);
    const command = this.#journal.ofMessage(known);
    if (command === undefined || level === 0) return;
    const before = this.#levels.get(known) ?? 0;
    if (level > 0 ? level <= before : before !== 0) return;
    remember(this.#levels, known, level);
    this.#settle(command, level > 0
      ? { result: 'sent', id: known }
      : { result: 'failed', reason: 'refused', again: false });
    this.#told(key, level, command.key);
  }

  /** The chats in which something is in doubt. */
  chatsInDoubt() {
    return this.#journal.inDoubt().map((command) => command.chat);
  }

  #begin(asked) {
    const before = this.#journal.get(asked.command);
    // What has certainly not left may leave, whoever asks for it and for the how manieth time.
    const isNew = before === undefined || before.answer?.result === 'failed';
    const { promise, resolve } = deferred();
    const job = { command: before, done: promise, resolve, isAtWork: false };
    if (!isNew && before.answer !== undefined) resolve(before.answer);
    else if (isNew) void this.#carryOut(asked, job);
    else {
      const doubt = { result: 'unknown', reason: 'started_before' };
      void this.#fromEvidence(before).then((answer) => resolve(answer ?? doubt));
    }
    return job;
  }

  async #carryOut(asked, job) {
    const failed = (reason, again) => job.resolve({ result: 'failed', reason, again });
    if (!this.#page.isReady()) return failed('not_ready', true);
    let chat;
    let made;
    try {
      chat = await this.#page.chat(asked.chat);
      if (!chat) return failed('no_chat', false);
      if (asked.first === 'refuse' && !(await this.#page.hasSpoken(chat))) {
        return failed('first_contact', false);
      }
      made = await this.#page.content(asked.what);
      if (made === undefined) return failed('no_media', false);
    } catch {
      // Nothing was asked of the page but to look.
      return failed('page', true);
    }
    // Looking takes its time.
    if (!this.#page.isReady()) return failed('not_ready', true);
    const command = {
      key: asked.command,
      attempt: asked.attempt,
      chat: address(asked.chat),
      // The page's own name of it, by which an echo comes.
      there: address(chat.id),
      hash: mark(asked.what, made.sha256),
      like: likeness(asked.what),
      at: this.#now(),
    };
    try {
      this.#journal.started(command, this.#now());
    } catch {
      // What is not on record must not leave.
      return failed('disk', true);
    }
    job.command = this.#journal.get(command.key);
    job.isAtWork = true;
    let shape;
    let answer;
    try {
      const raw = await this.#page.send(chat, made);
      shape = message(raw);
      answer = raw ? undefined : { result: 'failed', reason: 'null', again: true };
    } catch {
      // It may have left all the same.
    }
    job.isAtWork = false;
    if (shape !== undefined) this.#isNamed(job.command, shape);
    else await this.#orNothing(job, answer);
    this.#release(job.command);
  }

  /** The page has ended without saying which message it made. */
  async #orNothing(job, absent) {
    const found = await this.#fromEvidence(job.command, absent);
    if (found !== undefined) this.#settle(job.command, found, job);
    else if (job.command.name === undefined) job.resolve({ result: 'unknown', reason: 'no_evidence' });
  }

  /**
   * What the chat says of a command: its answer, or nothing. `absent` is the answer if the
   * page can be read and shows no message that it can have become; only where no later
   * sending is possible.
   */
  async #fromEvidence(command, absent) {
    if (command === undefined) return undefined;
    if (command.answer !== undefined) return command.answer;
    const parked = this.#parked.find((shape) => this.#isIt(shape, command));
    if (parked !== undefined) this.#guess(command, parked);
    if (command.answer !== undefined) return command.answer;
    let shown;
    try {
      const chat = await this.#page.chat(command.chat);
      shown = (await this.#page.fetch(chat, LOOK_BACK)).map(message);
    } catch {
      // Without a page there is no evidence but what it told before.
    }
    const own = [...this.#parked, ...(shown ?? [])].filter((shape) => shape?.key.from_me);
    const it = own.find((shape) => name(shape.key) === command.name)
      ?? own.find((shape) => this.#isIt(shape, command))
      ?? this.#theOneLike(own, command);
    if (it !== undefined) this.#guess(command, it);
    const isThere = command.name !== undefined || own.some((shape) => this.#mayBe(shape, command));
    return shown === undefined || isThere ? command.answer : absent;
  }

  /** The only message that is like a command's, if there is only one. */
  #theOneLike(own, command) {
    const like = own.filter((shape) => this.#isLike(shape, command));
    return new Set(like.map((shape) => name(shape.key))).size === 1 ? like[0] : undefined;
  }

  /** Its words, chat and time are a command's. */
  #guess(command, shape) {
    if (command.name === undefined) remember(this.#guessed, name(shape.key), shape);
    this.#became(command, shape);
  }

  /** The page says that this is a command's message: what was guessed before is not. */
  #isNamed(command, shape) {
    const guessed = this.#guessed.get(command.name);
    const known = name(shape.key);
    if (command.name !== known) this.#journal.became(command.key, known);
    if (command.answer?.result === 'sent') this.#journal.answered(command.key, { ...command.answer, id: known });
    this.#became(command, shape);
    if (guessed !== undefined && name(guessed.key) !== known) this.own(guessed);
  }

  #became(command, shape) {
    const known = name(shape.key);
    if (command.name === undefined) this.#journal.became(command.key, known);
    const parked = this.#parked.find((other) => name(other.key) === known);
    this.#parked = this.#parked.filter((other) => other !== parked);
    this.acked(shape.key, Math.max(shape.ack ?? 0, parked?.ack ?? 0) || (shape.ack ?? 0));
  }

  #settle(command, answer, job = this.#jobs.get(command.key)) {
    if (this.#journal.get(command.key)?.answer === undefined) {
      this.#journal.answered(command.key, answer);
    }
    job?.resolve(answer);
  }

  /** Decides on what was parked for a chat in which nothing is at work any more. */
  #release(command) {
    const here = this.#parked.filter((shape) => this.#isIn(shape, command));
    this.#parked = this.#parked.filter((shape) => !here.includes(shape));
    here.forEach((shape) => this.own(shape, here.length === 1));
  }

  #isIn(shape, command) {
    const chat = shape.key.chat ?? shape.to;
    return this.#page.isSameChat(chat, command.chat) || this.#page.isSameChat(chat, command.there);
  }

  /** Whether a message of ours is what a command has become. */
  #isIt(shape, command) {
    return this.#mayBe(shape, command) && markOf(shape) === command.hash;
  }

  /** Whether it is like that: the page makes some files anew. */
  #isLike(shape, command) {
    return command.like !== undefined && this.#mayBe(shape, command) && likenessOf(shape) === command.like;
  }

  /** Whether a message of ours is nobody else's and of the command's chat and time. */
  #mayBe(shape, command) {
    const known = name(shape.key);
    if (command.name !== undefined || this.#journal.ofMessage(known) !== undefined) return false;
    if (this.#humans.has(known) || this.#isTold(`own|${known}`)) return false;
    const at = (shape.at ?? 0) * 1000;
    return this.#isIn(shape, command)
      && at >= command.at - WINDOW_BEFORE
      && at <= command.at + WINDOW_AFTER;
  }
}

/** Into a set or a map that is not to grow for ever. */
function remember(into, ...what) {
  if (into instanceof Map) into.set(...what);
  else into.add(...what);
  if (into.size > MAX_REMEMBERED) into.delete(into.keys().next().value);
}

function deferred() {
  let resolve;
  const promise = new Promise((set) => {
    resolve = set;
  });
  return { promise, resolve };
}
