import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { answers, question, summary } from "../../dashboard/static/dashboard/js/waiting.js";

const checkpoint = (fields) => ({ type: "session:checkpoint", seq: 2, checkpoint: fields });
const waiting = (fields) => ({ type: "session:waiting", seq: 2, ...fields });

describe("the line", () => {
  const lines = [
    [checkpoint({ type: "human-verify", whatBuilt: "A\n  login page" }), "Verify: A login page"],
    [checkpoint({ type: "decision", decision: "Which one?" }), "Decide: Which one?"],
    [checkpoint({ type: "human-action", action: "Log in to npm" }), "Your turn: Log in to npm"],
    [checkpoint({ type: "completion", summary: "All green" }), "Done: All green"],
    [checkpoint({ type: "of-tomorrow" }), "Waiting"],
    [waiting({ waitType: "permission", promptContext: "Run rm?" }), "Asks for permission: Run rm?"],
    [waiting({ waitType: "menu", trigger: "1. Yes" }), "Asks to choose: 1. Yes"],
    [waiting({ waitType: "unknown", promptContext: 7 }), "Waits for an answer"],
  ];
  for (const [event, line] of lines) test(line, () => assert.equal(summary(event), line));
});

describe("the question", () => {
  test("of a verification has its steps and says how to go on", () => {
    const asked = question(
      checkpoint({ type: "human-verify", whatBuilt: "A page", howToVerify: ["Open it", 7, ""], resumeSignal: 'Type "ok"' }),
    );
    assert.deepEqual(asked.steps, ["Open it"]);
    assert.deepEqual([asked.paragraphs, asked.hint], [["A page"], 'Type "ok"']);
  });

  test("never shows control characters", () => {
    const asked = question(waiting({ waitType: "prompt", promptContext: "\u001b]0;x\u0007Name\u202e?" }));
    assert.deepEqual(asked.paragraphs, ["]0;xName?"]);
  });
});

describe("the answers", () => {
  test("to a decision type the option's id and Enter", () => {
    const given = answers(checkpoint({ type: "decision", options: [{ id: "a", name: "First", pros: "fast", cons: ["dear"] }, { name: "no id" }] }));
    assert.deepEqual(given, [{ label: "First", details: "Pros: fast\nCons: dear", send: "a", submit: true }]);
  });

  test("to a verification is the word that it asks for", () => {
    const given = answers(checkpoint({ type: "human-verify", resumeSignal: 'Type "approved" or describe issues' }));
    assert.deepEqual(given.map(({ send, submit }) => [send, submit]), [["approved", true]]);
  });

  test("to a menu press the option's number alone", () => {
    const given = answers(waiting({ waitType: "menu", menuOptions: ["1. Yes", "2) No", "Other"] }));
    assert.deepEqual(given.map(({ label, send }) => [label, send]), [["Yes", "1"], ["No", "2"], ["Other", "3"]]);
    assert.ok(given.every(({ submit }) => !submit));
  });

  test("to a completion offer the next command", () => {
    const given = answers(checkpoint({ type: "completion", nextCommand: "/deploy" }));
    assert.deepEqual(given.map(({ send }) => send), ["/deploy"]);
  });

  test("fields of the wrong type offer nothing", () => {
    assert.deepEqual(answers(waiting({ menuOptions: "yes" })), []);
    assert.deepEqual(answers(checkpoint({ type: "decision", options: [null, 3] })), []);
  });
});
