// What a waiting session asks, and how it can be answered. Its fields come from programs: whatever
// is missing or of another type is left out. No DOM here.

import { plain, plainLines } from "./format.js";

const ASKS = {
  permission: "Asks for permission",
  menu: "Asks to choose",
  prompt: "Asks for input",
  continue: "Asks to go on",
};

const CHECKPOINTS = {
  "human-verify": { word: "Verify", heading: "Verify this", main: "whatBuilt" },
  decision: { word: "Decide", heading: "Decide", main: "decision" },
  "human-action": { word: "Your turn", heading: "Your turn", main: "action" },
  completion: { word: "Done", heading: "Done", main: "summary" },
};

const text = (value) => (typeof value === "string" ? plainLines(value).trim() : "");
const list = (value) => (Array.isArray(value) ? value : []);

// One line, for badges and cards.
export function summary(event) {
  const { checkpoint } = event;
  if (checkpoint) {
    const kind = CHECKPOINTS[checkpoint.type];
    return line(kind?.word ?? "Waiting", checkpoint[kind?.main ?? "summary"]);
  }
  return line(ASKS[event.waitType] ?? "Waits for an answer", event.promptContext || event.trigger);
}

function line(word, rest) {
  const flat = text(rest).replace(/\s+/g, " ");
  return flat ? `${word}: ${flat}` : word;
}

// Everything it says: {heading, paragraphs, steps, hint}.
export function question(event) {
  const { checkpoint } = event;
  if (!checkpoint) {
    const said = text(event.promptContext) || text(event.trigger);
    return {
      heading: ASKS[event.waitType] ?? "Waits for an answer",
      paragraphs: [said].filter(Boolean),
      steps: [],
      hint: text(event.promptIntent),
    };
  }
  const kind = CHECKPOINTS[checkpoint.type];
  const more = [checkpoint.context, checkpoint.instructions, checkpoint.workflow, checkpoint.status];
  return {
    heading: kind?.heading ?? "Waits for an answer",
    paragraphs: [checkpoint[kind?.main ?? "summary"], ...more].map(text).filter(Boolean),
    steps: list(checkpoint.howToVerify).map(text).filter(Boolean),
    hint: text(checkpoint.resumeSignal),
  };
}

// The answers that can be given with one press: {label, details, send, submit}. `submit` says that
// Enter follows; a menu takes its key alone.
export function answers(event) {
  const { checkpoint } = event;
  if (!checkpoint) return list(event.menuOptions).map(menuAnswer).filter(Boolean);
  if (checkpoint.type === "decision") return list(checkpoint.options).map(optionAnswer).filter(Boolean);
  const quoted = [checkpoint.nextCommand, quotedWord(checkpoint.resumeSignal)];
  return quoted.map(text).filter(Boolean).map((send) => ({ label: send, details: "", send, submit: true }));
}

function optionAnswer(option) {
  const send = text(option?.id);
  if (!send) return null;
  const sides = [
    ["Pros", option.pros],
    ["Cons", option.cons],
  ];
  const details = sides.map(([word, side]) => [word, text(Array.isArray(side) ? side.join(", ") : side)]);
  return {
    label: text(option.name) || send,
    details: details.filter(([, said]) => said).map(([word, said]) => `${word}: ${said}`).join("\n"),
    send,
    submit: true,
  };
}

function menuAnswer(option, index) {
  if (typeof option === "string") {
    const numbered = /^\s*(\d{1,2})[.):]\s*(.+)$/.exec(option);
    const [key, label] = numbered ? [numbered[1], numbered[2]] : [String(index + 1), option];
    return { label: plain(label), details: "", send: key, submit: false };
  }
  const label = text(option?.label ?? option?.name ?? option?.text);
  const key = plain(option?.key ?? option?.number ?? option?.id ?? index + 1);
  return label ? { label, details: text(option.description), send: key, submit: false } : null;
}

// `Type "approved" to go on` asks for `approved`.
function quotedWord(signal) {
  return /["“']([^"”']{1,60})["”']/.exec(text(signal))?.[1];
}
