// What a waiting session asks, with its answers and a reply box.

import { api } from "./api.js";
import { plain } from "./format.js";
import { answers, question } from "./waiting.js";

const at = (id) => document.getElementById(id);

export class Ask {
  #sessionId;
  #shown = null;
  // None for who may only look: the question is shown without its answers.
  #reply = at("ask-text");

  constructor(sessionId) {
    this.#sessionId = sessionId;
    if (!this.#reply) return;
    at("ask-reply").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send({ text: this.#reply.value, submit: true });
    });
    this.#reply.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      at("ask-reply").requestSubmit();
    });
  }

  focus() {
    if (!at("ask").hidden) this.#reply?.focus();
  }

  // `waiting` is the event, or null once it waits no longer.
  show(waiting) {
    const key = waiting ? (waiting.seq ?? waiting.timestamp) : null;
    if (key === this.#shown) return;
    this.#shown = key;
    at("ask").hidden = waiting === null;
    at("panel").classList.toggle("asks", waiting !== null);
    if (waiting !== null) this.#draw(waiting);
  }

  #draw(waiting) {
    const { heading, paragraphs, steps, hint } = question(waiting);
    at("ask-title").textContent = heading;
    const body = paragraphs.map((text) => withText("p", text));
    if (steps.length > 0) body.push(list(steps));
    if (hint) body.push(Object.assign(withText("p", hint), { className: "sub" }));
    at("ask-body").replaceChildren(...body);
    if (!this.#reply) return;
    at("ask-answers").replaceChildren(...answers(waiting).map((answer) => this.#button(answer)));
    this.#error("");
    this.#reply.value = "";
  }

  #button({ label, details, send, submit }) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(withText("strong", label), ...(details ? [withText("span", details)] : []));
    const input = submit ? { text: send, submit } : { data: send };
    button.addEventListener("click", () => this.#send(input));
    return button;
  }

  async #send(input) {
    this.#error("");
    try {
      await api.input(this.#sessionId, input);
      this.#reply.value = "";
    } catch (refusal) {
      this.#error(refusal.message);
    }
  }

  #error(text) {
    at("ask-error").textContent = plain(text);
    at("ask-error").hidden = !text;
  }
}

function withText(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

function list(steps) {
  const element = document.createElement("ol");
  // Programs number their steps themselves; the list does too.
  element.append(...steps.map((step) => withText("li", step.replace(/^\d+[.)]\s*/, ""))));
  return element;
}
