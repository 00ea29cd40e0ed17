// The simulated phone: ties the stream, the outbox, the conversation and the
// panel together. Uses the public HTTP API and /dev/info, nothing else.

import { Feed } from './feed.js';
import { Lines } from './lines.js';
import { Outbox } from './outbox.js';
import { Panel } from './panel.js';
import { fresh } from './text.js';

const CONVERSATION = 'zupa.conversation';

// How long the signs of an answer may take to come.
const SIGNS = 1500;

// A restart takes less; a banner that flashes only alarms.
const BANNER_AFTER = 700;

const element = (id) => document.getElementById(id);
const text = element('text');

let conversation = localStorage.getItem(CONVERSATION);
let feed;
let online = false;
let wasOnline = false;
let typing = false;
let bannerTimer = 0;

const panel = new Panel();
const lines = new Lines({
  typing(is) {
    typing = is;
    showState();
  },
});
const outbox = new Outbox({
  taken: (message) => lines.note(message, 'accepted'),
  waiting: (message, why) => lines.note(message, `Kept here, not sent yet: ${why}`),
  refused: showRefused,
});

function enter(name) {
  conversation = name;
  localStorage.setItem(CONVERSATION, name);
  element('conversation').textContent = name;
  feed?.stop();
  lines.clear();
  panel.clear();
  for (const message of outbox.of(name)) show(message);
  feed = new Feed(name, {
    open() {
      setOnline(true);
      about();
      outbox.kick();
    },
    lost() {
      // What is written meanwhile would have a hole.
      lines.quiet();
      panel.forget();
      setOnline(false);
    },
    inbound(line, number) {
      lines.add('person', line, number);
      // Committed, so a 202 that was lost on its way is no longer needed.
      for (const message of outbox.of(name)) {
        if (message.id === line.id) outbox.remove(message);
      }
    },
    message(line, number) {
      lines.add('agent', line, number);
      // The signs of it come on another way, and mostly after it.
      setTimeout(() => panel.answered(line.turn), SIGNS);
    },
    typing: () => lines.typing(),
    delta: (piece) => lines.write(piece),
    end: (turn) => lines.end(turn),
    turn(mark) {
      panel.see(mark);
      // Nobody writes any more, whether or not the draft's end gets through.
      if (mark.stage === 'retry' || mark.stage === 'dead') lines.end(mark);
    },
  });
}

function show(message) {
  lines.send(message);
  if (message.refused) showRefused(message);
}

function showRefused(message) {
  const drop = () => outbox.remove(message);
  const edit = () => {
    drop();
    text.value = text.value ? `${message.text}\n${text.value}` : message.text;
    grow();
    text.focus();
  };
  lines.refuse(message, edit, drop);
}

function submit() {
  const words = text.value;
  if (!words.trim()) return;
  text.value = '';
  grow();
  const message = outbox.add(conversation, words);
  lines.send(message);
}

function grow() {
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight}px`;
}

function setOnline(is) {
  online = is;
  wasOnline ||= is;
  clearTimeout(bannerTimer);
  if (is) element('banner').hidden = true;
  else bannerTimer = setTimeout(showBanner, BANNER_AFTER);
  showState();
}

function showBanner() {
  const banner = element('banner');
  banner.hidden = false;
  banner.textContent = 'The server cannot be reached. Trying again; what you write is kept.';
}

function showState() {
  const state = !online ? 'connecting' : typing ? 'typing' : 'online';
  element('state').dataset.state = state;
  const words = state === 'connecting' && wasOnline ? 'reconnecting' : state;
  element('state').textContent = state === 'online' ? words : `${words}…`;
}

// Asked again at each connection: the server may be another one now.
async function about() {
  const info = await fetch('/dev/info').then((answer) => answer.json()).catch(() => null);
  if (!info?.agent) return;
  element('agent').textContent = info.agent;
  element('avatar').textContent = [...info.agent][0].toUpperCase();
  element('model').textContent = info.model;
  element('answers').textContent = `Answers come from ${info.model}.`;
  element('store').textContent = info.store;
  element('hint').textContent = info.hint;
  element('hint').hidden = !info.hint;
  document.title = `${info.agent} · Zupa`;
}

element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  submit();
  text.focus();
});
text.addEventListener('input', grow);
text.addEventListener('keydown', (event) => {
  // Enter also ends the spelling of a word in some writing systems.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
element('new').addEventListener('click', () => {
  enter(fresh());
  text.focus();
});
for (const sign of ['online', 'focus']) {
  addEventListener(sign, () => feed?.hurry());
}

if (matchMedia('(max-width: 52rem)').matches) element('panel').open = false;
enter(conversation || fresh());
outbox.kick();
