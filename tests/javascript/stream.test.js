import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { cut } from "../../dashboard/static/dashboard/js/pieces.js";
import { LiveStream } from "../../dashboard/static/dashboard/js/stream.js";
import { Clock, FakeSocket } from "./fakes.js";

const A = "aaaaaaaa-0000-4000-8000-000000000000";
const row = (fields = {}) => ({ id: A, status: "running", lastSeq: 1, epoch: "e1", ...fields });
const initial = (...sessions) => ({ type: "initial-state", sessions, protocol: 1 });
const output = (offset, data, fields = {}) => ({
  type: "session:output",
  sessionId: A,
  offset,
  nextOffset: offset + data.length,
  data,
  ...fields,
});
const screen = (nextOffset, data = "screen") =>
  output(0, data, { nextOffset, replay: true, cols: 80, rows: 24 });

let clock;
let sockets;
let stream;
let heard;

beforeEach(() => {
  clock = new Clock();
  sockets = [];
  heard = [];
  stream = new LiveStream({
    url: "ws://test/ws",
    openSocket: () => {
      sockets.push(new FakeSocket());
      return sockets.at(-1);
    },
    timers: clock,
    random: () => 1,
    now: () => clock.now,
  });
  for (const type of ["output", "event", "reset", "session", "forgotten", "refused", "settled"]) {
    stream.on(type, (detail) => heard.push([type, detail]));
  }
});

const drawn = () => heard.filter(([type]) => type === "output").map(([, { data }]) => data);
const socket = () => sockets.at(-1);

function live(...sessions) {
  stream.start({ output: true });
  socket().says(initial(...(sessions.length ? sessions : [row()])));
}

describe("coming in", () => {
  test("the first message makes it live and it subscribes to what the page wants", () => {
    stream.start({ output: [A] });
    assert.equal(stream.isLive, false);
    socket().says(initial(row()));
    assert.equal(stream.isLive, true);
    const wanted = { type: "subscribe", sessions: "*", output: [A], cursors: {} };
    assert.deepEqual(socket().sent[0], wanted);
  });

  test("the answer to the ping behind the subscription says that it stands", () => {
    live();
    assert.deepEqual(socket().sent[1], { type: "ping" });
    socket().says({ type: "pong" });
    assert.deepEqual(heard.map(([type]) => type), ["settled"]);
  });

  test("the answers to later pings settle nothing", () => {
    live();
    socket().says({ type: "pong" });
    stream.check();
    socket().says({ type: "pong" });
    assert.equal(heard.filter(([type]) => type === "settled").length, 1);
  });

  test("a screen is handed on as one to begin anew with", () => {
    live();
    socket().says(screen(100));
    const [, detail] = heard[0];
    assert.deepEqual([detail.redraw, detail.cols, detail.rows], [true, 80, 24]);
  });
});

describe("order", () => {
  test("output that was had already is not drawn again", () => {
    live();
    socket().says(screen(100));
    socket().says(output(90, "0123456789"));
    socket().says(output(100, "new"));
    assert.deepEqual(drawn(), ["screen", "new"]);
  });

  test("a gap in the output is healed with a new subscription and a screen", () => {
    live();
    socket().says(screen(100));
    socket().says(output(150, "far"));
    socket().says(output(153, "further"));
    assert.deepEqual(socket().ofType("subscribe").at(-1).cursors, {});
    socket().says(screen(160, "healed"));
    socket().says(output(160, "on"));
    assert.deepEqual(drawn(), ["screen", "healed", "on"]);
  });

  test("an event that comes twice is told once", () => {
    live();
    const event = { type: "session:waiting", sessionId: A, seq: 2, offset: 0 };
    socket().says(event);
    socket().says(event);
    assert.equal(heard.filter(([type]) => type === "event").length, 1);
  });

  test("a session that began after the page is followed from its first byte", () => {
    live();
    const other = "bbbbbbbb-0000-4000-8000-000000000000";
    socket().says({ type: "session:started", sessionId: other, seq: 1, offset: 0 });
    socket().says({ ...output(0, "hello"), sessionId: other });
    assert.deepEqual(drawn(), ["hello"]);
  });

  test("an unknown message without a number is left alone", () => {
    live();
    socket().says({ type: "session:something-new", sessionId: A });
    assert.deepEqual(heard, []);
  });
});

