// The live stream: one socket, what has been had of each session, and coming back after a loss.
// No DOM here; the page listens with `on`.
//
//   state     {state: "connecting" | "live" | "lost" | "offline" | "ended", retryAt, code}
//   snapshot  the `initial-state` message
//   settled   the subscription stands: what is read from now on misses nothing
//   event     a lifecycle event, each once, in order
//   output    {sessionId, data, nextOffset, redraw, cols, rows, drawn}; call `drawn()` once drawn
//   reset     {sessionId}: what was drawn is void, a screen follows
//   session   a session's JSON (accepted, renamed);  forgotten  {sessionId}
//   refused   {code, detail}: a refusal that belongs to no call

import { Acknowledgements } from "./acknowledgements.js";
import { backoff } from "./backoff.js";
import { Cursor } from "./cursors.js";
import { cut } from "./pieces.js";
import { isEnded } from "./sessions.js";

const FINAL_CODES = new Set([4400, 4401, 4403]);
const LAST = new Set(["session:completed", "session:failed"]);
// A message to the server has at most 64 KiB; a cursor takes up to 130 bytes of it.
const MOST_CURSORS = 400;
const QUIET_MS = 15_000;
const PROBE_MS = 3_000;

export class LiveStream {
  state = { state: "connecting" };
  #listeners = new Map();
  #cursors = new Map();
  #epochs = new Map();
  #pending = new Map();
  #pastes = new Map();
  #socket = null;
  #wanted = { sessions: "*", output: false };
  #attempt = 0;
  #retry = null;
  #watchdog = null;
  #probing = null;
  #settles = false;
  #heardAt = 0;
  #lastId = 0;
  #online = true;
  #acks;
  #options;

