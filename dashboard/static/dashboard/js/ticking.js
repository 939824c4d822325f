// Times that go on by themselves: elements with `data-since` and, once ended, `data-until`; and
// moments told as "5 min ago" (`data-ago`) or in the reader's time zone (`data-local`, to
// the minute with `data-local="minutes"`).

import { ago, duration, localTime } from "./format.js";

export function tick(root = document) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time.ticking")) {
    const { since, until } = element.dataset;
    const text = since ? duration((until ? Date.parse(until) : now) - Date.parse(since)) : "";
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of root.querySelectorAll("time[data-ago]")) {
    element.textContent = ago(element.dateTime, now);
    element.title = localTime(element.dateTime);
  }
  for (const element of root.querySelectorAll("time[data-local][datetime]")) {
    const text = localTime(element.dateTime);
    element.textContent = element.dataset.local === "minutes" ? text.slice(0, 16) : text;
  }
}

export function startTicking() {
  tick();
  setInterval(() => document.hidden || tick(), 1000);
  document.addEventListener("visibilitychange", () => document.hidden || tick());
}