describe("coming back", () => {
  test("it subscribes with its cursors and nothing comes twice", () => {
    live();
    socket().says(screen(100));
    socket().says(output(100, "abc"));
    socket().says({ type: "session:resized", sessionId: A, seq: 2, offset: 103 });
    socket().drops();
    clock.pass(500);
    socket().says(initial(row({ lastSeq: 2 })));
    const [subscription] = socket().ofType("subscribe");
    assert.deepEqual(subscription.cursors, { [A]: { seq: 2, offset: 103, epoch: "e1" } });
    socket().says(output(103, "def"));
    assert.deepEqual(drawn(), ["screen", "abc", "def"]);
  });

  test("a reset voids what was drawn and takes over the new log", () => {
    live();
    socket().says(screen(100));
    socket().drops();
    clock.pass(500);
    socket().says(initial(row({ epoch: "e2" })));
    socket().says({ type: "pong" });
    socket().says({ type: "session:reset", sessionId: A, seq: 1, offset: 7 });
    socket().says(output(7, "too early"));
    socket().says(screen(7, "new log"));
    socket().drops();
    clock.pass(500);
    socket().says(initial(row({ epoch: "e2" })));
    assert.deepEqual(drawn(), ["screen", "new log"]);
    const [subscription] = socket().ofType("subscribe");
    assert.deepEqual(subscription.cursors, { [A]: { seq: 1, offset: 7, epoch: "e2" } });
  });

  test("the pauses grow up to 15 s and begin anew after a success", () => {
    stream.start();
    const pauses = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      socket().drops();
      pauses.push(stream.state.retryAt - clock.now);
      clock.pass(pauses.at(-1));
    }
    assert.deepEqual(pauses, [400, 800, 1600, 3200, 6400, 12800, 15000, 15000]);
    socket().says(initial());
    socket().says({ type: "pong" });
    socket().drops();
    assert.equal(stream.state.retryAt - clock.now, 400);
  });

  test("a server that takes no subscription is asked less and less often", () => {
    stream.start();
    const pauses = [];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      socket().says(initial());
      socket().drops(1009);
      pauses.push(stream.state.retryAt - clock.now);
      clock.pass(pauses.at(-1));
    }
    assert.deepEqual(pauses, [400, 800, 1600]);
  });

  test("however many sessions were seen, its subscription fits a message of 64 KiB", () => {
    const id = (number) => `aaaaaaaa-0000-4000-8000-${String(number).padStart(12, "0")}`;
    const many = Array.from({ length: 1000 }, (_, n) => row({ id: id(n), epoch: "e".repeat(32) }));
    live(...many);
    for (const { id: sessionId } of many) {
      socket().says({ ...screen(9_000_000_000_000), sessionId });
      socket().says({ type: "session:resumed", sessionId, seq: 9_000_000 });
    }
    socket().drops();
    clock.pass(500);
    socket().says(initial(...many));
    const [subscription] = socket().ofType("subscribe");
    assert.ok(Object.keys(subscription.cursors).length >= 400);
    assert.ok(JSON.stringify(subscription).length < 65_536);
  });

  test("its place in what has ended is forgotten, but where that is shown", () => {
    const B = A.replace("a", "b");
    stream.start({ output: [B] });
    socket().says(initial(row(), row({ id: B })));
    for (const sessionId of [A, B]) {
      socket().says({ ...screen(100), sessionId });
      socket().says({ type: "session:completed", sessionId, seq: 2 });
    }
    socket().drops();
    clock.pass(500);
    socket().says(initial(row({ status: "completed" }), row({ id: B, status: "completed" })));
    const [subscription] = socket().ofType("subscribe");
    assert.deepEqual(Object.keys(subscription.cursors), [B]);
  });

  test("its place in what ended unheard is forgotten, too", () => {
    live();
    socket().says(screen(100));
    socket().drops();
    clock.pass(500);
    socket().says(initial(row({ status: "completed" })));
    const [subscription] = socket().ofType("subscribe");
    assert.deepEqual(subscription.cursors, {});
  });

  for (const code of [4400, 4401, 4403]) {
    test(`the code ${code} is final`, () => {
      live();
      socket().drops(code);
      clock.pass(60_000);
      assert.equal(sockets.length, 1);
      assert.deepEqual(stream.state, { state: "ended", code });
    });
  }

  test("a server that stops is waited for", () => {
    live();
    socket().drops(4503);
    clock.pass(400);
    assert.equal(sockets.length, 2);
  });

  test("without a network it says so and goes on trying, as a server may be on this machine", () => {
    live();
    stream.setOnline(false);
    socket().drops();
    assert.equal(stream.state.state, "offline");
    clock.pass(400);
    assert.equal(sockets.length, 2);
  });

  test("a network that comes back is used at once", () => {
    live();
    stream.setOnline(false);
    socket().drops();
    stream.setOnline(true);
    assert.equal(sockets.length, 2);
    clock.pass(400);
    assert.equal(sockets.length, 2);
  });

  test("a network that goes away is noticed within 3 s, unless the server still answers", () => {
    live();
    stream.setOnline(false);
    clock.pass(1);
    socket().says({ type: "pong" });
    clock.pass(5000);
    assert.equal(stream.isLive, true);
    stream.setOnline(false);
    clock.pass(3000);
    assert.equal(stream.state.state, "offline");
    assert.equal(sockets[0].isClosed, true);
  });

  test("a page that is looked at again after a sleep finds out at once what became of it", () => {
    live();
    clock.pass(1);
    stream.check();
    clock.pass(3000);
    assert.equal(stream.state.state, "lost");
    stream.check();
    assert.equal(sockets.length, 2);
  });

  test("a socket that only looks open is found out and replaced", () => {
    live();
    clock.pass(15_000);
    assert.equal(socket().ofType("ping").length, 2);
    clock.pass(20_000);
    assert.equal(sockets[0].isClosed, true);
    assert.equal(sockets.length, 2);
  });

  test("a quiet socket that answers stays", () => {
    live();
    for (let round = 0; round < 10; round += 1) {
      clock.pass(15_000);
      socket().says({ type: "pong" });
    }
    assert.equal(sockets.length, 1);
  });

  test("a page that is left leaves no timer behind", () => {
    live();
    socket().drops();
    stream.stop();
    assert.equal(clock.waiting, 0);
  });
});

