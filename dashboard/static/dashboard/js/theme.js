// Automatic, light or dark: chosen here, kept in this browser.

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const NAMES = { auto: "automatic", light: "light", dark: "dark" };
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

const chosen = () => document.documentElement.dataset.theme;

export function isDark() {
  return chosen() === "dark" || (chosen() === "auto" && system.matches);
}

// `listener` hears of every change with whether it is dark now, until what this returns is called.
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function announce() {
  const name = document.getElementById("theme-name");
  const toggle = document.getElementById("theme-toggle");
  if (name) name.textContent = NAMES[chosen()];
  if (toggle) toggle.title = `Theme: ${NAMES[chosen()]}`;
  for (const listener of listeners) listener(isDark());
}

function choose(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
  announce();
}

export function startTheme() {
  document.getElementById("theme-toggle")?.addEventListener("click", () => choose(NEXT[chosen()]));
  system.addEventListener("change", announce);
  addEventListener("storage", ({ key, newValue }) => {
    if (key !== "theme") return;
    document.documentElement.dataset.theme = newValue || "auto";
    announce();
  });
  announce();
}
