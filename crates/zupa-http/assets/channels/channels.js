// How channels stand, asked again every three seconds, and the code that links a phone for
// as long as it waits. The token is in this page's memory alone.

const EVERY = 3000;
// Whoever has walked away leaves no code on a screen.
const SHOWN = 5 * 60 * 1000;

const element = (id) => document.getElementById(id);
const cards = new Map();
let token = '';
let round = 0;

element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  token = element('token').value.trim();
  element('token').value = '';
  look(++round);
});

// What a browser keeps of a page that was left shows nobody anything.
addEventListener('pagehide', () => {
  round += 1;
  element('token').value = '';
  forget();
  element('empty').hidden = true;
  live(false);
  say('');
});

function forget() {
  token = '';
  hide();
  cards.clear();
  element('channels').replaceChildren();
  element('form').hidden = false;
}

function hide() {
  for (const card of cards.values()) put(card, '');
}

async function look(mine) {
  if (!document.hidden) await refresh(mine);
  // Another token begins another round.
  if (mine === round && token) setTimeout(() => look(mine), EVERY);
}

async function refresh(mine) {
  try {
    const { channels } = await ask('/api/v1/channels');
    if (mine !== round) return;
    live(true);
    say('');
    element('form').hidden = true;
    element('empty').hidden = channels.length > 0;
    for (const channel of channels) show(channel);
    await Promise.all(channels.map((channel) => code(cards.get(channel.id), channel)));
  } catch (error) {
    if (mine !== round) return;
    live(false);
    say(error.message);
    // Nobody says any more that they are still asked for.
    hide();
    if (error.status !== 401) return;
    // The token of an earlier start: what is shown was true then.
    forget();
    element('token').focus();
  }
}

async function ask(path) {
  let answer;
  try {
    answer = await fetch(path, { headers: { authorization: `Bearer ${token}` }, cache: 'no-store' });
  } catch {
    throw new Error('The process does not answer. It is asked again.');
  }
  if (answer.ok) return answer.json();
  const error = new Error(answer.status === 401
    ? 'This is not the token of the process that serves now.'
    : `The process answers ${answer.status}. It is asked again.`);
  error.status = answer.status;
  throw error;
}

function live(yes) {
  element('live').dataset.live = yes ? 'yes' : 'no';
  element('live').textContent = yes ? 'live' : 'not connected';
}

function say(wrong) {
  element('wrong').textContent = wrong;
  element('wrong').hidden = !wrong;
}

function show(channel) {
  const card = cards.get(channel.id) ?? begin(channel);
  card.place.dataset.state = channel.state;
  card.chip.textContent = channel.state;
  const facts = [
    ['Kind', channel.kind],
    ['Tenant', channel.tenant],
    ['Reason', channel.reason ?? (channel.pairing ? 'waits to be linked' : '')],
    ['Since', moment(channel.since)],
    ['Starts', String(channel.starts)],
  ];
  const rows = facts.filter(([, text]) => text).flatMap(([name, text]) => [make('dt', '', name), make('dd', '', text)]);
  card.facts.replaceChildren(...rows);
}

function begin(channel) {
  const place = make('li', 'card channel');
  place.dataset.channel = channel.id;
  const head = make('div', 'head');
  const chip = make('span', 'chip');
  head.append(make('h2', '', channel.id), chip);
  const [facts, link] = [make('dl', 'facts'), make('div', 'link')];
  const card = { place, chip, facts, link, until: 0, timer: 0, shown: '' };
  place.append(head, facts, link);
  cards.set(channel.id, card);
  element('channels').append(place);
  return card;
}

// The code is asked for by whoever wants to see it, and each look is on record.
async function code(card, channel) {
  if (!channel.pairing) return put(card, '');
  if (Date.now() > card.until) {
    return put(card, 'ask', () => {
      const button = make('button', '', 'Show the code that links a phone');
      button.type = 'button';
      button.addEventListener('click', () => {
        card.until = Date.now() + SHOWN;
        // Also where nobody looks, and nothing is asked again.
        clearTimeout(card.timer);
        card.timer = setTimeout(put, SHOWN, card, '');
        code(card, channel).catch((error) => say(error.message));
      });
      return [button, make('p', 'soft', 'Whoever scans it reads and writes as this account. That it was shown is in the audit.')];
    });
  }
  let found;
  try {
    found = await ask(`/api/v1/channels/${encodeURIComponent(channel.id)}/pairing`);
  } catch (error) {
    // It was linked meanwhile.
    if (error.status === 404) return put(card, '');
    throw error;
  }
  // It was hidden meanwhile.
  if (Date.now() > card.until) return;
  const how = 'On the phone: WhatsApp, Linked devices, Link a device';
  put(card, found.text, () => found.rows
    ? [drawn(found.rows), make('p', 'soft', `${how}, and scan this. It is another one every few seconds.`)]
    : [make('p', 'typed', found.text), make('p', 'soft', `${how}, with the phone number instead.`)]);
}

function put(card, shown, build = () => []) {
  if (!shown) card.until = 0;
  if (card.shown === shown) return;
  card.shown = shown;
  card.link.replaceChildren(...build());
}

// One path: a square for each 1.
function drawn(rows) {
  const svg = element('qr').content.cloneNode(true).firstElementChild;
  svg.setAttribute('viewBox', `0 0 ${rows.length} ${rows.length}`);
  const squares = rows.flatMap((row, y) => [...row].map((one, x) => (one === '1' ? `M${x} ${y}h1v1h-1z` : '')));
  svg.querySelector('path').setAttribute('d', squares.join(''));
  return svg;
}

function make(tag, name = '', text = '') {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

function moment(text) {
  const at = new Date(text.replace(/(\.\d{3})\d+/, '$1'));
  return at.toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' });
}
