// The grid of slots, the queue and what ended lately, kept as the sessions are.

import { api } from "./api.js";
import { fill, fromTemplate } from "./fields.js";
import { notice } from "./notices.js";
import { onSessions, sessions, startPage, stream } from "./page.js";
import { Preview } from "./preview.js";
import { isEnded } from "./sessions.js";
import { tick } from "./ticking.js";

const grid = document.getElementById("slots");
const { host } = document.body.dataset;
const previews = new Map();

const isShown = (session) => session.slot !== null && !isEnded(session);
const slotElement = (number) => grid.querySelector(`[data-slot="${number}"]`);
const hasSlotHere = (session) => session.host === host && slotElement(session.slot) !== null;

function draw() {
  const shown = sessions.all().filter(isShown);
  const here = new Map(shown.filter(hasSlotHere).map((session) => [String(session.slot), session]));
  for (const element of grid.querySelectorAll("[data-slot]")) {
    drawSlot(element, here.get(element.dataset.slot));
  }
  drawElsewhere(shown.filter((session) => !hasSlotHere(session)));
  drawList("queue", sessions.queued().filter((session) => !isShown(session)), "queued-row");
  drawList("ended", lastEnded(), "ended-row");
  tick();
}

function drawSlot(element, session) {
  element.querySelector(".empty-slot").hidden = session !== undefined;
  const card = element.querySelector(".card");
  if (card && card.dataset.session !== session?.id) takeAway(card);
  if (session) drawCard(element, session);
}

function drawCard(place, session) {
  let card = place.querySelector(".card");
  if (card) fill(card, session);
  else {
    card = fromTemplate("session-card", session);
    place.prepend(card);
  }
  const preview = previews.get(session.id);
  if (preview === undefined) {
    previews.set(session.id, new Preview(card.querySelector(".preview"), session));
  }
}

function takeAway(card) {
  previews.get(card.dataset.session)?.dispose();
  previews.delete(card.dataset.session);
  card.remove();
}

// Sessions of other machines, and those whose slot number this page has no place for.
function drawElsewhere(list) {
  const ids = new Set(list.map(({ id }) => id));
  for (const place of grid.querySelectorAll("[data-elsewhere]")) {
    const card = place.querySelector(".card");
    if (ids.delete(card.dataset.session)) continue;
    takeAway(card);
    place.remove();
  }
  for (const session of list) {
    const known = grid.querySelector(`[data-elsewhere] [data-session="${CSS.escape(session.id)}"]`);
    drawCard(known?.parentElement ?? newPlace(), session);
  }
}

function newPlace() {
  const place = document.createElement("div");
  place.className = "slot";
  place.dataset.elsewhere = "";
  grid.insertBefore(place, grid.querySelector(".slot.last"));
  return place;
}

function lastEnded() {
  const { most } = document.getElementById("ended-list").dataset;
  const at = (session) => session.endedAt ?? session.createdAt;
  return sessions.all().filter(isEnded).sort((a, b) => at(b).localeCompare(at(a))).slice(0, most);
}

function drawList(id, list, template) {
  document.getElementById(id).hidden = list.length === 0;
  const rows = list.map((session) => fromTemplate(template, session));
  document.getElementById(`${id}-list`).replaceChildren(...rows);
}

document.getElementById("queue-list").addEventListener("click", ({ target }) => {
  const id = target.closest("[data-end]")?.dataset.end;
  if (id) api.end(id).catch((refusal) => notice(refusal.message, { bad: true }));
});

document.getElementById("waiting-pill").addEventListener("click", (event) => {
  const [first] = sessions.waiting();
  if (!first) return;
  event.preventDefault();
  location.assign(`/sessions/${first.id}`);
});

onSessions(draw);
stream.on("output", (output) => previews.get(output.sessionId)?.draw(output));
stream.on("event", (event) => {
  if (event.type === "session:resized") previews.get(event.sessionId)?.resize(event.cols, event.rows);
});

startPage({ output: true });
