// From what the library hands out to what the wire carries.
//
// WhatsApp's page is minified anew with each build, and properties of its objects lose
// their names (`_serialized` became `$1` in July 2026): ids are put together from their
// parts, and one property is never trusted alone.

import { createHash } from 'node:crypto';

/** Much less than a frame: an event has other parts. */
const MAX_BYTES = 512 << 10;

/** An address: `user@server`, without the number of a device. */
export function address(wid) {
  if (wid === null || wid === undefined) return undefined;
  if (typeof wid === 'object') {
    const whole = wid.user && wid.server ? `${wid.user}@${wid.server}` : wid._serialized ?? wid.$1;
    return address(typeof whole === 'string' ? whole : undefined);
  }
  const text = String(wid);
  return text.includes('@') ? text.replace(/:\d+@/, '@') : undefined;
}

/** The parts of a message's id; none if it has no id of its own. */
export function key(id) {
  if (typeof id === 'string') return parsed(id);
  if (typeof id !== 'object' || id === null) return undefined;
  const whole = parsed(id._serialized ?? id.$1);
  const own = typeof id.id === 'string' ? id.id : whole?.id;
  if (own === undefined || own === '') return undefined;
  return {
    id: own,
    from_me: typeof id.fromMe === 'boolean' ? id.fromMe : Boolean(whole?.from_me),
    chat: address(id.remote) ?? whole?.chat,
    participant: address(id.participant) ?? whole?.participant,
  };
}

/** `true_chat_id` or, in groups, `true_chat_id_participant`. */
function parsed(serialized) {
  if (typeof serialized !== 'string') return undefined;
  const [fromMe, chat, id, participant] = serialized.split('_');
  if (id === undefined || id === '') return undefined;
  return {
    id,
    from_me: fromMe === 'true',
    chat: address(chat),
    participant: address(participant),
  };
}

/** What a message is known by here: never the chat, which has more than one name. */
export function name(of) {
  return [of.id, of.from_me, of.participant ?? ''].join('|');
}

/** What the library calls the message. */
export function serialized(of) {
  return [of.from_me, of.chat, of.id, of.participant].filter((part) => part !== undefined).join('_');
}

/** Whether what is said in a chat is told; `groups`: `answer` or `ignore`. */
export function isHeard(chat, groups) {
  const server = chat?.split('@').at(-1);
  return ['c.us', 'lid'].includes(server) || (server === 'g.us' && groups === 'answer');
}

/** A message as the wire carries it; none without an id. */
export function message(raw) {
  const of = key(raw?.id);
  if (of === undefined) return undefined;
  const shape = whole(raw, of);
  if (Buffer.byteLength(JSON.stringify(shape)) <= MAX_BYTES) return shape;
  // What would fill a frame is known by its kind alone.
  return { ...shape, body: '', media: undefined, location: undefined, cards: undefined, choice: undefined };
}

function whole(raw, of) {
  return {
    key: of,
    from: address(raw.from),
    to: address(raw.to),
    author: address(raw.author),
    at: Number.isSafeInteger(raw.timestamp) ? raw.timestamp : undefined,
    kind: typeof raw.type === 'string' ? raw.type : 'unknown',
    body: typeof raw.body === 'string' ? raw.body : '',
    media: raw.hasMedia ? media(raw, of) : undefined,
    location: raw.location ? place(raw.location) : undefined,
    cards: Array.isArray(raw.vCards) && raw.vCards.length > 0 ? raw.vCards.map(String) : undefined,
    choice: raw.selectedButtonId ?? raw.selectedRowId ?? undefined,
    // Only what WhatsApp calls new has just been said; anything else is history.
    history: raw._data?.isNewMsg === false,
    broadcast: Boolean(raw.broadcast || raw.isStatus),
    ack: Number.isSafeInteger(raw.ack) ? raw.ack : undefined,
    edited: editedAt(raw),
  };
}

/** When a message was changed last, in milliseconds. */
function editedAt(raw) {
  const at = Number(raw.latestEditSenderTimestampMs);
  return Number.isSafeInteger(at) ? at : undefined;
}

function media(raw, of) {
  const data = raw._data ?? {};
  return {
    handle: serialized(of),
    mime: typeof data.mimetype === 'string' ? data.mimetype : 'application/octet-stream',
    filename: typeof data.filename === 'string' ? data.filename : undefined,
    ...announced(raw),
  };
}

/** What a message says of its file: its size, and its SHA-256 in hexadecimal. */
export function announced(raw) {
  const { size, filehash } = raw._data ?? {};
  const digest = Buffer.from(typeof filehash === 'string' ? filehash : '', 'base64');
  return {
    bytes: Number.isSafeInteger(size) ? size : undefined,
    sha256: digest.length === 32 ? digest.toString('hex') : undefined,
  };
}

function place(location) {
  return {
    latitude: Number(location.latitude),
    longitude: Number(location.longitude),
    name: location.name ?? location.description ?? undefined,
  };
}

/** What says the same has the same hash. */
export function contentHash(text) {
  return digest(String(text).trim());
}

/** The SHA-256, in hexadecimal. */
export function digest(what) {
  return createHash('sha256').update(what).digest('hex');
}
