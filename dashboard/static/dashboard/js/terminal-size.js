// The size of the session's terminal and how it is shown. The session has one size; whoever typed
// last, or pressed "fit", sets it. Everybody else sees it smaller, or scrolls.

const BASE_FONT = 14;
const SCALING = { least: 7, most: BASE_FONT, step: 0.5 };
const SCROLLBAR = 12;
const PADDING = 16;
const SETTLE_MS = 150;

export class TerminalSize {
  #view;
  #frame;
  #send;
  #base = null;
  #asked = null;
  #timer = null;

  // `send(cols, rows)` asks for another size of the session's terminal.
  constructor(view, frame, send) {
    this.#view = view;
    this.#frame = frame;
    this.#send = send;
    new ResizeObserver(() => this.#frameChanged()).observe(frame);
  }

  // The columns and rows that fill the window at the normal font size.
  get fitting() {
    this.#base ??= this.#measure();
    const box = this.#box;
    const count = (length, cell) => Math.max(2, Math.min(1000, Math.floor(length / cell)));
    return { cols: count(box.width, this.#base.width), rows: count(box.height, this.#base.height) };
  }

  // Make the session as large as this window.
  fit() {
    const wanted = this.fitting;
    this.#asked = wanted;
    if (!this.#isSize(wanted)) this.#send(wanted.cols, wanted.rows);
    this.show();
  }

  // Typing claims the size. Once claimed it stays so until another viewer sets another.
  claim() {
    if (!this.#isSize(this.fitting)) this.fit();
    this.#asked = this.fitting;
  }

  // The session has this size now, by whomever.
  changed(cols, rows) {
    const isMine = this.#asked?.cols === cols && this.#asked?.rows === rows;
    if (!isMine) this.#asked = null;
    this.#view.resize(cols, rows, () => this.show());
  }

  // Scale the terminal to the window.
  show() {
    this.#base ??= this.#measure();
    this.#view.scaleInto(this.#box, SCALING);
  }

  #isSize({ cols, rows }) {
    return this.#view.term.cols === cols && this.#view.term.rows === rows;
  }

  get #box() {
    return {
      width: this.#frame.clientWidth - PADDING - SCROLLBAR,
      height: this.#frame.clientHeight - PADDING,
    };
  }

  #measure() {
    this.#view.fontSize = BASE_FONT;
    return this.#view.cell;
  }

  #frameChanged() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#asked ? this.fit() : this.show()), SETTLE_MS);
  }
}

export { BASE_FONT };
