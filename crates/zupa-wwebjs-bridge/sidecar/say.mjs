// What can be said, and how it is known again in a chat.
//
// `{ kind: 'text', text }`, `{ kind: 'location', latitude, longitude, name }`,
// `{ kind: 'card', text }`, `{ kind: 'voice', file }`, `{ kind: 'file', handle, is_shown, caption }`,
// `{ kind: 'reaction', to, emoji }`.

import { contentHash } from './shape.mjs';

/** Degrees behind the point: a metre. */
const DIGITS = 5;

/** What a message has in common with the one that it becomes; `sha256` is its file's, if it has one. */
export function mark(what, sha256) {
  if (what.kind === 'location') return markOfPlace(what);
  return sha256 === undefined ? contentHash(what.text) : markOfFile({ sha256 });
}

/** The same of a message of ours in a chat. */
export function markOf(shape) {
  if (shape.kind === 'location' && shape.location) return markOfPlace(shape.location);
  return shape.media ? markOfFile(shape.media) : contentHash(shape.body);
}

/** What is left of a file's mark when the page has made it smaller; none of anything else. */
export function likeness(what) {
  return what.kind === 'file' ? likenessOfFile(what.is_shown, what.caption ?? '') : undefined;
}

/** The same of a message of ours in a chat. */
export function likenessOf(shape) {
  if (!shape.media || shape.kind === 'ptt') return undefined;
  return likenessOfFile(shape.kind !== 'document', shape.body);
}

function likenessOfFile(isShown, caption) {
  return contentHash(`${isShown ? 'shown' : 'document'}|${caption.trim()}`);
}

/** A file without a hash is like no other. */
function markOfFile({ sha256 }) {
  return sha256 && contentHash(`file|${sha256}`);
}

function markOfPlace({ latitude, longitude }) {
  return contentHash(['location', latitude.toFixed(DIGITS), longitude.toFixed(DIGITS)].join('|'));
}
