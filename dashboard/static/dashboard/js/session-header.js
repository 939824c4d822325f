// The bar above a session's terminal and the details beside it, kept as the session is.

import { STATUS_LABELS, bytes, outcome, plain, stall, title } from "./format.js";
import { rename } from "./page.js";
import { isEnded } from "./sessions.js";
import { tick } from "./ticking.js";

const at = (id) => document.getElementById(id);

export function showSession(session) {
  document.body.dataset.status = session.status;
  at("session-status").dataset.status = session.status;
  at("session-status").textContent = STATUS_LABELS[session.status];
  if (at("session-title").textContent !== title(session)) {
    at("session-title").textContent = title(session);
    rename(title(session));
  }
  at("session-command").textContent = plain(session.currentCommand);
  at("session-command").hidden = !session.name;
  at("queued-line").hidden = session.status !== "idle";
  at("stall-line").hidden = !stall(session);
  at("stall-line").textContent = stall(session);
  at("end-line").hidden = !isEnded(session);
  at("end-line").dataset.status = session.status;
  at("end-text").textContent = isEnded(session) ? outcome(session) || "It has ended." : "";
  showFacts(session);
  tick();
}

function showFacts(session) {
  at("session-time").dataset.since = session.startedAt ?? "";
  at("session-time").dataset.until = session.endedAt ?? "";
  at("session-size").textContent = `${session.cols}×${session.rows}`;
  if (session.startedAt) at("fact-started").dateTime = session.startedAt;
  at("fact-pid").textContent = session.pid ?? "–";
  at("fact-slot").textContent = session.slot ?? "–";
  if (at("fact-team")) at("fact-team").textContent = session.team ? "The team" : "The owner";
}

let most = Number(at("fact-output").dataset.bytes);

export function showOutputBytes(count) {
  most = Math.max(most, count);
  at("fact-output").textContent = bytes(most);
}
