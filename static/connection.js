/** The dialog in which another server is named, by address and key. */

/**
 * @typedef {import("./i18n.js").Words} Words
 * @typedef {import("./notices.js").Notices} Notices
 * @typedef {import("./server.js").Server} Server
 */

export class Connection {
  #server;
  #notices;
  #words;
  #dialog;
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
    this.#dialog = dialog;
    const field = (/** @type {string} */ name) =>
      /** @type {HTMLInputElement} */ (dialog.querySelector(`[name="${name}"]`));
    this.#address = field("address");
    this.#key = field("key");
    this.#address.placeholder = new URL(".", document.baseURI).href;
    opener.addEventListener("click", () => this.open());
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "use") return;
      server.choose({ address: this.#address.value, key: this.#key.value });
      this.#show(opener);
      onChange();
    });
    dialog.querySelector("[value=cancel]")?.addEventListener("click", () => dialog.close("cancel"));
    this.#show(opener);
  }

  open() {
    this.#dialog.returnValue = ""; // Closed by Escape, it would keep the last one.
    this.#address.value = this.#server.address;
    this.#key.value = this.#server.key;
    this.#dialog.showModal();
  }

  /**
   * The server wants a key, or another one.
   * @param {string} message what it says
   */
  unlock(message) {
    const kind = this.#server.key ? "key-refused" : "locked";
    const actions = [{ label: "enter-key", act: () => this.open() }];
    this.#notices.show(kind, { values: { message }, actions });
  }

  /** @param {HTMLElement} opener says which server is called */
  #show(opener) {
    const { address } = this.#server;
    if (!address) return void this.#words.write(opener, "server-this");
    delete opener.dataset.words;
    opener.textContent = new URL(address).host;
  }
}
