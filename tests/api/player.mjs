// Loads a recording (standard input) into the core of asciinema's player, jumps to its end, and prints
// what a terminal shows that was fed what the player dispatched, and what else the player found.
import { readdirSync } from "node:fs";
import { text } from "node:stream/consumers";
import headless from "@xterm/headless";

const dist = new URL("../../node_modules/asciinema-player/dist/", import.meta.url);
// The package exports the player with its page only; the part that reads recordings stands apart.
const core = readdirSync(dist).find((name) => /^core-.*\.js$/.test(name));
const { C: Core } = await import(new URL(core, dist));

const recording = await text(process.stdin);
const logger = new Proxy({}, { get: () => () => {} });
const player = new Core({ data: () => new Response(recording) }, { logger, speed: 1, preload: true });
const terminal = new headless.Terminal({ cols: 80, rows: 24, scrollback: 1000, allowProposedApi: true });
const sizes = [];
let markers = [];
let drawn = Promise.resolve();

function then(step) {
  drawn = drawn.then(step);
}

player.addEventListener("metadata", (metadata) => {
  ({ markers = markers } = metadata);
});
player.addEventListener("reset", ({ size: { cols, rows }, init }) => {
  sizes.splice(0, sizes.length, [cols, rows]);
  then(() => {
    terminal.reset();
    terminal.resize(cols, rows);
    if (init) terminal.write(init);
  });
});
player.addEventListener("resize", ({ cols, rows }) => {
  sizes.push([cols, rows]);
  then(() => terminal.resize(cols, rows));
});
player.addEventListener("output", (data) => {
  then(() => new Promise((done) => terminal.write([data].flat().join(""), done)));
});
player.terminalReady();
await player.init();
await player.seek("100%");
await drawn;

const { active } = terminal.buffer;
const lines = Array.from({ length: terminal.rows }, (_, y) => (
  active.getLine(active.baseY + y).translateToString(true).trimEnd()
));
console.log(JSON.stringify({ lines, sizes, markers, duration: player.getDuration() }));
process.exit();
