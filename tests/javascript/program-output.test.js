import assert from "node:assert/strict";
import { test } from "node:test";

import headless from "@xterm/headless";

import { boundOutput } from "../../dashboard/static/dashboard/js/program-output.js";

function terminal({ most, scrollback = 5 } = {}) {
  const term = new headless.Terminal({ allowProposedApi: true, cols: 80, rows: 4, scrollback });
  const titles = [];
  term.onTitleChange((title) => titles.push(title));
  boundOutput(term, most);
  return { term, titles, write: (data) => new Promise((done) => term.write(data, done)) };
}

// The addresses that xterm.js keeps at the moment.
const kept = (term) => [...term._core._oscLinkService._dataByLinkId.values()].map(({ data }) => data.uri);

const link = (address, text) => `\x1b]8;;${address}\x1b\\${text}\x1b]8;;\x1b\\`;

test("a title changes nothing and is not kept", async () => {
  const { term, titles, write } = terminal();
  await write("\x1b]0;one\x07\x1b]1;two\x07\x1b]2;three\x1b\\text");
  assert.deepEqual(titles, []);
  assert.equal(term.buffer.active.getLine(0).translateToString(true), "text");
});

test("an address of usual length is kept as long as its line", async () => {
  const { term, write } = terminal();
  await write(link("https://one.example/", "link"));
  assert.deepEqual(kept(term), ["https://one.example/"]);
  await write("\r\n".repeat(20));
  assert.deepEqual(kept(term), []);
});

test("the text of a link whose address is too long is text like any other", async () => {
  const { term, write } = terminal();
  await write(link(`https://one.example/${"x".repeat(100_000)}`, "link"));
  assert.deepEqual(kept(term), []);
  assert.equal(term.buffer.active.getLine(0).translateToString(true), "link");
});

test("addresses are kept up to a bound, and again once lines with others are gone", async () => {
  const { term, write } = terminal({ most: 1000 });
  for (let number = 0; number < 50; number += 1) await write(link(`https://x/${"y".repeat(90)}${number}`, "x"));
  const most = kept(term).length;
  assert.ok(most > 5 && most < 10, String(most));
  await write(`${"\r\n".repeat(20)}${link("https://again.example/", "x")}`);
  assert.deepEqual(kept(term), ["https://again.example/"]);
});

test("a reset of the terminal does not make room for more than the bound", async () => {
  const { term, write } = terminal({ most: 1000 });
  for (let number = 0; number < 50; number += 1) await write(`${link(`https://x/${"y".repeat(90)}${number}`, "x")}\x1bc`);
  assert.ok(kept(term).join("").length <= 1000);
});