describe("typing", () => {
  test("resolves once the terminal has it", async () => {
    live();
    const typed = stream.type(A, "ls\r");
    const [message] = socket().ofType("input");
    assert.deepEqual([message.sessionId, message.data], [A, "ls\r"]);
    socket().says({ type: "receipt", id: message.id, ok: true });
    await typed;
  });

  test("keys do not wait for each other's receipts", () => {
    live();
    stream.type(A, "a");
    stream.type(A, "b");
    assert.deepEqual(socket().ofType("input").map(({ data }) => data), ["a", "b"]);
  });

  test("is refused without a connection and not made up for later", async () => {
    live();
    socket().drops();
    await assert.rejects(stream.type(A, "rm -rf /"), /no connection/);
    clock.pass(400);
    socket().says(initial(row()));
    assert.deepEqual(socket().ofType("input"), []);
  });

  test("tells when a loss leaves open whether it arrived", async () => {
    live();
    const typed = stream.type(A, "x");
    socket().drops();
    await assert.rejects(typed, /may not have arrived/);
  });

  test("hands on the server's refusal", async () => {
    live();
    const typed = stream.type(A, "x");
    const [{ id }] = socket().ofType("input");
    socket().says({ type: "error", code: "not-running", detail: "It has ended.", id });
    await assert.rejects(typed, { message: "It has ended.", code: "not-running" });
  });

  test("a refusal that belongs to no call reaches the page", () => {
    live();
    socket().says({ type: "error", code: "not-found", detail: "There is no such session." });
    assert.equal(heard[0][0], "refused");
  });

  test("a long paste goes piece by piece, and keys typed meanwhile come after it", async () => {
    live();
    const sent = () => socket().ofType("input").map(({ data }) => data.length);
    const paste = stream.type(A, "x".repeat(20_000));
    const key = stream.type(A, "y");
    for (const count of [1, 2, 3, 4]) {
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      assert.equal(socket().ofType("input").length, count);
      socket().says({ type: "receipt", id: socket().ofType("input").at(-1).id, ok: true });
    }
    await Promise.all([paste, key]);
    assert.deepEqual(sent(), [8192, 8192, 3616, 1]);
  });
});

describe("acknowledging", () => {
  const acks = () => socket().ofType("ack").map(({ offset }) => offset);
  const draw = () => heard.filter(([type]) => type === "output").at(-1)[1].drawn();

  test("comes a second after the first piece was drawn, once", () => {
    live();
    socket().says(screen(10));
    draw();
    socket().says(output(10, "abc"));
    draw();
    assert.deepEqual(acks(), []);
    clock.pass(1000);
    assert.deepEqual(acks(), [13]);
    clock.pass(1000);
    assert.deepEqual(acks(), [13]);
  });

  test("comes at once after 32 KiB", () => {
    live();
    socket().says(screen(0));
    draw();
    socket().says(output(0, "x".repeat(40_000)));
    draw();
    assert.deepEqual(acks(), [40_000]);
  });

  test("nothing is acknowledged that was not drawn", () => {
    live();
    socket().says(output(0, "x".repeat(40_000)));
    clock.pass(1000);
    assert.deepEqual(acks(), []);
  });

  test("begins anew with a reset to a smaller offset", () => {
    live();
    socket().says(screen(5000));
    draw();
    clock.pass(1000);
    socket().says({ type: "session:reset", sessionId: A, seq: 1, offset: 7 });
    socket().says(screen(7));
    draw();
    clock.pass(1000);
    assert.deepEqual(acks(), [5000, 7]);
  });
});

describe("cutting a paste", () => {
  test("never between the two halves of a character", () => {
    assert.deepEqual(cut("ab🙂cd", 3), ["ab", "🙂c", "d"]);
  });

  test("every piece fits a message of 64 KiB, however it is escaped", () => {
    for (const character of ["\x1b", "€", "🙂", '"']) {
      const [piece] = cut(character.repeat(20_000));
      const message = JSON.stringify({ type: "input", sessionId: A, data: piece, id: "c123456" });
      assert.ok(new TextEncoder().encode(message).length <= 64 * 1024);
    }
  });

  test("nothing to type is no message", () => assert.deepEqual(cut(""), []));
});
