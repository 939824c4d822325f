// How long to wait before the next attempt, in milliseconds.

const FIRST = 400;
const LONGEST = 15_000;

// `attempt` counts from 0. Half of the delay is chance, so that a thousand pages that lost the same
// server do not come back in the same moment.
export function backoff(attempt, random = Math.random) {
  const ceiling = Math.min(LONGEST, FIRST * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling / 2 + (random() * ceiling) / 2);
}