  constructor({ url, openSocket, timers = globalThis, random = Math.random, now = Date.now }) {
    this.#options = { url, openSocket, timers, random, now };
    this.#acks = new Acknowledgements((message) => this.#send(message), timers);
  }

  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? [];
    this.#listeners.set(type, [...listeners, listener]);
  }

  // Begin. `output` is true, false, or a list of the sessions whose output is wanted.
  start({ sessions = "*", output = false } = {}) {
    this.#wanted = { sessions, output };
    this.#watchdog = this.#options.timers.setInterval(() => this.#checkLiveness(), QUIET_MS / 3);
    this.#connect();
  }

  stop() {
    this.#options.timers.clearInterval(this.#watchdog);
    this.#options.timers.clearTimeout(this.#retry);
    this.#abandon();
    this.#retry = null;
  }

  get isLive() {
    return this.state.state === "live";
  }

  // The browser says whether there is a network. Without one it goes on trying: a server on this
  // machine needs none.
  setOnline(online) {
    this.#online = online;
    this.check();
  }

  // Something happened (a network came or went, the page is looked at again): find out at once
  // whether the connection still stands, and mend it if not.
  check() {
    if (this.#retry !== null) this.#connect();
    else if (this.isLive) this.#probe();
  }

  #probe() {
    const { now, timers } = this.#options;
    const asked = now();
    this.#send({ type: "ping" });
    timers.clearTimeout(this.#probing);
    this.#probing = timers.setTimeout(() => this.#heardAt < asked && this.#giveUp(), PROBE_MS);
  }

  #giveUp() {
    this.#abandon();
    this.#wait();
  }

  // Type into a terminal. Resolves once the program's terminal has it. Nothing is kept for later:
  // without a connection the promise is rejected at once. What is typed during a long paste comes
  // after it; the paste itself goes piece by piece, as fast as the program reads.
  async type(sessionId, data) {
    const pieces = cut(data);
    const before = this.#pastes.get(sessionId);
    if (before === undefined && pieces.length === 1) return this.#typePiece(sessionId, data);
    const paste = this.#paste(sessionId, pieces, before);
    this.#pastes.set(sessionId, paste);
    const done = () => this.#pastes.get(sessionId) === paste && this.#pastes.delete(sessionId);
    return paste.finally(done);
  }

  async #paste(sessionId, pieces, before) {
    await before;
    for (const piece of pieces) await this.#typePiece(sessionId, piece);
  }

  #typePiece(sessionId, data) {
    return this.#ask({ type: "input", sessionId, data });
  }

  resize(sessionId, cols, rows) {
    if (this.isLive) this.#send({ type: "resize", sessionId, cols, rows });
  }

  #ask(message) {
    if (!this.isLive) return Promise.reject(new Error("There is no connection to the server."));
    const id = `c${(this.#lastId += 1)}`;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#send({ ...message, id });
    });
  }

  #emit(type, detail) {
    for (const listener of this.#listeners.get(type) ?? []) listener(detail);
  }

  #become(state) {
    this.state = state;
    this.#emit("state", state);
  }

  #send(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #connect() {
    this.#options.timers.clearTimeout(this.#retry);
    this.#retry = null;
    this.#abandon();
    this.#become({ state: "connecting" });
    const socket = this.#options.openSocket(this.#options.url);
    this.#socket = socket;
    this.#heardAt = this.#options.now();
    socket.onmessage = ({ data }) => {
      this.#heardAt = this.#options.now();
      this.#receive(JSON.parse(data));
    };
    socket.onclose = ({ code }) => this.#lost(code);
  }

  // Let go of the socket without hearing from it again.
  #abandon() {
    this.#options.timers.clearTimeout(this.#probing);
    if (this.#socket === null) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
    this.#failPending();
  }

  #failPending() {
    this.#acks.clear();
    const lost = new Error("The connection was lost; what was typed last may not have arrived.");
    for (const { reject } of this.#pending.values()) reject(lost);
    this.#pending.clear();
  }

  #lost(code) {
    this.#options.timers.clearTimeout(this.#probing);
    this.#socket = null;
    this.#failPending();
    if (FINAL_CODES.has(code)) this.#become({ state: "ended", code });
    else this.#wait();
  }

  #wait() {
    const delay = backoff(this.#attempt, this.#options.random);
    this.#attempt += 1;
    this.#retry = this.#options.timers.setTimeout(() => this.#connect(), delay);
    const state = this.#online ? "lost" : "offline";
    this.#become({ state, retryAt: this.#options.now() + delay });
  }

  // A laptop that slept, or a network that changed, leaves a socket that looks open for minutes.
  #checkLiveness() {
    const quiet = this.#options.now() - this.#heardAt;
    if (this.#socket === null || quiet < QUIET_MS) return;
    if (quiet < 2 * QUIET_MS) this.#send({ type: "ping" });
    else this.#giveUp();
  }

  #receive(message) {
    switch (message.type) {
      case "initial-state":
        return this.#begin(message);
      case "session:output":
        return this.#output(message);
      case "session:reset":
        return this.#reset(message);
      case "session:updated":
        this.#epochs.set(message.session.id, message.session.epoch);
        return this.#emit("session", message.session);
      case "session:forgotten":
        this.#cursors.delete(message.sessionId);
        return this.#emit("forgotten", message);
      case "receipt":
        return this.#settle(message.id, ({ resolve }) => resolve());
      case "error":
        return this.#refused(message);
      case "pong":
        return this.#answered();
      default:
        return this.#event(message);
    }
  }

  #begin(message) {
    this.#epochs = new Map(message.sessions.map(({ id, epoch }) => [id, epoch]));
    const active = new Set(message.sessions.filter((one) => !isEnded(one)).map(({ id }) => id));
    for (const id of this.#cursors.keys()) if (!active.has(id)) this.#leave(id);
    this.#become({ state: "live" });
    this.#emit("snapshot", message);
    this.#subscribe();
    // Messages are answered in order: the answer to this one says that the subscription stands.
    this.#settles = true;
    this.#send({ type: "ping" });
  }

  #answered() {
    if (!this.#settles) return;
    this.#settles = false;
    this.#attempt = 0;
    this.#emit("settled");
  }

  #isShown(sessionId) {
    const { output } = this.#wanted;
    return Array.isArray(output) && output.includes(sessionId);
  }

  // A session that has ended sends nothing more. Its place counts where it is shown all the same.
  #leave(sessionId) {
    if (!this.#isShown(sessionId)) this.#cursors.delete(sessionId);
  }

  #subscribe() {
    const known = [...this.#cursors].filter(([, cursor]) => cursor.offset !== null);
    // Of those that are left out the whole screen comes.
    const sent = known.slice(-MOST_CURSORS);
    const cursors = Object.fromEntries(sent.map(([id, cursor]) => [id, cursor.toWire()]));
    this.#send({ type: "subscribe", ...this.#wanted, cursors });
  }

  #cursor(sessionId) {
    const cursor = this.#cursors.get(sessionId) ?? new Cursor({ epoch: this.#epochs.get(sessionId) });
    this.#cursors.set(sessionId, cursor);
    return cursor;
  }

  #output(message) {
    const { sessionId, data, nextOffset, cols, rows } = message;
    const cursor = this.#cursor(sessionId);
    const verdict = cursor.output(message);
    if (verdict === "old") return;
    if (verdict === "gap") {
      cursor.drop();
      this.#subscribe();
      return;
    }
    const redraw = verdict === "redraw";
    if (redraw) this.#acks.restart(sessionId);
    const drawn = () => this.#acks.drawn(sessionId, nextOffset);
    this.#emit("output", { sessionId, data, nextOffset, redraw, cols, rows, drawn });
  }

  #reset(message) {
    this.#cursor(message.sessionId).reset(message, this.#epochs.get(message.sessionId));
    this.#acks.restart(message.sessionId);
    this.#emit("reset", message);
  }

  #event(message) {
    if (typeof message.seq !== "number") return;
    if (this.#cursor(message.sessionId).event(message)) this.#emit("event", message);
    if (LAST.has(message.type)) this.#leave(message.sessionId);
  }

  #refused(message) {
    const error = Object.assign(new Error(message.detail), { code: message.code });
    if (!this.#settle(message.id, ({ reject }) => reject(error))) this.#emit("refused", message);
  }

  #settle(id, how) {
    const waiting = this.#pending.get(id);
    if (waiting === undefined) return false;
    this.#pending.delete(id);
    how(waiting);
    return true;
  }
}
