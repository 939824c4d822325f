// The machines that run sessions, asked for anew every few seconds.

import { api } from "./api.js";
import { confirm } from "./confirm.js";
import { plain } from "./format.js";
import { lastHeard, stateWord, totals } from "./host-words.js";
import { notice } from "./notices.js";
import { startPage } from "./page.js";

const EVERY_MS = 3000;
const list = document.getElementById("hosts");
const template = document.getElementById("host-entry");

function draw(hosts) {
  const known = new Map([...list.children].map((entry) => [entry.dataset.host, entry]));
  const entries = hosts.map((host) => {
    const entry = known.get(host.name) ?? template.content.firstElementChild.cloneNode(true);
    return fill(entry, host);
  });
  // Only where something came or went: a button that is being pressed stays where it is.
  if (entries.some((entry, at) => list.children[at] !== entry) || known.size !== entries.length) {
    list.replaceChildren(...entries);
  }
  const { used, slots } = totals(hosts);
  document.getElementById("slots-used").textContent = used;
  document.getElementById("slots-all").textContent = slots;
}

function fill(entry, host) {
  const write = (field, text) => {
    const element = entry.querySelector(`[data-field="${field}"]`);
    if (!element) return;
    element.hidden = text === "";
    if (element.textContent !== text) element.textContent = text;
  };
  entry.dataset.host = host.name;
  entry.dataset.state = host.state;
  entry.dataset.draining = String(host.draining);
  write("name", plain(host.name));
  write("state", stateWord(host.state));
  write("slots", `${host.used} of ${host.slots}`);
  write("load", `Load ${host.load.toFixed(2)}`);
  write("version", host.version);
  write("labels", plain(host.labels.join(", ")));
  write("seen", lastHeard(host));
  write("problem", plain(host.problem ?? ""));
  write("verb", host.draining ? "Take sessions again" : "Drain");
  const meter = entry.querySelector("meter");
  meter.max = host.slots;
  meter.value = host.used;
  return entry;
}

async function refresh() {
  try {
    draw(await api.hosts());
  } catch {
    // The header says that the server does not answer; the next time it may.
  }
}

list?.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-drain]");
  if (!button) return;
  const { host, draining } = button.closest(".host").dataset;
  const drains = draining !== "true";
  const text = `What runs on ${plain(host)} goes on; nothing new is started there.`;
  if (drains && !(await confirm({ heading: "Drain this host?", text, yes: "Drain" }))) return;
  button.disabled = true;
  try {
    await api.drain(host, drains);
    await refresh();
  } catch (refusal) {
    notice(refusal.message, { bad: true });
  } finally {
    button.disabled = false;
  }
});

startPage();
if (list) {
  refresh();
  setInterval(() => document.hidden || refresh(), EVERY_MS);
}
