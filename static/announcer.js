/**
 * Captions for screen readers: whole sentences, each once.
 *
 * The visible captions change several times a second, which read aloud is noise. Here a line is
 * said when it stands: the caller's words once final, the agent's sentence as it begins.
 */

/** Lines kept, so that a slow reader can finish and the region stays small. */
const KEPT = 6;

export class Announcer {
  #region;

  /** @param {HTMLElement} region an aria-live one */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} text */
  say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    this.#region.append(line);
    while (this.#region.childElementCount > KEPT) this.#region.firstElementChild?.remove();
  }

  clear() {
    this.#region.replaceChildren();
  }
}
