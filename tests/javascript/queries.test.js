import assert from "node:assert/strict";
import { describe, test } from "node:test";

import headless from "@xterm/headless";

import { isFocusReport, isMouseReport, swallowQueries } from "../../dashboard/static/dashboard/js/queries.js";

const QUERIES = {
  "device attributes": "\x1b[c",
  "secondary device attributes": "\x1b[>c",
  "tertiary device attributes": "\x1b[=c",
  status: "\x1b[5n",
  "cursor position": "\x1b[6n",
  "extended cursor position": "\x1b[?6n",
  "an ANSI mode": "\x1b[4$p",
  "a private mode": "\x1b[?2004$p",
  "name and version": "\x1b[>q",
  "the window's size": "\x1b[18t",
  "the window's title": "\x1b[21t",
  "a setting": "\x1bP$qm\x1b\\",
  "a capability": "\x1bP+q544e\x1b\\",
  "the background colour": "\x1b]11;?\x07",
  "a palette colour": "\x1b]4;1;?\x07",
  "the clipboard": "\x1b]52;c;?\x07",
};

function terminal({ swallows }) {
  const term = new headless.Terminal({ allowProposedApi: true, windowOptions: { getWinSizeChars: true } });
  const said = [];
  term.onData((data) => said.push(data));
  if (swallows) swallowQueries(term.parser);
  return { said, write: (data) => new Promise((done) => term.write(data, done)), term };
}

describe("a terminal keeps silent when a program asks for", () => {
  for (const [name, query] of Object.entries(QUERIES)) {
    test(name, async () => {
      const { said, write } = terminal({ swallows: true });
      await write(query);
      assert.deepEqual(said, []);
    });
  }
});

test("left alone it would answer", async () => {
  const { said, write } = terminal({ swallows: false });
  await write("\x1b[c\x1b[6n\x1b[?2004$p\x1bP$qm\x1b\\");
  assert.equal(said.length, 4);
});

test("what a program draws around its questions is drawn", async () => {
  const { term, write } = terminal({ swallows: true });
  await write("left\x1b[6n right\x1b]11;#000000\x07\x1b[c!");
  assert.equal(term.buffer.active.getLine(0).translateToString(true), "left right!");
});

test("reports of focus and mouse are told from keys", () => {
  assert.ok(isFocusReport("\x1b[I") && isFocusReport("\x1b[O") && !isFocusReport("\x1b[A"));
  assert.ok(isMouseReport("\x1b[<0;1;1M") && isMouseReport("\x1b[M !!") && !isMouseReport("\x1b[A"));
});
