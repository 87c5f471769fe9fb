/**
 * The interface's words, in the language the visitor chose.
 *
 * Elements say which words they show by `data-words="key"` (text) and `data-words-label="key"`
 * (aria-label), with optional `data-values` (JSON), so a switch of language rewrites the page in
 * place, a running call's captions included.
 */

import { en } from "./words/en.js";
import { ko } from "./words/ko.js";
import { inKorean } from "./words/sentences.js";

/** @typedef {Record<string, string | number>} Values */

/** @type {Record<string, Record<string, string>>} */
export const DICTIONARIES = { en, ko };

/** Values that are the server's sentences, which it says in English. */
const THEIRS = ["missing", "why"];

/** Emits `change` after the language was switched and the page rewritten. */
export class Words extends EventTarget {
  /** @param {string} language */
  constructor(language) {
    super();
    this.language = language in DICTIONARIES ? language : "en";
  }

  /**
   * The words of `key`, each `{name}` in them replaced by its value.
   * @param {string} key
   * @param {Values} [values]
   */
  say(key, values = {}) {
    const text = DICTIONARIES[this.language][key] ?? DICTIONARIES.en[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (_, name) => {
      const value = String(values[name] ?? "");
      return THEIRS.includes(name) && this.language === "ko" ? inKorean(value) : value;
    });
  }

  /**
   * Whether `key` has words of its own.
   * @param {string} key
   */
  has(key) {
    return key in DICTIONARIES.en;
  }

  /**
   * Lets `element` show `key`, in this language and the ones switched to later.
   * @template {HTMLElement} E
   * @param {E} element
   * @param {string} key
   * @param {Values} [values]
   */
  write(element, key, values) {
    element.dataset.words = key;
    if (values) element.dataset.values = JSON.stringify(values);
    else delete element.dataset.values;
    element.textContent = this.say(key, values);
    return element;
  }

  /** @param {string} language */
  switchTo(language) {
    if (!(language in DICTIONARIES)) return;
    this.language = language;
    this.writeAll();
    this.dispatchEvent(new Event("change"));
  }

  /** Writes every element of the page that names its words. */
  writeAll() {
    document.documentElement.lang = this.language;
    for (const element of this.#elements("data-words")) {
      element.textContent = this.say(element.dataset.words ?? "", valuesOf(element));
    }
    for (const element of this.#elements("data-words-label")) {
      element.setAttribute("aria-label", this.say(element.dataset.wordsLabel ?? "", valuesOf(element)));
    }
  }

  /**
   * @param {string} attribute
   * @returns {NodeListOf<HTMLElement>}
   */
  #elements(attribute) {
    return document.querySelectorAll(`[${attribute}]`);
  }
}

/**
 * @param {HTMLElement} element
 * @returns {Values}
 */
function valuesOf(element) {
  return element.dataset.values ? JSON.parse(element.dataset.values) : {};
}

/** The language to begin with: the one chosen before, or the browser's when we speak it. */
export function firstLanguage() {
  const chosen = recall("interface");
  if (chosen && chosen in DICTIONARIES) return chosen;
  const spoken = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return spoken.find((code) => code in DICTIONARIES) ?? "en";
}

/**
 * A choice kept from an earlier visit; null when there is none or storage is closed.
 * @param {string} name
 */
export function recall(name) {
  try {
    return localStorage.getItem(`chuimsae.${name}`);
  } catch {
    return null; // Storage is closed in some private windows; the page works without.
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(`chuimsae.${name}`, value);
  } catch {
    // As above: the choice is then good for this visit only.
  }
}
