// Long input in pieces that fit a message each.

// A character takes at most 6 bytes in JSON, and a message may hold 64 KiB.
const LONGEST_INPUT = 8192;

// Cut text, never between the two halves of a character.
export function cut(text, longest = LONGEST_INPUT) {
  const pieces = [];
  let from = 0;
  while (from < text.length) {
    let to = Math.min(from + longest, text.length);
    const last = text.charCodeAt(to - 1);
    if (to < text.length && last >= 0xd800 && last <= 0xdbff) to -= 1;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}
