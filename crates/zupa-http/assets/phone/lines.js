// The conversation: committed lines in their order, the draft of the answer
// being written, and what is not accepted yet.

import { fill, make } from './text.js';

const element = (id) => document.getElementById(id);

// How long an agent is believed to be typing without a further sign.
const TYPING = 60000;

export class Lines {
  #lines = element('lines');
  #draft = element('draft');
  #unsent = element('unsent');
  #scroll = element('scroll');
  #jump = element('jump');
  #on;
  #writing = null;
  #done = new Set();
  #mine = new Map();
  #follows = true;
  #timer = 0;

  constructor(on) {
    this.#on = on;
    this.#scroll.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
      this.#follows = scrollHeight - scrollTop - clientHeight < 60;
      this.#jump.hidden = this.#follows;
    }, { passive: true });
    this.#jump.addEventListener('click', () => this.#follow(true));
    new ResizeObserver(() => this.#follow()).observe(this.#scroll);
  }

  clear() {
    this.#lines.replaceChildren();
    this.#unsent.replaceChildren();
    this.#mine.clear();
    this.#done.clear();
    this.quiet();
    this.#tell();
  }

  // A committed line. One of ours takes the place of its copy below.
  add(from, { id, text, turn, late }, number) {
    if (from === 'person') {
      this.#mine.get(id)?.remove();
      this.#mine.delete(id);
    } else {
      this.#done.add(turn);
      this.quiet();
    }
    const line = bubble(from, text);
    line.dataset.number = number;
    line.dataset.id = id;
    if (late) line.append(make('span', 'note', 'sent late'));
    this.#lines.append(line);
    this.#tell();
    this.#follow();
  }

  typing() {
    if (!this.#writing) {
      const dots = make('div', 'line agent typing');
      dots.append(make('i'), make('i'), make('i'));
      this.#draft.replaceChildren(dots);
    }
    this.#busy();
  }

  // A piece of an answer. A later run of the turn begins it anew, and what
  // comes after the committed message is old.
  write({ turn, run, text }) {
    if (this.#done.has(turn)) return;
    const now = this.#writing;
    if (now?.turn === turn && run < now.run) return;
    if (now?.turn !== turn || now.run !== run) {
      const line = bubble('agent', '');
      line.classList.add('draft');
      this.#writing = { turn, run, text: '', into: line.querySelector('.text') };
      this.#draft.replaceChildren(line);
    }
    this.#writing.text += text;
    fill(this.#writing.into, this.#writing.text);
    this.#busy();
  }

  end({ turn }) {
    if (!this.#writing || this.#writing.turn === turn) this.quiet();
  }

  // Nobody is writing, or we cannot see it.
  quiet() {
    clearTimeout(this.#timer);
    this.#writing = null;
    this.#draft.replaceChildren();
    this.#on.typing(false);
  }

  // A message of ours that is on its way.
  send(message) {
    const line = bubble('person', message.text);
    line.classList.add('unsent');
    line.append(make('span', 'note', 'sending…'));
    this.#mine.set(message.id, line);
    this.#unsent.append(line);
    this.#tell();
    this.#follow(true);
  }

  note(message, text) {
    const note = this.#mine.get(message.id)?.querySelector('.note');
    if (note) note.textContent = text;
  }

  // A message that the server will not take: the words stay until the person
  // decides.
  refuse(message, edit, drop) {
    const line = this.#mine.get(message.id);
    if (!line) return;
    line.classList.add('refused');
    this.note(message, `Not sent: ${message.refused} `);
    for (const [name, act] of [['Edit', edit], ['Remove', drop]]) {
      const button = make('button', 'plain', name);
      button.type = 'button';
      button.addEventListener('click', () => {
        line.remove();
        this.#mine.delete(message.id);
        this.#tell();
        act();
      });
      line.querySelector('.note').append(button);
    }
  }

  #busy() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.quiet(), TYPING);
    this.#on.typing(true);
    this.#follow();
  }

  #tell() {
    element('empty').hidden = this.#lines.hasChildNodes() || this.#unsent.hasChildNodes();
  }

  #follow(always = false) {
    if (always) this.#follows = true;
    if (this.#follows) this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}

function bubble(from, text) {
  const line = make('div', `line ${from}`);
  line.append(make('span', 'unseen', from === 'person' ? 'You: ' : 'Agent: '));
  const words = make('span', 'text');
  words.dir = 'auto';
  fill(words, text);
  line.append(words);
  return line;
}
