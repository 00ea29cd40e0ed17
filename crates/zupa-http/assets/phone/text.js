// Text from people and models reaches the page here and nowhere else, as text
// nodes. What would turn the reading order around, or hide, is shown by name.

const UNSEEN = /([\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff])/;

export function fill(element, text) {
  element.replaceChildren(...text.split(UNSEEN).map((part, at) => {
    if (at % 2 === 0) return document.createTextNode(part);
    const name = 'U+' + part.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    return make('span', 'control', name);
  }));
}

export function make(tag, name = '', text = '') {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}

export function fresh() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Outside localhost and TLS there is no randomUUID; any unique text will do.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0')).join('');
}
