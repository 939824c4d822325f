// Keys that a phone's keyboard lacks.

const KEYS = { escape: "\x1b", tab: "\t", interrupt: "\x03", enter: "\r" };
const ARROWS = { up: "A", down: "B", right: "C", left: "D" };

export class KeyBar {
  #term;
  #control = document.querySelector('[data-key="ctrl"]');

  constructor(place, term) {
    this.#term = term;
    // The terminal keeps the focus, and with it the phone's keyboard stays.
    place.addEventListener("pointerdown", (event) => event.preventDefault());
    place.addEventListener("click", ({ target }) => this.#press(target.dataset.key));
  }

  // What is to be sent for `data`: with Ctrl held the next character is a control character.
  through(data) {
    if (!this.#isHeld || !/^[@-_a-z ]$/.test(data)) return data;
    this.#hold(false);
    return String.fromCharCode(data.toUpperCase().charCodeAt(0) & 0x1f);
  }

  get #isHeld() {
    return this.#control.getAttribute("aria-pressed") === "true";
  }

  #hold(isHeld) {
    this.#control.setAttribute("aria-pressed", String(isHeld));
  }

  #press(key) {
    if (key === "ctrl") this.#hold(!this.#isHeld);
    else if (key in ARROWS) this.#term.input(this.#arrow(ARROWS[key]));
    else if (key in KEYS) this.#term.input(KEYS[key]);
  }

  #arrow(letter) {
    return this.#term.modes.applicationCursorKeysMode ? `\x1bO${letter}` : `\x1b[${letter}`;
  }
}
