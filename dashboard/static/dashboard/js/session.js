// One session: its terminal, and everything one does to it.

import { api } from "./api.js";
import { Ask } from "./ask.js";
import { copyText } from "./clipboard.js";
import { confirm } from "./confirm.js";
import { EndedOutput } from "./ended-output.js";
import { EventList } from "./event-list.js";
import { Find } from "./find.js";
import { KeyBar } from "./key-bar.js";
import { notice } from "./notices.js";
import { onSessions, sessions, shortcuts, startPage, stream } from "./page.js";
import { isMouseReport } from "./queries.js";
import { showPageNotice } from "./page-notice.js";
import { startRenaming } from "./rename.js";
import { showOutputBytes, showSession } from "./session-header.js";
import { isEnded } from "./sessions.js";
import { ShareDialog } from "./share.js";
import { CHANGED, HIDDEN } from "./standing.js";
import { BASE_FONT, TerminalSize } from "./terminal-size.js";
import { TerminalView } from "./terminal.js";

const id = document.body.dataset.session;
const at = (name) => document.getElementById(name);
const mayType = document.body.dataset.access === "control";
const isNarrow = matchMedia("(max-width: 820px)");

const view = new TerminalView(at("terminal"), { fontSize: BASE_FONT });
const size = new TerminalSize(view, at("terminal-frame"), (cols, rows) => stream.resize(id, cols, rows));
const ended = new EndedOutput(view, size, id);
const events = new EventList(at("events"), id);
const ask = new Ask(id);
const find = new Find(view);
const keys = mayType ? new KeyBar(at("key-bar"), view.term) : null;
const share = at("share") ? new ShareDialog(id) : null;

// What is known of the session; until the stream tells, what the page was rendered with.
let current = { id, status: document.body.dataset.status };
let isLastScreenShown = false;
// Forgotten, or not shown to this user any more: the terminal is closed for good.
let isHidden = false;

function typed(data) {
  if (isEnded(current)) return;
  if (!stream.isLive) {
    strike();
    return;
  }
  if (!isMouseReport(data)) size.claim();
  stream.type(id, keys.through(data)).catch((error) => notice(error.message, { bad: true }));
}

// Typing without a connection is refused where one looks while typing.
function strike() {
  const place = at("terminal-notice").hidden ? at("page-notice") : at("terminal-notice");
  place.classList.remove("struck");
  void place.offsetWidth; // begins the animation anew
  place.classList.add("struck");
}

function showConnection() {
  const { state, code } = stream.state;
  // Of a login that has ended the page tells as a whole.
  const isLost = !stream.isLive && !isEnded(current) && state !== "connecting" && code !== 4401;
  at("terminal-notice").hidden = !isLost && (stream.isLive || at("terminal-notice").hidden);
  const why = mayType
    ? "No connection to the server. What you type now is not sent; the program goes on."
    : "No connection to the server. The program goes on.";
  if (isLost && at("terminal-notice").textContent !== why) at("terminal-notice").textContent = why;
}

function follow(session) {
  const known = session ?? sessions.get(id);
  if (known?.id !== id) return;
  if (isHidden) return void showPageNotice(CHANGED);
  current = known;
  showSession(known);
  ask.show(known.waiting ?? null);
  share?.follow(known);
  view.term.options.disableStdin = isEnded(known) || !mayType;
}

// The end may have come while nobody listened: then only the last screen tells.
async function catchUp() {
  const { heard } = sessions;
  const known = await api.session(id).catch(() => null);
  if (known) sessions.merge(known, heard);
  await events.load();
  showOutputBytes(known?.outputBytes ?? 0);
  if (known && isEnded(known) && !isLastScreenShown && !isHidden) {
    isLastScreenShown = true;
    await ended.showLastScreen();
  }
}

function draw({ sessionId, data, redraw, cols, rows, nextOffset, drawn }) {
  if (sessionId !== id || isHidden) return;
  showOutputBytes(nextOffset);
  if (!redraw) return void view.write(data, drawn);
  view.redraw(data, { cols, rows }, () => {
    size.show();
    drawn();
  });
}

function happened(event) {
  if (event.sessionId !== id) return;
  events.add(event);
  if (event.type === "session:started") size.changed(event.cols, event.rows);
  if (event.type === "session:resized") size.changed(event.cols, event.rows);
  if (event.type === "session:completed" || event.type === "session:failed") isLastScreenShown = true;
}

function hide({ sessionId }) {
  if (sessionId !== id || isHidden) return;
  isHidden = true;
  view.dispose();
  at("main").hidden = true;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  showPageNotice(HIDDEN);
}

function download() {
  const link = document.createElement("a");
  link.href = `/api/sessions/${id}/output?format=raw`;
  link.download = "";
  link.click();
}

async function copy() {
  const selected = view.term.getSelection();
  try {
    await copyText(selected || view.text);
    notice(selected ? "Selection copied." : "Everything copied.");
  } catch (error) {
    notice(error.message, { bad: true });
  }
}

async function end() {
  const isQueued = current.status === "idle";
  const agreed = await confirm({
    heading: isQueued ? "Take it out of the queue?" : "End this session?",
    text: isQueued
      ? "It has not started yet."
      : "The program and everything it started are asked to stop, and stopped after five seconds.",
    yes: isQueued ? "Take out" : "End session",
  });
  if (!agreed) return;
  await api.end(id).then(
    () => notice("Ending …"),
    (refusal) => notice(refusal.message, { bad: true }),
  );
}

function togglePanel(isOpen = document.body.dataset.panel === "closed") {
  document.body.dataset.panel = isOpen ? "open" : "closed";
  at("panel-toggle").setAttribute("aria-expanded", String(isOpen));
  if (!isNarrow.matches) localStorage.setItem("panel", document.body.dataset.panel);
}

// Keys that the page keeps for itself while the terminal has the focus.
function terminalKey(event) {
  if (!event.ctrlKey || !event.shiftKey) return true;
  const action = {
    ArrowUp: () => at("panel-toggle").focus(),
    KeyF: () => find.open(),
    KeyC: copy,
  }[event.code];
  if (action === undefined) return true;
  event.preventDefault();
  if (event.type === "keydown") action();
  return false;
}

function startTyping() {
  view.onInput(typed);
  at("fit").addEventListener("click", () => {
    size.fit();
    view.term.focus();
  });
  shortcuts.add("Enter", () => view.term.focus());
  shortcuts.add("f", () => size.fit());
  shortcuts.add("r", () => ask.focus());
  if (!isEnded(current) && !isNarrow.matches) view.term.focus();
}

view.term.options.disableStdin = !mayType;
view.term.attachCustomKeyEventHandler(terminalKey);
onSessions(follow);
stream.on("output", draw);
stream.on("event", happened);
stream.on("state", showConnection);
stream.on("settled", catchUp);
stream.on("forgotten", hide);

at("copy").addEventListener("click", copy);
at("download").addEventListener("click", download);
at("end")?.addEventListener("click", end);
at("panel-toggle").addEventListener("click", () => togglePanel());
shortcuts.add("d", () => togglePanel());
if (mayType) startTyping();
if (at("rename")) startRenaming(id);
togglePanel(!isNarrow.matches && localStorage.getItem("panel") !== "closed");
showOutputBytes(0);
size.show();

startPage({ output: [id] });
