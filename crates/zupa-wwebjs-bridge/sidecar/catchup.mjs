// After each `ready`: what was said while nobody listened, chat by chat, before what is
// said now in the same chat.

import { address, isHeard, message } from './shape.mjs';

const FIRST_LIMIT = 50;
const LAST_LIMIT = 1_000;
/**
 * A change of a message does not move its chat: chats in which something was said shortly
 * before are looked through, too. Nobody may edit after a quarter of an hour.
 */
const CHANGES = 60 * 60_000;

/**
 * Looks through the chats with unread messages, with activity since `since` (milliseconds)
 * or shortly before, or among `also`, and hands each message to `found`, oldest first, with
 * what the library calls it and whether it is from then on; then calls `done(chat)`, at last
 * without a chat. Chats that go no further are not read, for `groups` see `isHeard`. Gives
 * how many chats could not be read: one of them costs no other. The list of chats may take
 * `limit` milliseconds.
 */
export async function catchUp(page, { since, groups, also, limit, found, done }) {
  const chats = await page.chats(limit);
  const isDue = (chat) => also.some((id) => page.isSameChat(id, address(chat.id)))
    || (isHeard(address(chat.id), groups)
      && (chat.unreadCount > 0 || (chat.timestamp ?? 0) * 1000 >= since - CHANGES));
  let unread = 0;
  for (const chat of chats.filter(isDue)) {
    let shown = [];
    try {
      shown = await look(page, chat, since);
    } catch {
      unread += 1;
    }
    for (const { shape, raw } of shown) await found(shape, raw, shape.at * 1000 >= since);
    await done(address(chat.id));
  }
  await done(undefined);
  return unread;
}

async function look(page, chat, since) {
  let limit = Math.max(FIRST_LIMIT, Math.min(chat.unreadCount ?? 0, LAST_LIMIT));
  for (;;) {
    const raws = await page.fetch(chat, limit);
    const shown = raws
      .map((raw, place) => ({ raw, place, shape: message(raw) }))
      .filter(({ shape }) => shape?.at !== undefined);
    const oldest = Math.min(...shown.map(({ shape }) => shape.at));
    if (raws.length < limit || oldest * 1000 < since || limit >= LAST_LIMIT) {
      return shown.sort((one, two) => one.shape.at - two.shape.at || one.place - two.place);
    }
    limit = Math.min(limit * 4, LAST_LIMIT);
  }
}
