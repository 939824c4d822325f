// The list of a session's events, newest first.

import { api } from "./api.js";
import { localTime, plain } from "./format.js";
import { summary } from "./waiting.js";

const SHOWN = 300;

const LABELS = {
  "session:started": "Started",
  "session:waiting": "Waiting",
  "session:checkpoint": "Checkpoint",
  "session:resumed": "Went on",
  "session:resized": "Resized",
  "session:completed": "Completed",
  "session:failed": "Failed",
};

const TEXTS = {
  "session:waiting": summary,
  "session:checkpoint": summary,
  "session:resized": ({ cols, rows }) => `${cols}×${rows}`,
  "session:completed": () => "Exit code 0",
  "session:failed": ({ error }) => plain(error),
};

export class EventList {
  #place;
  #sessionId;
  #lastSeq = 0;

  constructor(place, sessionId) {
    this.#place = place;
    this.#sessionId = sessionId;
  }

  // Fetch what is missing; what the stream tells meanwhile is in the answer or follows it.
  async load() {
    let events;
    do {
      events = await api.events(this.#sessionId, this.#lastSeq).catch(() => []);
      events.forEach((event) => this.add(event));
    } while (events.length === 500);
  }

  add(event) {
    if (event.seq > this.#lastSeq + 1) return void this.load();
    if (event.seq <= this.#lastSeq) return undefined;
    this.#lastSeq = event.seq;
    this.#place.prepend(element(event));
    while (this.#place.children.length > SHOWN) this.#place.lastElementChild.remove();
    return undefined;
  }
}

function element(event) {
  const item = document.createElement("li");
  item.dataset.type = event.type;
  const time = document.createElement("time");
  time.dateTime = event.timestamp;
  time.textContent = localTime(event.timestamp).slice(11);
  time.title = localTime(event.timestamp);
  const said = document.createElement("div");
  const label = document.createElement("strong");
  label.textContent = LABELS[event.type] ?? event.type;
  const text = document.createElement("span");
  text.className = "event-text";
  text.textContent = TEXTS[event.type]?.(event) ?? "";
  said.append(label, text);
  item.append(time, said);
  return item;
}
