// Short messages at the foot of the page, read out by screen readers.

import { plain } from "./format.js";

const SHOWN_MS = 4000;

export function notice(text, { bad = false } = {}) {
  const place = document.getElementById("notices");
  const element = document.createElement("p");
  element.className = bad ? "notice bad" : "notice";
  element.textContent = plain(text);
  place.replaceChildren(...[...place.children].slice(-2), element);
  setTimeout(() => element.remove(), bad ? 2 * SHOWN_MS : SHOWN_MS);
}
