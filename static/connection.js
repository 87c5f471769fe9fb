/** The dialog in which another server is named, by address and key, and what is said of the key. */

import { RealtimeError } from "./realtime.js";
import { keyOfAddress } from "./server.js";

/**
 * @typedef {import("./i18n.js").Words} Words
 * @typedef {import("./notices.js").Notices} Notices
 * @typedef {import("./server.js").Server} Server
 */

export class Connection {
  #server;
  #notices;
  #words;
  #opener;
  #dialog;
  #onChange;
  #address;
  #key;

  /**
   * @param {{server: Server, notices: Notices, words: Words, opener: HTMLElement,
   *   dialog: HTMLDialogElement, onChange: () => void}} options
   *   `onChange`: another server was named, or the same with another key
   */
  constructor({ server, notices, words, opener, dialog, onChange }) {
    this.#server = server;
    this.#notices = notices;
    this.#words = words;
    this.#opener = opener;
    this.#dialog = dialog;
    this.#onChange = onChange;
    const field = (/** @type {string} */ name) =>
      /** @type {HTMLInputElement} */ (dialog.querySelector(`[name="${name}"]`));
    this.#address = field("address");
    this.#key = field("key");
    this.#address.placeholder = new URL(".", document.baseURI).href;
    opener.addEventListener("click", () => this.open());
    dialog.querySelector("[value=cancel]")?.addEventListener("click", () => dialog.close("cancel"));
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "use") return;
      void this.#use({ address: this.#address.value, key: this.#key.value });
    });
    this.#show();
  }

  /** Learns of the server, with the key that came with the page's address if one did. */
  async begin() {
    const key = keyOfAddress();
    if (key === null) this.#onChange();
    else await this.#use({ address: this.#server.address, key });
  }

  open() {
    this.#dialog.returnValue = ""; // Closed by Escape, it would keep the last one.
    this.#address.value = this.#server.address;
    this.#key.value = this.#server.key;
    this.#dialog.showModal();
  }

  /**
   * The server wants a key, or another one.
   * @param {RealtimeError} error
   */
  unlock({ code, message }) {
    const kind = code === "no_key" ? "locked" : "key-refused";
    const actions = [{ label: "enter-key", act: () => this.open() }];
    this.#notices.show(kind, { values: { message }, actions });
  }

  /**
   * Says that a server could not be asked.
   * @param {RealtimeError} error
   * @param {{address: string, again: () => void}} asked
   */
  complain(error, { address, again }) {
    if (error.kind === "locked") return this.unlock(error);
    const actions = [{ label: "try-again", act: again }];
    if (error.kind !== "unreachable") {
      const values = { message: error.message };
      return void this.#notices.show("declined", { values, actions });
    }
    const why = address ? "notice-unreachable-other-why" : undefined;
    this.#notices.show("unreachable", { why, values: { origin: location.origin }, actions });
  }

  /** @param {{address: string, key: string}} choice */
  async #use(choice) {
    try {
      await this.#server.choose(choice);
    } catch (error) {
      if (!(error instanceof RealtimeError)) throw error;
      return this.complain(error, { ...choice, again: () => void this.#use(choice) });
    }
    this.#show();
    this.#onChange();
  }

  /** The button says which server is called. */
  #show() {
    const { address } = this.#server;
    if (!address) return void this.#words.write(this.#opener, "server-this");
    delete this.#opener.dataset.words;
    this.#opener.textContent = new URL(address).host;
  }
}
