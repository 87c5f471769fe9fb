/** The agent's words of one turn, each appearing as it is heard. */

import { pace } from "./pace.js";

export class Reply {
  #line;
  /** @type {HTMLElement[]} words that were announced, in order; spoken ones are not `.coming` */
  #words = [];
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();

  /** @param {HTMLElement} line */
  constructor(line) {
    this.#line = line;
  }

  /**
   * A sentence that begins to be heard now and lasts `seconds`. Its words stand there at once,
   * unseen, so that lines do not jump as they appear.
   * @param {string} text
   * @param {number} seconds
   */
  speak(text, seconds) {
    this.#reveal();
    for (const { word, at } of pace(text, seconds)) {
      const element = this.#append("coming", word);
      this.#words.push(element);
      this.#after(at, () => element.classList.remove("coming"));
    }
  }

  /**
   * Something said while the reply is made; it is no part of it.
   * @param {string} text
   */
  fill(text) {
    this.#append("chuimsae", text);
  }

  /**
   * The caller cut in: what they had not heard is struck out.
   * @param {string} heard the beginning of the reply that had reached them
   * @param {HTMLElement} remark said after it
   */
  cut(heard, remark) {
    this.#forgetTimers();
    let left = squeeze(heard).length;
    for (const element of this.#words) {
      const length = squeeze(element.textContent ?? "").length;
      element.classList.remove("coming");
      element.classList.toggle("unheard", left < length);
      left = Math.max(0, left - length);
    }
    if (this.#words.length === 0 && heard) this.#words.push(this.#append("", heard));
    this.#line.append(remark);
  }

  /**
   * The reply is over. `text` is what was heard of it, for a page that was told no sentence.
   * @param {string} [text]
   */
  settle(text = "") {
    this.#reveal();
    if (this.#words.length === 0 && text) this.#words.push(this.#append("", text));
  }

  /** The caller goes on with their turn: what was said of this is no answer to it. */
  takeBack() {
    this.#forgetTimers();
    for (const word of this.#words) word.remove();
    this.#words = [];
  }

  /** The call ended: what was not said yet never will be. */
  stop() {
    this.#forgetTimers();
    for (const word of this.#words) {
      if (word.classList.contains("coming")) word.classList.replace("coming", "unheard");
    }
  }

  #reveal() {
    this.#forgetTimers();
    for (const word of this.#words) word.classList.remove("coming");
  }

  #forgetTimers() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /**
   * @param {number} seconds
   * @param {() => void} act
   */
  #after(seconds, act) {
    this.#timers.add(setTimeout(act, seconds * 1000));
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #append(name, text) {
    const element = document.createElement("span");
    element.className = name;
    element.textContent = text.trim();
    this.#line.append(element, " ");
    return element;
  }
}

/**
 * Without spaces: the server's text and the page's may differ in them.
 * @param {string} text
 */
function squeeze(text) {
  return text.replace(/\s+/g, "");
}
