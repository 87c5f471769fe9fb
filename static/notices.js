/**
 * What the visitor must know, in plain words, with what they can do about it. One at a time.
 *
 * @typedef {import("./i18n.js").Words} Words
 * @typedef {{label: string, act: () => void}} Action  `label`: a key of the words
 */

export class Notices {
  #place;
  #words;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;

  /**
   * @param {HTMLElement} place
   * @param {Words} words
   */
  constructor(place, words) {
    this.#place = place;
    this.#words = words;
  }

  /** The kind of notice that is shown; "" when none is. */
  get kind() {
    return /** @type {HTMLElement | null} */ (this.#place.firstElementChild)?.dataset.kind ?? "";
  }

  /**
   * Shows the notice whose words are `notice-KIND` and, below, `why` (`notice-KIND-why` if not
   * given). Trouble is told at once (role alert), the rest when there is a pause (role status).
   * @param {string} kind
   * @param {{why?: string, values?: Record<string, string | number>, actions?: Action[],
   *   isTrouble?: boolean}} [options]
   */
  show(kind, { why = `notice-${kind}-why`, values, actions = [], isTrouble = true } = {}) {
    this.clear();
    const notice = document.createElement("div");
    notice.className = isTrouble ? "notice trouble" : "notice";
    notice.dataset.kind = kind;
    notice.setAttribute("role", isTrouble ? "alert" : "status");
    this.#place.append(notice);
    notice.append(this.#words.write(document.createElement("strong"), `notice-${kind}`));
    const reason = this.#words.write(document.createElement("p"), why, values);
    notice.append(reason);
    if (actions.length) notice.append(this.#buttons(actions));
    notice.append(this.#cross());
    return reason;
  }

  /**
   * A notice that counts down to `act`. The seconds change for the eye only: an alert that
   * changes every second would be read out every second.
   * @param {string} kind
   * @param {number} seconds
   * @param {{act: () => void, actions: Action[]}} options
   */
  countDown(kind, seconds, { act, actions }) {
    const reason = this.show(kind, { values: { seconds }, actions });
    const shown = reason.cloneNode(true);
    if (!(shown instanceof HTMLElement)) return;
    shown.setAttribute("aria-hidden", "true");
    reason.classList.add("unseen");
    reason.after(shown);
    let left = seconds;
    this.#ticking = setInterval(() => {
      left -= 1;
      if (left > 0) return void this.#words.write(shown, `notice-${kind}-why`, { seconds: left });
      this.clear();
      act();
    }, 1000);
  }

  /** @param {string[]} kinds takes the notice away if it is one of these; any, when none given */
  clear(...kinds) {
    if (kinds.length && !kinds.includes(this.kind)) return;
    clearInterval(this.#ticking);
    this.#place.replaceChildren();
  }

  #cross() {
    const cross = document.createElement("button");
    cross.type = "button";
    cross.className = "cross";
    cross.textContent = "×";
    cross.dataset.wordsLabel = "dismiss";
    cross.setAttribute("aria-label", this.#words.say("dismiss"));
    cross.addEventListener("click", () => this.#place.replaceChildren());
    return cross;
  }

  /** @param {Action[]} actions */
  #buttons(actions) {
    const row = document.createElement("div");
    row.className = "actions";
    for (const { label, act } of actions) {
      const button = this.#words.write(document.createElement("button"), label);
      button.type = "button";
      button.addEventListener("click", act);
      row.append(button);
    }
    return row;
  }
}
