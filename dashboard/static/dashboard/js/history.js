// The history: its table is the server's; statuses follow what happens.

import { STATUS_LABELS } from "./format.js";
import { onSessions, startPage } from "./page.js";

const search = document.getElementById("history-search");

onSessions((session) => {
  const row = session && document.querySelector(`tr[data-session="${CSS.escape(session.id)}"]`);
  if (!row) return;
  const badge = row.querySelector('[data-field="status"]');
  badge.dataset.status = session.status;
  badge.textContent = STATUS_LABELS[session.status];
});

if (location.hash === "#search") search.focus();

startPage();
