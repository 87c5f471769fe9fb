/**
 * The conversation in writing, as it is spoken: a list of turns.
 *
 * A turn's entry is made when its first fact comes, whichever that is, and every fact may come
 * again: a caller who goes on after the end of a turn makes its transcript provisional again, and
 * takes back what was being answered.
 */

import { Reply } from "./reply.js";
import { waterfall } from "./timeline.js";

/**
 * @typedef {import("./i18n.js").Words} Words
 * @typedef {import("./timeline.js").Timeline} Timeline
 * @typedef {{entry: HTMLLIElement, heard: HTMLElement, reply: Reply}} Turn
 */

export class Captions {
  #list;
  #words;
  #follow;
  #language = "";
  /** @type {Map<number, Turn>} */
  #turns = new Map();

  /**
   * @param {HTMLElement} list
   * @param {Words} words
   * @param {() => void} follow called after each change, to keep the newest in sight
   */
  constructor(list, words, follow) {
    this.#list = list;
    this.#words = words;
    this.#follow = follow;
  }

  /** Begins an empty page for a new call. */
  clear() {
    for (const { reply } of this.#turns.values()) reply.settle();
    this.#turns.clear();
    this.#list.replaceChildren();
  }

  /**
   * The language of what comes next, so that it is read out and hyphenated rightly.
   * @param {string} language
   */
  speakIn(language) {
    this.#language = language;
  }

  /**
   * What is understood so far: `stable` is its beginning that will stay.
   * @param {{turn: number, text: string, stable: string}} partial
   */
  partial({ turn, text, stable }) {
    const { entry, heard } = this.#hear(turn);
    const prefix = text.startsWith(stable) ? stable : "";
    const kept = text.slice(0, text.length - text.slice(prefix.length).trimStart().length);
    entry.classList.add("provisional");
    heard.replaceChildren(kept, span("unstable", text.slice(kept.length)));
    this.#follow();
  }

  /** @param {{turn: number, text: string, language: string}} transcript */
  transcript({ turn, text, language }) {
    const { entry, heard } = this.#hear(turn);
    entry.classList.remove("provisional");
    if (language) heard.lang = language;
    heard.replaceChildren(text);
    this.#follow();
  }

  /** @param {{turn: number, reason: string}} dropped what was heard is no turn */
  dropped({ turn, reason }) {
    const { entry, heard } = this.#turn(turn);
    const key = `dropped-${reason}`;
    entry.classList.remove("provisional");
    entry.classList.add("dropped");
    heard.after(this.#words.write(span("aside"), this.#words.has(key) ? key : "dropped-noise"));
    this.#follow();
  }

  /** @param {{turn: number, text: string, seconds: number}} spoken */
  spoken({ turn, text, seconds }) {
    this.#turn(turn).reply.speak(text, seconds);
    this.#follow();
  }

  /** @param {{turn: number, text: string}} filler */
  filler({ turn, text }) {
    this.#turn(turn).reply.fill(text);
    this.#follow();
  }

  /** @param {{turn: number, ducked: boolean}} duck */
  ducked({ turn, ducked }) {
    this.#turns.get(turn)?.entry.classList.toggle("ducked", ducked);
  }

  /** @param {{turn: number, heard: string}} cut the caller spoke over the reply */
  cutIn({ turn, heard }) {
    const { entry, reply } = this.#turn(turn);
    entry.classList.remove("ducked");
    reply.cut(heard, this.#words.write(span("aside"), "cut-in"));
    this.#follow();
  }

  /**
   * @param {{turn: number, transcript: string, reply: string, interrupted: boolean,
   *   timeline: Timeline}} finished
   */
  finished({ turn, transcript, reply, interrupted, timeline }) {
    const entry = this.#turn(turn);
    entry.entry.classList.remove("provisional", "ducked");
    if (transcript && !entry.heard.textContent) entry.heard.textContent = transcript;
    if (!interrupted) entry.reply.settle(reply);
    if (turn > 0) {
      entry.entry.querySelector(".waterfall")?.remove();
      entry.entry.append(waterfall(timeline, this.#words));
    }
    this.#follow();
  }

  /** The call is over: nothing more will be spoken. */
  stop() {
    for (const { entry, reply } of this.#turns.values()) {
      entry.classList.remove("provisional", "ducked");
      reply.stop();
    }
  }

  /**
   * The turn whose caller speaks now. One that was dropped, or was being answered, may be spoken
   * in again.
   * @param {number} number
   */
  #hear(number) {
    const turn = this.#turn(number);
    if (turn.heard.textContent && !turn.entry.classList.contains("provisional")) {
      turn.reply.takeBack();
    }
    turn.entry.classList.remove("dropped");
    turn.entry.querySelector(".you .aside")?.remove();
    return turn;
  }

  /**
   * @param {number} number
   * @returns {Turn}
   */
  #turn(number) {
    const known = this.#turns.get(number);
    if (known) return known;
    const entry = document.createElement("li");
    entry.className = "turn";
    entry.dataset.turn = String(number);
    const heard = this.#line(entry, "you");
    const reply = new Reply(this.#line(entry, "agent"));
    const turn = { entry, heard, reply };
    this.#turns.set(number, turn);
    this.#list.append(entry);
    return turn;
  }

  /**
   * One side's line: who, and what they said.
   * @param {HTMLElement} entry
   * @param {"you" | "agent"} side
   */
  #line(entry, side) {
    const row = entry.appendChild(line(`line ${side}`));
    row.append(this.#words.write(span("who"), side));
    const said = row.appendChild(span("said"));
    if (this.#language) said.lang = this.#language;
    return said;
  }
}

/**
 * @param {string} name
 * @param {string} [text]
 */
function span(name, text = "") {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

/** @param {string} name */
function line(name) {
  const element = document.createElement("p");
  element.className = name;
  return element;
}
