// Small live terminals: a session's whole screen, as large as its place allows.

import { TerminalView } from "./terminal.js";

const FONT = { least: 2, most: 13, step: 0.25 };
const MARGIN = 16;

export class Preview {
  #place;
  #view;
  #observer;

  constructor(place, { cols = 120, rows = 32 }) {
    this.#place = place;
    this.#view = new TerminalView(place, { fontSize: 8, isPreview: true });
    this.#observer = new ResizeObserver(() => this.#scale());
    this.#observer.observe(place);
    this.resize(cols, rows);
  }

  draw({ data, redraw, cols, rows, drawn }) {
    if (!redraw) return this.#view.write(data, drawn);
    return this.#view.redraw(data, { cols, rows }, () => {
      this.#scale();
      drawn();
    });
  }

  resize(cols, rows) {
    this.#view.resize(cols, rows, () => this.#scale());
  }

  dispose() {
    this.#observer.disconnect();
    this.#view.dispose();
  }

  #scale() {
    const { clientWidth, clientHeight } = this.#place;
    this.#view.scaleInto({ width: clientWidth - MARGIN, height: clientHeight - MARGIN }, FONT);
  }
}
