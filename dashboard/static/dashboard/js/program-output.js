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
