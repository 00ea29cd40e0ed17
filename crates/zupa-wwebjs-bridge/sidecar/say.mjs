// What can be said, and how it is known again in a chat.
//
// `{ kind: 'text', text }`, `{ kind: 'location', latitude, longitude, name }`,
// `{ kind: 'card', text }`, `{ kind: 'reaction', to, emoji }`.

import { contentHash } from './shape.mjs';

/** Degrees behind the point: a metre. */
const DIGITS = 5;

/** What a message has in common with the one that it becomes. */
export function mark(what) {
  return what.kind === 'location' ? markOfPlace(what) : contentHash(what.text);
}

/** The same of a message of ours in a chat. */
export function markOf(shape) {
  return shape.kind === 'location' && shape.location ? markOfPlace(shape.location) : contentHash(shape.body);
}

function markOfPlace({ latitude, longitude }) {
  return contentHash(['location', latitude.toFixed(DIGITS), longitude.toFixed(DIGITS)].join('|'));
}
