// Keeps a terminal from answering what programs ask it: the server alone answers. Else every open
// page would type its own answer into the program, and every replay would type old ones again.

const ignore = () => true;

const CONTROL_SEQUENCES = [
  { final: "c" }, // device attributes, primary, secondary and tertiary
  { prefix: ">", final: "c" },
  { prefix: "=", final: "c" },
  { final: "n" }, // status and cursor position
  { prefix: "?", final: "n" },
  { intermediates: "$", final: "p" }, // modes
  { prefix: "?", intermediates: "$", final: "p" },
  { prefix: ">", final: "q" }, // name and version
  { prefix: "?", final: "u" }, // keyboard protocol
  { prefix: "?", final: "S" }, // graphics
  { final: "t" }, // window: size, title, position
  { final: "x" }, // terminal parameters
];
const DEVICE_STRINGS = [
  { intermediates: "$", final: "q" }, // settings
  { intermediates: "+", final: "q" }, // capabilities
];
const COLOURS = [4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21];
const CLIPBOARD = 52;

// `parser` is the `parser` of a terminal of xterm.js.
export function swallowQueries(parser) {
  for (const id of CONTROL_SEQUENCES) parser.registerCsiHandler(id, ignore);
  for (const id of DEVICE_STRINGS) parser.registerDcsHandler(id, ignore);
  // Setting a colour is drawing, asking for one is not.
  for (const code of COLOURS) parser.registerOscHandler(code, (data) => data.split(";").includes("?"));
  parser.registerOscHandler(CLIPBOARD, ignore);
}

// What a terminal sends when the page gains or loses the focus. With several viewers it says
// nothing that a program could use, and looking at a page is not typing.
export const isFocusReport = (data) => data === "\x1b[I" || data === "\x1b[O";

export const isMouseReport = (data) => /^\x1b\[(<|M)/.test(data);
