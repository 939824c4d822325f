// Writes a session's facts into the elements that the server's templates mark with `data-field`.

import { STATUS_LABELS, folder, outcome, plain, stall, title } from "./format.js";
import { summary } from "./waiting.js";

const WRITERS = {
  slot: (element, session) => show(element, session.slot ?? ""),
  title: (element, session) => {
    show(element, title(session));
    element.href = `/sessions/${session.id}`;
  },
  status: (element, session) => {
    element.dataset.status = session.status;
    show(element, STATUS_LABELS[session.status] ?? session.status);
  },
  time: (element, session) => {
    element.dataset.since = session.startedAt ?? "";
    element.dataset.until = session.endedAt ?? "";
  },
  created: (element, session) => element.setAttribute("datetime", session.createdAt ?? ""),
  command: (element, session) => show(element, session.name ? plain(session.currentCommand) : ""),
  folder: (element, session) => {
    show(element, folder(session.workingDir, document.body.dataset.home));
    element.title = plain(session.workingDir);
  },
  host: (element, session) =>
    show(element, session.host === document.body.dataset.host ? "" : plain(session.host)),
  owner: (element, session) => {
    const isMine = (session.owner ?? "") === document.body.dataset.user;
    show(element, isMine ? "" : plain(session.owner));
  },
  end: (element, session) => {
    element.hidden = session.access !== "control";
    element.dataset.end = session.id;
  },
  waits: (element, session) => show(element, session.waiting ? summary(session.waiting) : ""),
  stalled: (element, session) => show(element, stall(session)),
  outcome: (element, session) => show(element, session.status === "failed" ? outcome(session) : ""),
  again: (element, session) => {
    element.dataset.command = session.currentCommand ?? "";
    element.dataset.folder = session.workingDir ?? "";
    element.dataset.name = session.name ?? "";
  },
};

function show(element, text) {
  element.hidden = text === "";
  if (element.textContent !== String(text)) element.textContent = text;
}

export function fill(root, session) {
  root.dataset.session = session.id;
  root.dataset.status = session.status;
  for (const element of root.querySelectorAll("[data-field]")) {
    WRITERS[element.dataset.field]?.(element, session);
  }
}

// A new element from the template with this id, filled.
export function fromTemplate(id, session) {
  const root = document.getElementById(id).content.firstElementChild.cloneNode(true);
  fill(root, session);
  return root;
}
