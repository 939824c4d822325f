// What is left of a session that has ended: its last screen, or everything it ever wrote.

import { api, rawOutput } from "./api.js";
import { notice } from "./notices.js";

export class EndedOutput {
  #view;
  #size;
  #session;
  #button = document.getElementById("load-output");

  constructor(view, size, sessionId) {
    this.#view = view;
    this.#size = size;
    this.#session = sessionId;
    this.#button.addEventListener("click", () => this.#loadAll());
  }

  async showLastScreen() {
    try {
      const screen = await api.screen(this.#session);
      this.#view.redraw(screen.ansi, screen, () => this.#size.show());
      this.#button.hidden = false;
    } catch (refusal) {
      notice(refusal.message, { bad: true });
    }
  }

  // Each piece is drawn before the next is taken, so that a large output does not pile up here.
  async #loadAll() {
    this.#button.disabled = true;
    try {
      const { cols, rows } = this.#view.term;
      this.#view.redraw("", { cols, rows });
      const reader = (await rawOutput(this.#session)).getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        await new Promise((drawn) => this.#view.write(piece.value, drawn));
      }
      this.#button.hidden = true;
      this.#view.term.scrollToTop();
    } catch (refusal) {
      notice(refusal.message, { bad: true });
    } finally {
      this.#button.disabled = false;
    }
  }
}
