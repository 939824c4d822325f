// The history: its table is the server's; statuses follow what happens.

import { STATUS_LABELS } from "./format.js";
import { onSessions, startPage, stream } from "./page.js";

const search = document.getElementById("history-search");

const rowOf = (id) => document.querySelector(`tr[data-session="${CSS.escape(id)}"]`);

onSessions((session) => {
  const row = session && rowOf(session.id);
  if (!row) return;
  const badge = row.querySelector('[data-field="status"]');
  badge.dataset.status = session.status;
  badge.textContent = STATUS_LABELS[session.status];
});

stream.on("forgotten", ({ sessionId }) => rowOf(sessionId)?.remove());

if (location.hash === "#search") search.focus();

startPage();
