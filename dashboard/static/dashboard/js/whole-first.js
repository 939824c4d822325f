// Runs before any module is asked for, and says so when one does not arrive: because the network
// changed, or the server was just being replaced. Then none of them runs, and the page would look
// for ever as if it were about to begin. What an extension of the browser adds is none of it.
addEventListener("error", ({ target }) => isOfThePage(target) && sayWhenRead(), true);

function isOfThePage(target) {
  return target.matches?.('script[type="module"]') && new URL(target.src).origin === location.origin;
}

function sayWhenRead() {
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", say);
  else say();
}

function say() {
  const at = (id) => document.getElementById(id);
  const text = "This page did not load completely.";
  if (at("login-state")) {
    at("login-state").textContent = `${text} Reload it.`;
    at("login-state").classList.add("bad");
    return;
  }
  at("page-notice-text").textContent = text;
  at("page-notice-action").onclick = () => location.reload();
  at("page-notice-action").hidden = at("page-notice").hidden = false;
  at("connection").dataset.state = "ended";
  at("connection-text").textContent = "Not loaded";
}
