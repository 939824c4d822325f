// How facts read on the pages; the server's templates write them the same way.

export const STATUS_LABELS = {
  running: "Running",
  waiting_checkpoint: "Waiting",
  idle: "Queued",
  completed: "Completed",
  failed: "Failed",
};

// What is not seen itself but changes how the rest is read; the server's `plain` leaves out the same.
const INVISIBLE = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e" +
    "\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}]",
  "gu",
);

// Text in one line as it can be shown.
export function plain(text) {
  return String(text ?? "").replace(/[\t\n\r]+/g, " ").replace(INVISIBLE, "");
}

// The same for text of several lines, whose line feeds stay.
export function plainLines(text) {
  return String(text ?? "").split(/\r?\n/).map(plain).join("\n");
}

export function title(session) {
  return plain(session.name) || plain(session.currentCommand) || "Session";
}

export function folder(path, home) {
  const text = plain(path);
  const root = (home ?? "").replace(/\/$/, "");
  return root && (text === root || text.startsWith(`${root}/`)) ? `~${text.slice(root.length)}` : text;
}

const two = (number) => String(number).padStart(2, "0");

// A length of time in its two largest units.
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function runTime(session, now = Date.now()) {
  if (!session.startedAt) return "";
  const until = session.endedAt ? Date.parse(session.endedAt) : now;
  return duration(until - Date.parse(session.startedAt));
}

// How long ago, coarsely; days and more as a date.
export function ago(moment, now = Date.now()) {
  const minutes = Math.floor((now - Date.parse(moment)) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return localTime(moment).slice(0, 16);
}

// A moment in the reader's own time zone, `2031-04-05 06:07:08`.
export function localTime(moment) {
  const at = new Date(moment);
  const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${date} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}

export function bytes(count) {
  if (count < 1024) return `${count} bytes`;
  const units = ["KB", "MB", "GB", "TB"];
  const power = Math.min(units.length, Math.floor(Math.log2(count) / 10));
  return `${(count / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

// Why a session's output stands still, "" while it does not.
export function stall({ stalled }) {
  return stalled ? `Nothing can be stored, so the program waits: ${plain(stalled)}. It goes on by itself.` : "";
}

export function outcome(session) {
  if (session.error) return plain(session.error);
  return Number.isInteger(session.exitCode) ? `Exit code ${session.exitCode}` : "";
}
