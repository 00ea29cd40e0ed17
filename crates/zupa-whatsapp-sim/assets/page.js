// The phones of all people at one number. The server tells the whole state
// whenever it changes; the page draws it and forgets the one before.

const element = (id) => document.getElementById(id);
const TICKS = { waiting: '…', sent: '✓', delivered: '✓✓', read: '✓✓', failed: '!' };

let state = null;
let open = null;

// Text only: what people and agents write is never markup.
function make(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text ?? '';
  return made;
}

const key = (chat) => `${chat.number} ${chat.phone}`;
const current = () => state?.chats.find((chat) => key(chat) === open);

async function act(what) {
  const answer = await fetch('/page/acts', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(what),
  });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
}

function line(chat, { from, id, text, ticks, choices, speaker }) {
  const made = make('div', `line ${from}`);
  made.dataset.id = id;
  if (speaker) made.append(make('small', 'speaker', named(chat, speaker)));
  made.append(make('p', 'text', text));
  if (choices?.length) {
    const list = make('div', 'choices');
    for (const choice of choices) {
      const button = make('button', 'choice', choice.title);
      button.type = 'button';
      button.dataset.id = choice.id;
      button.title = choice.description ?? '';
      button.addEventListener('click', () => act({
        act: 'choose', number: chat.number, phone: chat.phone, wamid: id, id: choice.id,
      }));
      list.append(button);
    }
    made.append(list);
  }
  const note = make('span', `ticks ${ticks}`, `${TICKS[ticks] ?? ''} ${ticks}`);
  note.dataset.ticks = ticks;
  made.append(note);
  return made;
}

function named(chat, phone) {
  return chat.members.find((member) => member.phone === phone)?.name ?? phone;
}

// Whoever wrote last goes on writing, as long as they are in the group.
function speakers(chat) {
  const select = element('speaker');
  const members = chat?.members ?? [];
  select.hidden = members.length === 0;
  const before = select.value;
  select.replaceChildren(...members.map(({ phone, name }) => {
    const option = make('option', '', name);
    option.value = phone;
    return option;
  }));
  if (members.some(({ phone }) => phone === before)) select.value = before;
}

function person(chat, several) {
  const item = make('li', '');
  const button = make('button', 'contact', chat.name);
  button.type = 'button';
  button.setAttribute('aria-current', String(key(chat) === open));
  const who = chat.members.length ? `${chat.members.length} people` : chat.phone;
  const about = several ? `${who}, to ${chat.number}` : who;
  button.append(make('small', '', about));
  button.addEventListener('click', () => {
    open = key(chat);
    draw();
    element('text').focus();
  });
  item.append(button);
  return item;
}

function draw() {
  if (!current()) open = state.chats.length ? key(state.chats[0]) : null;
  const several = new Set(state.chats.map((chat) => chat.number)).size > 1;
  element('people').replaceChildren(...state.chats.map((chat) => person(chat, several)));
  const chat = current();
  element('name').textContent = chat?.name ?? 'Nobody';
  speakers(chat);
  const lines = element('lines');
  const follows = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 60;
  const drawn = (chat?.lines ?? []).map((one) => line(chat, one));
  if (chat?.typing) drawn.push(make('div', 'line business typing', 'typing…'));
  lines.replaceChildren(...drawn);
  if (follows) lines.scrollTop = lines.scrollHeight;
  for (const box of element('switches').querySelectorAll('input')) {
    box.checked = state.switches[box.name];
  }
  for (const [name, count] of Object.entries(state.counts)) element(name).textContent = count;
  element('webhook').textContent = state.webhook ?? 'nowhere yet';
}

element('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const chat = current();
  const text = element('text').value;
  if (!chat || !text.trim()) return;
  element('text').value = '';
  const speaker = chat.members.length ? element('speaker').value : undefined;
  await act({ act: 'write', number: chat.number, phone: chat.phone, text, speaker });
});

element('meet').addEventListener('submit', async (event) => {
  event.preventDefault();
  const phone = element('phone').value;
  element('phone').value = '';
  await act({ act: 'meet', phone, name: `Somebody …${phone.slice(-4)}` });
});

element('found').addEventListener('submit', async (event) => {
  event.preventDefault();
  const members = element('members').value.split(',').map((one) => one.trim());
  element('members').value = '';
  await act({ act: 'found', name: `Group of ${members.length}`, members });
});

element('switches').addEventListener('change', () => {
  const boxes = [...element('switches').querySelectorAll('input')];
  act({ act: 'break', ...Object.fromEntries(boxes.map((box) => [box.name, box.checked])) });
});

function say(word, text) {
  element('state').dataset.state = word;
  element('state').textContent = text;
}

for (let after = ''; ;) {
  try {
    const answer = await fetch(`/page/state?after=${after}`);
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    state = await answer.json();
    after = state.revision;
    draw();
    say('online', 'online');
  } catch {
    say('lost', 'the simulator is gone');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    after = '';
  }
}
