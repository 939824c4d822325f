// What every page does: the live stream, the header, the dialogs, the shortcuts.

import { api } from "./api.js";
import { startCopyButtons } from "./copy-buttons.js";
import { setTitle, showState, showWaiting } from "./header.js";
import { notice } from "./notices.js";
import { showPageNotice } from "./page-notice.js";
import { Sessions, isEnded } from "./sessions.js";
import { Shortcuts } from "./shortcuts.js";
import { StartDialog } from "./start-dialog.js";
import { CHANGED, endOfStanding } from "./standing.js";
import { LiveStream } from "./stream.js";
import { startTheme } from "./theme.js";
import { startTicking } from "./ticking.js";

// Sessions that are asked for besides those that are active, and the most that a list has.
const LISTED = 100;
const MOST_LISTED = 1000;

const scheme = location.protocol === "https:" ? "wss" : "ws";

export const stream = new LiveStream({
  url: `${scheme}://${location.host}/ws?subscribe=none`,
  openSocket: (url) => new WebSocket(url),
});

const watchers = [];

export const sessions = new Sessions((session) => {
  showWaiting(sessions.waiting().length);
  for (const watcher of watchers) watcher(session);
});

// `watcher` is called with the session that changed, or with null when many did.
export function onSessions(watcher) {
  watchers.push(watcher);
}

export const shortcuts = new Shortcuts();

// Guests have no menu, and who may start nothing has no dialog for it.
const menu = document.getElementById("user-menu");
const startDialog = document.getElementById("start-dialog") ? new StartDialog() : null;

export function rename(title) {
  setTitle(title, sessions.waiting().length);
}

// Begin; `output` as LiveStream.start takes it.
export function startPage({ output = false } = {}) {
  startTheme();
  startTicking();
  stream.on("state", showState);
  stream.on("state", ({ code }) => code === 4401 && sayWhyItEnded());
  stream.on("snapshot", (message) => sessions.replace(message.sessions));
  stream.on("snapshot", ({ role }) => role !== document.body.dataset.role && showPageNotice(CHANGED));
  stream.on("session", (session) => sessions.merge(session));
  stream.on("forgotten", ({ sessionId }) => sessions.forget(sessionId));
  stream.on("event", (event) => sessions.apply(event));
  stream.on("settled", refresh);
  stream.on("refused", ({ detail }) => notice(detail, { bad: true }));
  stream.setOnline(navigator.onLine);
  addEventListener("online", () => stream.setOnline(true));
  addEventListener("offline", () => stream.setOnline(false));
  document.addEventListener("visibilitychange", () => document.hidden || stream.check());
  addEventListener("pagehide", () => stream.stop());
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
  startDialogs();
  startCopyButtons();
  startShortcuts();
  stream.start({ output });
}

// Read after the subscription stands: what happened between the first message and it is in here.
let isFirst = true;
async function refresh() {
  const { heard } = sessions;
  const active = sessions.all().filter((session) => !isEnded(session)).length;
  const limit = Math.min(LISTED + active, MOST_LISTED);
  const list = await api.sessions(limit).catch(() => null);
  if (list) sessions.replace(list, heard, { isWhole: list.length < limit || isEnded(list.at(-1)) });
  if (!isFirst) notice("Connected again.");
  isFirst = false;
}

async function sayWhyItEnded() {
  const { role, session } = document.body.dataset;
  const ask = session ? api.session(session) : api.sessions(1);
  const status = await ask.then(() => 200, (refusal) => refusal.status);
  showPageNotice(endOfStanding(role, status));
}

function startDialogs() {
  const sheet = document.getElementById("shortcuts-dialog");
  const screenReader = document.getElementById("screen-reader-mode");
  screenReader.checked = localStorage.getItem("screen-reader") === "on";
  screenReader.addEventListener("change", () => {
    localStorage.setItem("screen-reader", screenReader.checked ? "on" : "off");
    location.reload();
  });
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-shortcuts]")) sheet.showModal();
    target.closest?.("[data-close]")?.closest("dialog")?.close();
    if (target.matches?.("dialog")) target.close();
    if (menu && (!menu.contains(target) || target.closest?.(".menu-body"))) menu.open = false;
  });
  shortcuts.add("?", () => sheet.showModal());
}

function startShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu) menu.open = false;
    shortcuts.handle(event);
  });
  if (startDialog) shortcuts.add("n", () => startDialog.open());
  if (menu) startTravelling();
}

function startTravelling() {
  shortcuts.add("g h", () => location.assign("/"));
  shortcuts.add("g y", () => location.assign("/history"));
  shortcuts.add("/", searchHistory);
  shortcuts.add("w", openNextWaiting);
  for (let slot = 1; slot <= 9; slot += 1) shortcuts.add(String(slot), () => openSlot(slot));
}

function searchHistory() {
  const field = document.getElementById("history-search");
  if (field) field.focus();
  else location.assign("/history#search");
}

function openSlot(slot) {
  const { host } = document.body.dataset;
  const isThere = (one) => one.slot === slot && one.host === host && !one.endedAt;
  const session = sessions.all().find(isThere);
  if (session) location.assign(`/sessions/${session.id}`);
  else notice(`Slot ${slot} is free.`);
}

function openNextWaiting() {
  const waiting = sessions.waiting();
  const here = waiting.findIndex(({ id }) => id === document.body.dataset.session);
  const next = waiting[(here + 1) % waiting.length];
  if (next) location.assign(`/sessions/${next.id}`);
  else notice("No session waits.");
}
