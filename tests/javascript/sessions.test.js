import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { Sessions } from "../../dashboard/static/dashboard/js/sessions.js";

const row = (id, fields = {}) => ({
  id,
  name: null,
  status: "running",
  slot: 1,
  waiting: null,
  createdAt: "2031-01-01T00:00:00.000Z",
  lastSeq: 1,
  epoch: "e",
  ...fields,
});

let changes;
let sessions;

beforeEach(() => {
  changes = [];
  sessions = new Sessions((session) => changes.push(session?.id ?? null));
  sessions.replace([row("a")]);
});

const apply = (type, seq, fields = {}) =>
  sessions.apply({ type, sessionId: "a", seq, timestamp: `2031-01-01T00:00:0${seq}.000Z`, ...fields });

describe("events", () => {
  test("a session that asks is counted until it goes on", () => {
    apply("session:waiting", 2, { waitType: "prompt" });
    assert.deepEqual(sessions.waiting().map(({ id }) => id), ["a"]);
    apply("session:resumed", 3);
    assert.deepEqual(sessions.waiting(), []);
    assert.equal(sessions.get("a").waiting, null);
  });

  test("an end tells when and why, and ends the waiting", () => {
    apply("session:checkpoint", 2, { checkpoint: { type: "decision" } });
    apply("session:failed", 3, { error: "Killed.", signal: 9 });
    const { status, error, endedAt, waiting } = sessions.get("a");
    assert.deepEqual([status, error, waiting], ["failed", "Killed.", null]);
    assert.equal(endedAt, "2031-01-01T00:00:03.000Z");
  });

  test("an event that the row already contains changes nothing", () => {
    sessions.replace([row("a", { status: "completed", lastSeq: 5 })]);
    apply("session:waiting", 4);
    assert.equal(sessions.get("a").status, "completed");
  });

  test("a session never heard of is taken in", () => {
    sessions.apply({ type: "session:started", sessionId: "b", seq: 1, slot: 2, command: ["top", "-b"] });
    assert.deepEqual([sessions.get("b").slot, sessions.get("b").currentCommand], [2, "top -b"]);
  });
});

describe("rows", () => {
  test("what a list that is not whole does not name stays", () => {
    sessions.replace([row("a"), row("b")]);
    sessions.replace([row("b")], sessions.heard, { isWhole: false });
    assert.deepEqual(sessions.all().map(({ id }) => id).sort(), ["a", "b"]);
    sessions.replace([row("b")]);
    assert.deepEqual(sessions.all().map(({ id }) => id), ["b"]);
  });

  test("an older row from a slower answer does not undo an event", () => {
    apply("session:waiting", 2);
    sessions.merge(row("a", { lastSeq: 1, name: "renamed", team: true, stalled: "full" }));
    const { status, name, team, stalled } = sessions.get("a");
    assert.deepEqual([status, name, team, stalled], ["waiting_checkpoint", "renamed", true, "full"]);
  });

  test("a row of another log counts whatever its number", () => {
    apply("session:waiting", 2);
    sessions.merge(row("a", { lastSeq: 1, epoch: "other" }));
    assert.equal(sessions.get("a").status, "running");
  });

  test("what is not in a new list is gone", () => {
    sessions.replace([row("b")]);
    assert.deepEqual(sessions.all().map(({ id }) => id), ["b"]);
  });

  test("a list that was asked for earlier undoes nothing that was heard since", () => {
    sessions.replace([row("a"), row("gone")]);
    const { heard } = sessions;
    sessions.merge(row("new", { name: "New" }));
    sessions.forget("gone");
    apply("session:waiting", 2);
    sessions.replace([row("a"), row("gone"), row("other")], heard);
    assert.deepEqual(sessions.all().map(({ id }) => id).sort(), ["a", "new", "other"]);
    assert.deepEqual([sessions.get("new").name, sessions.get("a").status], ["New", "waiting_checkpoint"]);
    sessions.replace([row("a")]);
    assert.deepEqual(sessions.all().map(({ id }) => id), ["a"]);
  });

  test("a row that was asked for earlier undoes nothing that was heard since", () => {
    const { heard } = sessions;
    sessions.merge(row("a", { team: true }));
    sessions.merge(row("a", { team: false }), heard);
    assert.equal(sessions.get("a").team, true);
    sessions.merge(row("a", { team: false }), sessions.heard);
    assert.equal(sessions.get("a").team, false);
  });

  test("a forgotten session is gone, and the page hears of it", () => {
    sessions.forget("a");
    assert.equal(sessions.get("a"), undefined);
    assert.equal(changes.at(-1), null);
  });

  test("those that wait come in the order in which they asked, the queue as it came", () => {
    const asked = (at) => ({ status: "waiting_checkpoint", waiting: { timestamp: at } });
    const queued = (at) => ({ status: "idle", slot: null, createdAt: at });
    sessions.replace([row("late", asked("2")), row("early", asked("1")), row("q2", queued("2")), row("q1", queued("1"))]);
    assert.deepEqual(sessions.waiting().map(({ id }) => id), ["early", "late"]);
    assert.deepEqual(sessions.queued().map(({ id }) => id), ["q1", "q2"]);
  });
});
