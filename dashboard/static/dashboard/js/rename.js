// Renaming a session where its name stands.

import { api } from "./api.js";
import { notice } from "./notices.js";

const at = (id) => document.getElementById(id);

export function startRenaming(sessionId) {
  const form = at("rename-form");
  const field = at("rename-field");
  const heading = form.parentElement.querySelector("h1");

  function show(isOpen) {
    form.hidden = !isOpen;
    heading.hidden = isOpen;
    if (isOpen) field.select();
    else at("rename").focus();
  }

  at("rename").addEventListener("click", () => show(true));
  field.addEventListener("keydown", (event) => event.key === "Escape" && show(false));
  field.addEventListener("blur", () => form.hidden || form.requestSubmit());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    show(false);
    await api.rename(sessionId, field.value.trim()).catch((refusal) => {
      notice(refusal.message, { bad: true });
    });
  });
}
