// What a program may leave behind in the page by what it prints: no title, and addresses of links
// of a bounded length and number.

const TITLES = [0, 1, 2];
const LINK = 8;
const LONGEST_ADDRESS = 2048;
// Characters of addresses that lines still on the screen or in the scrollback may hold. A whole
// scrollback of lines with a link each stays below it.
const MOST_OF_ADDRESSES = 4 * 1024 * 1024;

// A link that goes beyond is text like any other. `term` is a terminal of xterm.js.
export function boundOutput(term, most = MOST_OF_ADDRESSES) {
  for (const code of TITLES) term.parser.registerOscHandler(code, () => true);
  let held = 0;
  term.parser.registerOscHandler(LINK, (data) => {
    const size = data.length - data.indexOf(";") - 1;
    if (size === 0) return false; // the end of a link
    if (size > LONGEST_ADDRESS || held + size > most) return true;
    // A marker goes when its line goes, as the address does that xterm.js keeps for the line.
    const marker = term.registerMarker(0);
    held += size;
    marker.onDispose(() => (held -= size));
    return false;
  });
}

// Combining characters that one cell takes; browsers take minutes to draw a cell of many thousands.
const MOST_COMBINED = 16;

// The same widths of characters as `provider` (of xterm.js) tells, but that what goes beyond in a
// cell gets cells of its own. How many are in the cell is kept in the state that xterm.js passes on
// from character to character: properties are `state << 3 | width << 1 | joins the one before`.
export function boundCells(provider, most = MOST_COMBINED) {
  return {
    version: provider.version,
    wcwidth: (code) => provider.wcwidth(code),
    charProperties(code, preceding) {
      const properties = provider.charProperties(code, preceding);
      if (!(properties & 1)) return properties;
      const combined = (preceding >> 3) + 1;
      return combined > most ? 1 << 1 : (combined << 3) | (properties & 0b111);
    },
  };
}
