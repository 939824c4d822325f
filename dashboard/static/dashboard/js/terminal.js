// A terminal on the page: xterm.js without the things that a program must not do to its viewers.

import { SearchAddon } from "../../vendor/addon-search/lib/addon-search.mjs";
import { Unicode11Addon } from "../../vendor/addon-unicode11/lib/addon-unicode11.mjs";
import { WebLinksAddon } from "../../vendor/addon-web-links/lib/addon-web-links.mjs";
import { WebglAddon } from "../../vendor/addon-webgl/lib/addon-webgl.mjs";
import { Terminal } from "../../vendor/xterm/lib/xterm.mjs";
import { allowStyles } from "./allowed-styles.js";
import { openLink } from "./links.js";
import { boundCells, boundOutput } from "./program-output.js";
import { isFocusReport, swallowQueries } from "./queries.js";
import { MINIMUM_CONTRAST, themeFor } from "./terminal-theme.js";
import { isDark, onTheme } from "./theme.js";

const FONT = getComputedStyle(document.documentElement).getPropertyValue("--mono");
const SCROLLBACK = 10_000;
const RESET = "\x1bc";

allowStyles();

export class TerminalView {
  #place;
  #isOpen = false;
  #forgetTheme;

  // A preview takes no input, keeps no scrollback and is drawn without the graphics card, of whose
  // contexts a page gets few.
  constructor(place, { fontSize, isPreview = false, scrollback = SCROLLBACK }) {
    this.#place = place;
    this.term = new Terminal({
      allowProposedApi: true, // character widths of Unicode 11
      cursorBlink: false,
      cursorInactiveStyle: isPreview ? "none" : "outline",
      disableStdin: isPreview,
      fontFamily: FONT,
      fontSize,
      linkHandler: { activate: (_event, text) => openLink(text) },
      minimumContrastRatio: MINIMUM_CONTRAST,
      rightClickSelectsWord: true,
      screenReaderMode: !isPreview && localStorage.getItem("screen-reader") === "on",
      scrollback: isPreview ? 0 : scrollback,
      theme: themeFor(isDark()),
      windowOptions: {}, // a program moves, resizes and asks for no window
    });
    swallowQueries(this.term.parser);
    boundOutput(this.term);
    this.#useUnicode11();
    this.#forgetTheme = onTheme((dark) => (this.term.options.theme = themeFor(dark)));
    this.#open(isPreview);
  }

  #useUnicode11() {
    const { unicode } = this.term;
    const register = (provider) => unicode.register(boundCells(provider));
    new Unicode11Addon().activate({ unicode: { register } });
    unicode.activeVersion = "11";
  }

  #open(isPreview) {
    this.term.open(this.#place);
    this.#isOpen = true;
    if (isPreview) {
      this.term.textarea.tabIndex = -1;
      return;
    }
    this.search = new SearchAddon();
    this.term.loadAddon(this.search);
    this.term.loadAddon(new WebLinksAddon((_event, text) => openLink(text)));
    if (hasGraphicsCard()) this.#useGraphicsCard();
  }

  #useGraphicsCard() {
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => webgl.dispose());
    try {
      this.term.loadAddon(webgl);
    } catch {
      // The context was refused after all; the terminal is drawn with elements instead.
    }
  }

  // Everything goes through the terminal's own queue, so that it happens in the order of the calls.

  write(data, done) {
    this.term.write(data, done);
  }

  resize(cols, rows, done) {
    this.term.write("", () => {
      if (this.#isOpen && (this.term.cols !== cols || this.term.rows !== rows)) this.term.resize(cols, rows);
      done?.();
    });
  }

  // Begin anew with what draws a whole screen of this size.
  redraw(data, { cols, rows }, done) {
    this.term.write(RESET);
    this.resize(cols ?? this.term.cols, rows ?? this.term.rows);
    this.term.write(data, done);
  }

  // Real keys, mouse and paste only.
  onInput(listener) {
    this.term.onData((data) => isFocusReport(data) || listener(data));
    // Old mouse reports are bytes; those beyond ASCII cannot be told as text.
    this.term.onBinary((data) => /^[\x00-\x7f]*$/.test(data) && listener(data));
  }

  // The size of one cell in pixels as it is drawn now.
  get cell() {
    const screen = this.#place.querySelector(".xterm-screen");
    return { width: screen.offsetWidth / this.term.cols, height: screen.offsetHeight / this.term.rows };
  }

  get fontSize() {
    return this.term.options.fontSize;
  }

  set fontSize(size) {
    if (this.term.options.fontSize !== size) this.term.options.fontSize = size;
  }

  // Draw as large as fits the box (pixels), between two font sizes.
  scaleInto(box, { least, most, step }) {
    if (!this.#isOpen || !(this.cell.width > 0) || !(box.width > 0)) return;
    const fitting = Math.floor((this.fontSize * this.#roomIn(box)) / step) * step;
    this.fontSize = Math.max(least, Math.min(most, fitting));
    // Cells are rounded to whole pixels, so the estimate may be a little too large.
    while (this.#roomIn(box) < 1 && this.fontSize > least) this.fontSize -= step;
  }

  // How many times larger it could be drawn.
  #roomIn({ width, height }) {
    const { cell, term } = this;
    return Math.min(width / (cell.width * term.cols), height / (cell.height * term.rows));
  }

  get text() {
    this.term.selectAll();
    const all = this.term.getSelection();
    this.term.clearSelection();
    return all.replace(/\s+$/, "\n");
  }

  dispose() {
    this.#isOpen = false;
    this.#forgetTheme();
    this.term.dispose();
  }
}

// Drawing by software in the name of the graphics card is slower than drawing with elements.
function hasGraphicsCard() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return false;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|software/i.test(renderer);
}
