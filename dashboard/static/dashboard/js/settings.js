// The settings: forms that ask before they are sent, and a secret that is copied.

import { confirm } from "./confirm.js";
import { startPage } from "./page.js";

const secret = document.getElementById("new-token");

document.addEventListener("submit", async (event) => {
  const { confirm: heading, confirmText: text, confirmYes: yes } = event.target.dataset;
  if (!heading) return;
  event.preventDefault();
  if (await confirm({ heading, text, yes })) event.target.submit();
});

// The answer to a form stands at the form's address: reloading it would send the form again.
history.replaceState(null, "", "/settings");
secret?.select();
document.querySelector('[aria-invalid="true"]')?.focus();

startPage();
