import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Shortcuts } from "../../dashboard/static/dashboard/js/shortcuts.js";

let done;
let shortcuts;

beforeEach(() => {
  done = [];
  shortcuts = new Shortcuts();
  for (const keys of ["n", "h", "g h"]) shortcuts.add(keys, () => done.push(keys));
});

const page = { closest: () => null };
const press = (key, { now = 0, target = page, ...modifiers } = {}) =>
  shortcuts.handle({ key, target, preventDefault() {}, ...modifiers }, now);

test("one key", () => {
  assert.equal(press("n"), true);
  assert.deepEqual(done, ["n"]);
});

test("two keys in a row are another shortcut than the second alone", () => {
  press("g");
  press("h");
  press("h");
  assert.deepEqual(done, ["g h", "h"]);
});

test("a first key is forgotten after a while", () => {
  press("g", { now: 0 });
  press("h", { now: 5000 });
  assert.deepEqual(done, ["h"]);
});

test("a key that begins nothing is not taken", () => assert.equal(press("x"), false));

test("keys for a field, a terminal or a dialog are left to it", () => {
  const target = { closest: (selector) => (selector.includes(".xterm") ? {} : null) };
  assert.equal(press("n", { target }), false);
  assert.deepEqual(done, []);
});

test("a field whose dialog was just closed takes no keys", () => {
  const target = { closest: () => ({}) };
  assert.equal(press("n", { target }), true);
  assert.deepEqual(done, ["n"]);
});

test("keys of the browser are left to it", () => {
  for (const modifier of ["ctrlKey", "metaKey", "altKey"]) press("n", { [modifier]: true });
  assert.deepEqual(done, []);
});
