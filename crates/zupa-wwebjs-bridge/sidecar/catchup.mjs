// After each `ready`: what was said while nobody listened, chat by chat, before what is
// said now in the same chat.

import { address, message } from './shape.mjs';

const FIRST_LIMIT = 50;
const LAST_LIMIT = 1_000;

/**
 * Looks through the chats with unread messages, with activity since `since` (milliseconds)
 * or among `also`, and hands each message from then on to `found`, oldest first; then calls
 * `done(chat)`, at last without a chat. Gives how many chats could not be read: one of them
 * costs no other.
 */
export async function catchUp(page, { since, also, found, done }) {
  const chats = await page.chats();
  const isDue = (chat) => chat.unreadCount > 0
    || (chat.timestamp ?? 0) * 1000 >= since
    || also.some((id) => page.isSameChat(id, address(chat.id)));
  let unread = 0;
  for (const chat of chats.filter(isDue)) {
    let shapes = [];
    try {
      shapes = await missed(page, chat, since);
    } catch {
      unread += 1;
    }
    for (const shape of shapes) await found(shape);
    await done(address(chat.id));
  }
  await done(undefined);
  return unread;
}

async function missed(page, chat, since) {
  let limit = Math.max(FIRST_LIMIT, Math.min(chat.unreadCount ?? 0, LAST_LIMIT));
  for (;;) {
    const raws = await page.fetch(chat, limit);
    const shapes = raws.map(message).filter((shape) => shape?.at !== undefined);
    const oldest = Math.min(...shapes.map((shape) => shape.at));
    if (raws.length < limit || oldest * 1000 < since || limit >= LAST_LIMIT) {
      return shapes
        .filter((shape) => shape.at * 1000 >= since)
        .map((shape, place) => ({ shape, place }))
        .sort((one, two) => one.shape.at - two.shape.at || one.place - two.place)
        .map(({ shape }) => shape);
    }
    limit = Math.min(limit * 4, LAST_LIMIT);
  }
}
