// A line above the page that stays: what was here is over, and what to do now.

const at = (id) => document.getElementById(id);

// The button, if there is one, loads the page anew: with a login that may have to be made first.
export function showPageNotice({ text, action }) {
  at("page-notice-text").textContent = text;
  at("page-notice").hidden = false;
  const button = at("page-notice-action");
  button.hidden = !action;
  button.textContent = action;
  button.onclick = () => location.reload();
}
