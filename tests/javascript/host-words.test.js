import assert from "node:assert/strict";
import { test } from "node:test";

import { lastHeard, stateWord, totals } from "../../dashboard/static/dashboard/js/host-words.js";

const host = (changes) => ({ state: "ready", used: 1, slots: 4, silentSeconds: 0, ...changes });

test("every state has a word, and an unknown one is shown as it is", () => {
  assert.deepEqual(["ready", "draining", "silent", "stopped", "new"].map(stateWord), [
    "Ready", "Draining", "Silent", "Stopped", "new",
  ]);
});

test("only a host that is not heard of says since when", () => {
  assert.equal(lastHeard(host({ silentSeconds: 1.4 })), "");
  assert.equal(lastHeard(host({ state: "silent", silentSeconds: 12.4 })), "Last heard of 12 s ago");
  assert.equal(lastHeard(host({ state: "stopped", silentSeconds: 150 })), "Last heard of 3 min ago");
  assert.equal(lastHeard(host({ state: "silent", silentSeconds: 7300 })), "Last heard of 2 h ago");
});

test("slots of hosts that do not answer are not there to be taken", () => {
  const hosts = [host(), host({ state: "draining", used: 2 }), host({ state: "silent", used: 3 })];
  assert.deepEqual(totals(hosts), { used: 6, slots: 8 });
});
