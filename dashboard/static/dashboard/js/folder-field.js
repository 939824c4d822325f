// A field for a folder that completes what is typed (an ARIA combobox).

import { api } from "./api.js";
import { plain } from "./format.js";

const PAUSE_MS = 120;

export class FolderField {
  #input;
  #list;
  #options = [];
  #selected = -1;
  #timer = null;
  #asked = 0;
  #host;

  // `host` tells on which machine the folders are looked for, "" for any.
  constructor(input, list, host = () => "") {
    this.#input = input;
    this.#list = list;
    this.#host = host;
    input.addEventListener("input", () => this.#askSoon());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.close());
    list.addEventListener("pointerdown", (event) => this.#pressed(event));
  }

  close() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.#show([]);
  }

  // What is shown goes on with what is typed, whenever the next answer comes.
  #askSoon() {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const path = this.#expanded();
    this.#show(this.#options.filter((found) => found !== path && found.startsWith(path)));
    this.#timer = setTimeout(() => this.#ask(), PAUSE_MS);
  }

  // Answers may come out of order; only the one to the last question counts.
  async #ask() {
    const asked = (this.#asked += 1);
    const path = this.#expanded();
    if (!/^(\/|~\/|~$)/.test(path)) return this.#show([]);
    const answer = await api.directories(path, this.#host()).catch(() => ({ directories: [] }));
    if (asked === this.#asked) this.#show(answer.directories.filter((found) => found !== path));
  }

  #expanded() {
    const { value } = this.#input;
    const home = document.body.dataset.home;
    const isAtHome = value === "~" || value.startsWith("~/");
    return home && isAtHome ? home + value.slice(1) : value;
  }

  #show(folders) {
    this.#options = folders;
    this.#list.replaceChildren(...folders.map(optionElement));
    this.#list.hidden = folders.length === 0;
    this.#input.setAttribute("aria-expanded", String(folders.length > 0));
    this.#select(-1);
  }

  #select(index) {
    this.#selected = index;
    [...this.#list.children].forEach((element, at) => {
      element.setAttribute("aria-selected", String(at === index));
      if (at === index) element.scrollIntoView({ block: "nearest" });
    });
    if (index < 0) this.#input.removeAttribute("aria-activedescendant");
    else this.#input.setAttribute("aria-activedescendant", `start-folder-${index}`);
  }

  #take(index) {
    this.#input.value = `${this.#options[index]}/`;
    this.#show([]);
    this.#ask();
  }

  #pressed(event) {
    event.preventDefault();
    const index = [...this.#list.children].indexOf(event.target.closest("li"));
    if (index >= 0) this.#take(index);
  }

  #key(event) {
    const count = this.#options.length;
    if (count === 0) {
      if (event.key === "ArrowDown") this.#ask();
      return;
    }
    const isChosen = this.#selected >= 0;
    if (event.key === "ArrowDown") this.#select((this.#selected + 1) % count);
    else if (event.key === "ArrowUp") this.#select((this.#selected > 0 ? this.#selected : count) - 1);
    else if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && isChosen) this.#take(this.#selected);
    else if (event.key === "Tab" && !event.shiftKey && (isChosen || count === 1)) {
      this.#take(Math.max(0, this.#selected));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function optionElement(path, index) {
  const element = document.createElement("li");
  element.id = `start-folder-${index}`;
  element.setAttribute("role", "option");
  element.textContent = plain(path);
  return element;
}
