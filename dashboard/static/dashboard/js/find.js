// Find in the output.

const DECORATIONS = {
  matchBackground: "#b38a2e",
  matchOverviewRuler: "#b38a2e",
  activeMatchBackground: "#e0761a",
  activeMatchColorOverviewRuler: "#e0761a",
};

const at = (id) => document.getElementById(id);

export class Find {
  #view;
  #form = at("find");
  #text = at("find-text");

  constructor(view) {
    this.#view = view;
    view.search.onDidChangeResults((results) => this.#count(results));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#next();
    });
    this.#text.addEventListener("input", () => this.#next({ incremental: true }));
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    at("find-previous").addEventListener("click", () => this.#previous());
    at("find-close").addEventListener("click", () => this.close());
    at("find-open").addEventListener("click", () => this.open());
  }

  open() {
    this.#form.hidden = false;
    const selected = this.#view.term.getSelection();
    if (selected && !selected.includes("\n")) this.#text.value = selected;
    this.#text.focus();
    this.#text.select();
    if (this.#text.value) this.#next({ incremental: true });
  }

  close() {
    this.#view.search.clearDecorations();
    this.#form.hidden = true;
    this.#view.term.focus();
  }

  #next(options = {}) {
    if (!this.#text.value) return this.#clear();
    return this.#view.search.findNext(this.#text.value, { decorations: DECORATIONS, ...options });
  }

  #previous() {
    this.#view.search.findPrevious(this.#text.value, { decorations: DECORATIONS });
  }

  #clear() {
    this.#view.search.clearDecorations();
    at("find-count").textContent = "";
  }

  #count({ resultIndex, resultCount }) {
    const found = resultIndex < 0 ? `${resultCount}` : `${resultIndex + 1} of ${resultCount}`;
    at("find-count").textContent = resultCount > 0 ? found : "Nothing found";
  }

  #key(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.shiftKey) this.#previous();
    else return;
    event.preventDefault();
  }
}
