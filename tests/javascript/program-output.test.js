import assert from "node:assert/strict";
import { test } from "node:test";

import unicode11 from "@xterm/addon-unicode11";
import headless from "@xterm/headless";

import { boundCells, boundOutput } from "../../dashboard/static/dashboard/js/program-output.js";

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

async function cells(text) {
  const { term, write } = terminal();
  const register = (provider) => term.unicode.register(boundCells(provider));
  new unicode11.Unicode11Addon().activate({ unicode: { register } });
  term.unicode.activeVersion = "11";
  await write(text);
  const line = term.buffer.active.getLine(0);
  return Array.from({ length: 12 }, (_, column) => line.getCell(column).getChars());
}

test("combining characters join the one before them, up to a bound", async () => {
  assert.deepEqual((await cells("ae\u0301\u0323b")).slice(0, 4), ["a", "e\u0301\u0323", "b", ""]);
  const [first, second, ...rest] = await cells(`x${"\u0301".repeat(40)}y`);
  assert.equal(first, `x${"\u0301".repeat(16)}`);
  assert.equal(second, "\u0301".repeat(17));
  assert.equal(rest[1], "y");
});

test("wide characters and what is joined to them keep their two cells", async () => {
  const shown = await cells("\u4e2d\u0301\u{1f469}\u200d!");
  assert.deepEqual(shown.slice(0, 5), ["\u4e2d\u0301", "", "\u{1f469}\u200d", "", "!"]);
});
