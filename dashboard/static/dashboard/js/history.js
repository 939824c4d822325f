// The history: its table is the server's; its rows follow what happens.

import { api } from "./api.js";
import { fill } from "./fields.js";
import { onSessions, sessions, startPage, stream } from "./page.js";
import { isEnded } from "./sessions.js";
import { tick } from "./ticking.js";

const search = document.getElementById("history-search");

const rowOf = (id) => document.querySelector(`tr[data-session="${CSS.escape(id)}"]`);

const rows = () => [...document.querySelectorAll("#history-list tr")];

function show(session) {
  const row = rowOf(session.id);
  if (!row) return;
  fill(row, session);
  tick(row);
}

onSessions((changed) => {
  for (const session of changed ? [changed] : sessions.all()) show(session);
});

// What ended unheard, so long ago that the page is not told of it by itself any more.
stream.on("settled", () => {
  for (const row of rows()) {
    const { status } = row.querySelector('[data-field="status"]').dataset;
    const { session: id } = row.dataset;
    if (isEnded({ status }) || sessions.get(id)) continue;
    api.session(id).then((session) => sessions.merge(session), () => {});
  }
});

stream.on("forgotten", ({ sessionId }) => rowOf(sessionId)?.remove());

if (location.hash === "#search") search.focus();

startPage();
