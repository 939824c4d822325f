// The dialog that shares a session: with the team, and by links that show it.

import { api } from "./api.js";
import { ago, localTime, plain } from "./format.js";
import { notice } from "./notices.js";
import { sessions } from "./page.js";

const at = (id) => document.getElementById(id);

export class ShareDialog {
  #session;
  #asks = 0;
  #dialog = at("share-dialog");

  constructor(sessionId) {
    this.#session = sessionId;
    at("share").addEventListener("click", () => this.#open());
    at("share-team").addEventListener("change", () => this.#showToTeam());
    at("share-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make();
    });
    // Who opens the dialog again has had the time to copy it.
    this.#dialog.addEventListener("close", () => this.#showNew(""));
  }

  // The session is this one now; somebody else may have shown it, or hidden it. What is asked for
  // here stays as it was chosen until the server has answered.
  follow(session) {
    if (this.#asks === 0) at("share-team").checked = session.team;
  }

  #open() {
    this.#say("");
    this.#dialog.showModal();
    this.#try(() => this.#list());
  }

  async #list() {
    const links = await api.shares(this.#session);
    at("share-list").replaceChildren(...links.map((link) => this.#entry(link)));
  }

  #entry({ id, expiresAt, lastUsedAt, createdBy }) {
    const entry = at("share-entry").content.firstElementChild.cloneNode(true);
    const part = (name) => entry.querySelector(`[data-part="${name}"]`);
    const by = createdBy === document.body.dataset.user ? "" : ` · made by ${plain(createdBy)}`;
    part("ends").textContent = `Until ${localTime(expiresAt).slice(0, 16)}`;
    part("used").textContent = (lastUsedAt ? `Opened ${ago(lastUsedAt)}` : "Never opened") + by;
    part("withdraw").addEventListener("click", () => this.#withdraw(id));
    return entry;
  }

  #make() {
    const hours = Number(at("share-hours").value);
    return this.#try(async () => {
      const { url } = await api.share(this.#session, hours);
      this.#showNew(url);
      await this.#list();
    });
  }

  #withdraw(id) {
    return this.#try(async () => {
      await api.withdraw(this.#session, id);
      await this.#list();
      notice("The link is withdrawn.");
    });
  }

  async #showToTeam() {
    const isShown = at("share-team").checked;
    this.#asks += 1;
    await this.#try(async () => sessions.merge(await api.showToTeam(this.#session, isShown)));
    this.#asks -= 1;
    this.follow(sessions.get(this.#session));
  }

  #showNew(url) {
    at("share-new").hidden = !url;
    at("share-url").value = url;
    if (url) at("share-url").select();
  }

  async #try(work) {
    this.#say("");
    await work().catch((refusal) => this.#say(refusal.message));
  }

  #say(text) {
    at("share-error").textContent = text;
    at("share-error").hidden = !text;
  }
}
