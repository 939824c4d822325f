// Single keys and pairs of keys for the whole page. They never take a key from a field or from a
// terminal. No DOM but the event is needed.

const PAIR_MS = 1200;

const TAKES_KEYS = "input, textarea, select, [contenteditable], .xterm, dialog[open]";

// A field keeps the focus for a moment after its dialog was closed, until the page is drawn anew.
const isTyping = (target) =>
  Boolean(target?.closest?.(TAKES_KEYS)) && !target.closest("dialog:not([open])");

export class Shortcuts {
  #actions = new Map();
  #first = null;
  #firstAt = 0;

  // `keys` is one key ("n") or two in a row ("g h"), named as `KeyboardEvent.key` names them.
  add(keys, action) {
    this.#actions.set(keys, action);
  }

  // Return whether the event was a shortcut; its action has run then.
  handle(event, now = Date.now()) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false;
    if (isTyping(event.target)) return false;
    const pair = this.#first && now - this.#firstAt < PAIR_MS ? `${this.#first} ${event.key}` : null;
    this.#first = null;
    const action = this.#actions.get(pair) ?? this.#actions.get(event.key);
    if (action === undefined) return this.#begin(event.key, now);
    event.preventDefault();
    action(event.key);
    return true;
  }

  #begin(key, now) {
    const isFirst = [...this.#actions.keys()].some((keys) => keys.startsWith(`${key} `));
    if (isFirst) [this.#first, this.#firstAt] = [key, now];
    return isFirst;
  }
}
