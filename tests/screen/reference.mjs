// What xterm.js shows for given output. Reads one JSON object per line,
// {cols, rows, chunks: [base64 | [cols, rows], ...]} (a pair resizes the terminal), and
// answers each with one line describing the terminal after the last chunk.
import { createInterface } from "node:readline";
import unicode11 from "@xterm/addon-unicode11";
import headless from "@xterm/headless";

const FLAGS = [
  "isBold", "isItalic", "isDim", "isUnderline", "isBlink", "isInverse", "isInvisible",
  "isStrikethrough",
];

function write(terminal, chunk) {
  return new Promise((done) => terminal.write(Buffer.from(chunk, "base64"), done));
}

function lineTexts(buffer, from, to) {
  const texts = [];
  for (let y = from; y < to; y += 1) {
    texts.push(buffer.getLine(y).translateToString(true).trimEnd());
  }
  return texts;
}

function wrappedRows(buffer, rows) {
  const wrapped = [];
  for (let y = 0; y < buffer.baseY + rows; y += 1) {
    if (buffer.getLine(y).isWrapped) wrapped.push(y);
  }
  return wrapped;
}

function background(cell) {
  return cell.isBgDefault() ? "-" : `${cell.isBgRGB() ? "#" : ""}${cell.getBgColor()}`;
}

function foreground(cell) {
  return cell.isFgDefault() ? "-" : `${cell.isFgRGB() ? "#" : ""}${cell.getFgColor()}`;
}

function look(cell) {
  if (cell.getChars().trim() === "") return `${background(cell)} ${cell.isInverse() ? "inverse" : ""}`;
  const flags = FLAGS.filter((flag) => cell[flag]());
  return [background(cell), foreground(cell), ...flags].join(" ");
}

// Per visible row the columns at which the look of the cells changes, and into what.
function looks(buffer, { cols, rows }) {
  return Array.from({ length: rows }, (_, y) => {
    const line = buffer.getLine(buffer.baseY + y);
    const cells = Array.from({ length: cols }, (__, x) => look(line.getCell(x)));
    return cells.flatMap((cell, x) => (cell === cells[x - 1] ? [] : [`${x}: ${cell}`]));
  });
}

function tabStops(terminal) {
  return Object.keys(terminal._core.buffer.tabs).map(Number)
    .filter((column) => column > 0 && column < terminal.cols && terminal._core.buffer.tabs[column]);
}

function describe(terminal, replies, title) {
  const buffer = terminal.buffer.active;
  const normal = terminal.buffer.normal;
  const core = terminal._core;
  const decPrivate = core.coreService.decPrivateModes;
  return {
    lines: lineTexts(buffer, buffer.baseY, buffer.baseY + terminal.rows),
    looks: looks(buffer, terminal),
    wrapped: wrappedRows(normal, terminal.rows),
    cursor: [buffer.cursorX, buffer.cursorY, !core.coreService.isCursorHidden],
    shape: [
      decPrivate.cursorStyle ?? terminal.options.cursorStyle,
      decPrivate.cursorBlink ?? terminal.options.cursorBlink,
    ],
    alternate: buffer.type === "alternate",
    scrollback: lineTexts(normal, 0, normal.baseY),
    modes: { ...terminal.modes, synchronizedOutputMode: null, encoding: core.coreMouseService.activeEncoding },
    region: [core.buffer.scrollTop, core.buffer.scrollBottom],
    tabs: tabStops(terminal),
    title,
    replies,
  };
}

async function show({ cols, rows, chunks }) {
  const terminal = new headless.Terminal({ cols, rows, scrollback: 1000, allowProposedApi: true });
  terminal.loadAddon(new unicode11.Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  let replies = "";
  let title = "";
  terminal.onData((data) => { replies += data; });
  terminal.onTitleChange((changed) => { title = changed; });
  for (const chunk of chunks) {
    if (typeof chunk === "string") await write(terminal, chunk);
    else terminal.resize(...chunk);
  }
  const shown = describe(terminal, replies, title);
  terminal.dispose();
  return shown;
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await show(JSON.parse(line)))}\n`);
}
