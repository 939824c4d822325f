// Asks once, in a dialog of the page.

// Resolves to true if the user agrees. `detail`, pieces of text and elements, is shown exactly as it
// is, in fixed width.
export function confirm({ heading, text, detail = [], yes }) {
  const dialog = document.getElementById("confirm-dialog");
  document.getElementById("confirm-title").textContent = heading;
  document.getElementById("confirm-text").textContent = text;
  document.getElementById("confirm-yes").textContent = yes;
  const place = document.getElementById("confirm-detail");
  place.replaceChildren(...detail);
  place.hidden = detail.length === 0;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
