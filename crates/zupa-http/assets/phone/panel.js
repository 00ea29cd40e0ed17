// The lives of turns: accepted, claimed, model, committed, sent, with the time
// of each and what lies between. Signs only: a reload starts empty.

import { make } from './text.js';

const element = (id) => document.getElementById(id);

const SHOWN = 20;

// Stages after which the answer is no news.
const ENDS = new Set(['committed', 'sent', 'dead']);

export class Panel {
  #turns = new Map();
  #accepted = [];

  clear() {
    this.#turns.clear();
    this.#accepted = [];
    element('turns').replaceChildren();
    this.#tell();
  }

  // Signs were missed: a turn may have taken what we still show as waiting.
  forget() {
    this.#accepted = [];
    this.#tell();
  }

  see({ turn, stage, at, detail }) {
    const mark = { stage, at: moment(at), detail };
    if (!turn) {
      // A message has no turn yet; the next one to claim takes it.
      this.#accepted.push(mark);
      this.#tell();
      return;
    }
    const life = this.#turns.get(turn) ?? this.#begin(turn);
    life.unseen = false;
    // A later start takes exactly what the first one took.
    const starts = stage === 'claimed' && !life.marks.some((one) => one.stage === 'claimed');
    if (starts) life.marks.push(...this.#accepted.splice(0));
    life.marks.push(mark);
    life.marks.sort((a, b) => a.at - b.at);
    draw(life);
    this.#tell(life);
  }

  // Its answer is there. The signs of how that came about may have passed while
  // nobody looked.
  answered(turn) {
    const life = this.#turns.get(turn);
    if (!life || ENDS.has(life.marks.at(-1).stage)) return;
    life.unseen = true;
    draw(life);
    if ([...this.#turns.values()].at(-1) === life) this.#tell(life);
  }

  #begin(turn) {
    const life = { turn, marks: [], card: make('li', 'turn') };
    this.#turns.set(turn, life);
    element('turns').prepend(life.card);
    if (this.#turns.size > SHOWN) {
      const [oldest, { card }] = this.#turns.entries().next().value;
      this.#turns.delete(oldest);
      card.remove();
    }
    return life;
  }

  #tell(life) {
    const waiting = this.#accepted.length;
    element('waiting').hidden = waiting === 0;
    element('waiting').textContent =
      waiting === 1 ? '1 message is accepted and waits for a turn' : `${waiting} messages are accepted and wait for a turn`;
    element('quiet').hidden = waiting > 0 || this.#turns.size > 0;
    element('latest').textContent = life
      ? life.unseen ? 'answered' : `${life.marks.at(-1).stage}, ${span(total(life))}`
      : waiting > 0 ? 'accepted' : '';
  }
}

function draw(life) {
  const { card, marks, turn, unseen } = life;
  const all = total(life);
  const stage = unseen ? 'answered' : marks.at(-1).stage;
  card.dataset.stage = stage;
  card.dataset.turn = turn;
  const head = make('h3');
  const name = make('code', '', turn.slice(-8));
  name.title = turn;
  head.append(name, make('span', 'chip', stage), make('span', 'sum', unseen ? '' : span(all)));
  const rows = make('ol', 'marks');
  rows.append(...marks.map((mark, at) => {
    // How long it stayed there: until the next mark.
    const stay = (marks[at + 1] ?? mark).at - mark.at;
    const row = make('li', 'mark');
    row.dataset.stage = mark.stage;
    const bar = make('span', 'wait');
    if (all > 0) {
      bar.style.setProperty('--from', (mark.at - marks[0].at) / all);
      bar.style.setProperty('--width', stay / all);
    }
    row.append(
      make('span', 'stage', mark.stage),
      make('time', '', clock(mark.at)),
      make('span', 'stay', marks[at + 1] ? span(stay) : ''),
      bar,
    );
    if (mark.detail) row.append(make('p', 'detail', mark.detail));
    return row;
  }));
  card.replaceChildren(head, rows);
  if (unseen) card.append(make('p', 'detail', 'The rest happened while this page could not look.'));
}

function total({ marks }) {
  return marks.at(-1).at - marks[0].at;
}

// Milliseconds since 1970, with the microseconds that Date would cut off.
function moment(text) {
  const [, before, fraction, after] = /^([^.]*)(\.\d+)?(.*)$/.exec(text);
  return Date.parse(before + after) + Number(fraction ?? 0) * 1000;
}

function span(ms) {
  if (ms < 10) return `${ms.toFixed(ms < 1 ? 2 : 1)} ms`;
  return ms < 10000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function clock(ms) {
  const two = (number) => String(number).padStart(2, '0');
  const at = new Date(ms);
  const thousandths = String(at.getMilliseconds()).padStart(3, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${thousandths}`;
}
