// Buttons that copy the field which their `data-copy` names.

import { copyText } from "./clipboard.js";
import { notice } from "./notices.js";

export function startCopyButtons() {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("[data-copy]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    field.select();
    await copyText(field.value).then(
      () => notice("Copied."),
      (error) => notice(error.message, { bad: true }),
    );
  });
}
