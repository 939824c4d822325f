// The dialog that starts a session.

import { api } from "./api.js";
import { FolderField } from "./folder-field.js";
import { plain } from "./format.js";

const FIELDS = {
  command: "start-command",
  workingDir: "start-folder",
  name: "start-name",
  host: "start-host",
  labels: "start-labels",
};

const at = (id) => document.getElementById(id);
// Where there is one machine only, the dialog asks for no host and no labels.
const isShown = (field) => at(FIELDS[field]) !== null;

export class StartDialog {
  #dialog = at("start-dialog");
  #form = at("start-form");

  constructor() {
    new FolderField(at("start-folder"), at("start-folders"), () => at("start-host")?.value ?? "");
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    document.addEventListener("click", (event) => this.#clicked(event));
  }

  // Open it, filled with what is known: what is seen in the fields is what will be started.
  open({ command = "", folder = "", name = "" } = {}) {
    if (this.#dialog.open) return;
    this.#form.reset();
    this.#clearErrors();
    at("start-command").value = plain(command);
    at("start-folder").value = plain(folder) || sessionStorage.getItem("folder") || "";
    at("start-name").value = plain(name);
    this.#dialog.showModal();
    at("start-command").focus();
    at("start-command").select();
  }

  #clicked({ target }) {
    const opener = target.closest?.("[data-start]");
    if (opener) this.open(opener.dataset);
    const filler = target.closest?.("[data-fill]");
    if (!filler) return;
    const field = at(filler.dataset.fill);
    field.value = plain(filler.dataset.value);
    field.focus();
  }

  async #submit(event) {
    event.preventDefault();
    this.#clearErrors();
    at("start-submit").disabled = true;
    try {
      const session = await api.start(this.#launch());
      sessionStorage.setItem("folder", at("start-folder").value);
      location.assign(`/sessions/${session.id}`);
    } catch (refusal) {
      this.#showErrors(refusal);
    } finally {
      at("start-submit").disabled = false;
    }
  }

  #launch() {
    const launch = { command: at("start-command").value, queue: at("start-queue").checked };
    const home = document.body.dataset.home;
    const typed = at("start-folder").value.trim();
    // Where programs run on other machines, only these know their homes.
    const folder = home ? typed.replace(/^~(?=\/|$)/, home) : typed;
    if (folder) launch.workingDir = folder;
    const name = at("start-name").value.trim();
    if (name) launch.name = name;
    if (at("start-host")?.value) launch.host = at("start-host").value;
    const labels = (at("start-labels")?.value ?? "").split(/[\s,]+/).filter(Boolean);
    if (labels.length > 0) launch.labels = labels;
    return launch;
  }

  #clearErrors() {
    for (const field of Object.keys(FIELDS).filter(isShown)) this.#fieldError(FIELDS[field], "");
    this.#formError("");
  }

  #showErrors(refusal) {
    const elsewhere = [];
    for (const [field, sentences] of Object.entries(refusal.fields ?? {})) {
      const said = [sentences].flat().join(" ");
      if (field in FIELDS && isShown(field)) this.#fieldError(FIELDS[field], said);
      else elsewhere.push(said);
    }
    const hasFields = Object.keys(refusal.fields ?? {}).length > 0;
    this.#formError(hasFields ? elsewhere.join(" ") : refusal.message);
    this.#form.querySelector('[aria-invalid="true"]')?.focus();
  }

  #formError(said) {
    at("start-error").textContent = plain(said);
    at("start-error").hidden = !said;
  }

  #fieldError(id, said) {
    const error = at(`${id}-error`);
    error.textContent = plain(said);
    error.hidden = !said;
    if (said) at(id).setAttribute("aria-invalid", "true");
    else at(id).removeAttribute("aria-invalid");
  }
}
