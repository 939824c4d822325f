// The sessions that this page knows, kept up to date by events. No DOM here.

const ENDED = new Set(["completed", "failed"]);

export const isEnded = (session) => ENDED.has(session.status);
export const isAlive = (session) =>
  session.status === "running" || session.status === "waiting_checkpoint";

// What each event changes in the session's JSON.
const EFFECTS = {
  "session:started": (event) => ({
    status: "running",
    slot: event.slot,
    workingDir: event.workingDir,
    currentCommand: asLine(event.command),
    pid: event.pid,
    cols: event.cols,
    rows: event.rows,
    startedAt: event.timestamp,
  }),
  "session:waiting": (event) => ({ status: "waiting_checkpoint", waiting: event }),
  "session:checkpoint": (event) => ({ status: "waiting_checkpoint", waiting: event }),
  "session:resumed": () => ({ status: "running", waiting: null }),
  "session:resized": ({ cols, rows }) => ({ cols, rows }),
  "session:completed": (event) => ended(event, "completed"),
  "session:failed": (event) => ended(event, "failed"),
};

function ended(event, status) {
  return {
    status,
    waiting: null,
    stalled: null,
    endedAt: event.timestamp,
    exitCode: event.exitCode ?? null,
    error: event.error ?? null,
  };
}

function asLine(command) {
  return Array.isArray(command) ? command.join(" ") : command;
}

export class Sessions {
  #byId = new Map();
  // How many messages about sessions came, and which of them was the last about each.
  #count = 0;
  #heardAt = new Map();
  #changed;

  // `changed` is called with the session that is new or another, or with null when many are.
  constructor(changed) {
    this.#changed = changed;
  }

  get(id) {
    return this.#byId.get(id);
  }

  all() {
    return [...this.#byId.values()];
  }

  // Those that wait, the longest waiting first.
  waiting() {
    const asked = (session) => session.waiting?.timestamp ?? session.startedAt ?? "";
    return this.all()
      .filter((session) => session.status === "waiting_checkpoint")
      .sort((a, b) => asked(a).localeCompare(asked(b)));
  }

  // Those that wait for a slot, first come first.
  queued() {
    return this.all()
      .filter((session) => session.status === "idle")
      .sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  // What was heard so far, for `replace`.
  get heard() {
    return this.#count;
  }

  // Take over a list from the server that was asked for when so much had been `heard`. What was
  // heard since then stays as it is, and so does a row that is older than what events told, and
  // what may be missing from a list that is not whole.
  replace(sessions, heard = this.#count, { isWhole = true } = {}) {
    const listed = new Set(sessions.map(({ id }) => id));
    const isLater = ({ id }) => this.#isHeardAfter(id, heard);
    const stays = (session) => isLater(session) || (!isWhole && !listed.has(session.id));
    const rows = sessions.filter((session) => !isLater(session)).map((session) => this.#newer(session));
    this.#byId = new Map([...rows, ...this.all().filter(stays)].map((session) => [session.id, session]));
    this.#changed(null);
  }

  // Take over one session, unless something was heard of it after so much had been `heard`.
  merge(session, heard = this.#count) {
    if (this.#isHeardAfter(session.id, heard)) return;
    const row = this.#newer(session);
    this.#hear(row.id);
    this.#byId.set(row.id, row);
    this.#changed(row);
  }

  apply(event) {
    const known = this.#byId.get(event.sessionId) ?? unknown(event);
    if (event.seq <= known.lastSeq) return;
    this.#hear(event.sessionId);
    const changes = EFFECTS[event.type]?.(event) ?? {};
    const session = { ...known, ...changes, lastSeq: event.seq };
    this.#byId.set(session.id, session);
    this.#changed(session);
  }

  forget(id) {
    const session = this.#byId.get(id);
    this.#hear(id);
    this.#byId.delete(id);
    if (session) this.#changed(null);
  }

  #isHeardAfter(id, heard) {
    return (this.#heardAt.get(id) ?? 0) > heard;
  }

  #hear(id) {
    this.#count += 1;
    this.#heardAt.set(id, this.#count);
  }

  #newer(session) {
    const known = this.#byId.get(session.id);
    const isOlder = known?.epoch === session.epoch && known?.lastSeq > session.lastSeq;
    return isOlder ? { ...known, name: session.name, team: session.team, stalled: session.stalled } : session;
  }
}

// A session of which only an event was heard yet.
function unknown(event) {
  return {
    id: event.sessionId,
    name: null,
    status: "idle",
    slot: null,
    waiting: null,
    createdAt: event.timestamp,
    lastSeq: 0,
  };
}
