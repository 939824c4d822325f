import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../../dashboard/static/dashboard/js/format.js";

test("control characters and those that turn the writing around are left out", () => {
  assert.equal(format.plain("a\u0000\u001b[31mb\u202etxt.exe\u2066\u009b\u200f"), "a[31mbtxt.exe");
});

test("line breaks and tabs become a space", () => {
  assert.equal(format.plain("one\r\ntwo\tthree"), "one two three");
});

test("what has no width or is a tag is left out, joiners of scripts and emoji stay", () => {
  assert.equal(format.plain("pay\u00adpal\u200b.\u2060com\ufeff\u{e0041}\u2028\u2029\ufff9"), "paypal.com");
  assert.equal(format.plain("\u{1f469}\u200d\u{1f4bb}"), "\u{1f469}\u200d\u{1f4bb}");
});

test("a session whose name cannot be seen is called by its command", () => {
  assert.equal(format.title({ name: "\u202e", currentCommand: "bash" }), "bash");
  assert.equal(format.title({ name: "", currentCommand: "\u200b" }), "Session");
});

test("text of several lines keeps its lines", () => {
  assert.equal(format.plainLines("one\r\n\u001btwo"), "one\ntwo");
});

test("a length of time shows its two largest units", () => {
  const lengths = [-5, 59_999, 61_000, 3_600_000, 90_061_000].map(format.duration);
  assert.deepEqual(lengths, ["0 s", "59 s", "1 min 01 s", "1 h 00 min", "1 d 1 h"]);
});

test("a running session's time goes up to now, an ended one's to its end", () => {
  const startedAt = "2031-01-01T00:00:00.000Z";
  const now = Date.parse("2031-01-01T00:01:00.000Z");
  assert.equal(format.runTime({ startedAt }, now), "1 min 00 s");
  assert.equal(format.runTime({ startedAt, endedAt: "2031-01-01T00:00:05.000Z" }, now), "5 s");
  assert.equal(format.runTime({ startedAt: null }, now), "");
});

test("only folders inside the home are written with a tilde", () => {
  const paths = ["/home/ada", "/home/ada/x", "/home/adam"].map((path) => format.folder(path, "/home/ada"));
  assert.deepEqual(paths, ["~", "~/x", "/home/adam"]);
  assert.equal(format.folder("/etc", "/"), "/etc");
});

test("sizes", () => {
  assert.deepEqual([0, 1023, 1024, 5_242_880].map(format.bytes), ["0 bytes", "1023 bytes", "1.0 KB", "5.0 MB"]);
});

test("how long ago", () => {
  const now = Date.parse("2031-01-02T00:00:00.000Z");
  const told = ["2031-01-01T23:59:30.000Z", "2031-01-01T23:55:00.000Z", "2031-01-01T20:00:00.000Z"];
  assert.deepEqual(told.map((at) => format.ago(at, now)), ["just now", "5 min ago", "4 h ago"]);
});

test("why output stands still, if it does", () => {
  assert.equal(format.stall({ stalled: null }), "");
  assert.equal(format.stall({}), "");
  assert.match(format.stall({ stalled: "No space left on device" }), /the program waits: No space left on device\./);
});
