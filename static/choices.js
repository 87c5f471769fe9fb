/** The two lists below the drum: which microphone, and which language the call is in. */

import * as microphone from "./microphone.js";
import { recall, remember } from "./i18n.js";

/**
 * @typedef {import("./i18n.js").Words} Words
 * @typedef {import("./session.js").Session} Session
 * @typedef {import("./server.js").Info} Info
 */

/**
 * Keeps `select` showing the microphones there are, and the session using the chosen one.
 * @param {HTMLSelectElement} select
 * @param {Session} session
 * @param {Words} words
 */
export function chooseMicrophone(select, session, words) {
  session.deviceId = recall("microphone") ?? "";
  const fill = async () => {
    const devices = await microphone.list();
    const usual = words.write(new Option("", ""), "microphone-default");
    const options = devices
      .filter(({ deviceId }) => deviceId !== "default" && deviceId !== "communications")
      .map(({ label, deviceId }, index) => {
        const name = label || words.say("microphone-unnamed", { number: index + 1 });
        return new Option(name, deviceId);
      });
    select.replaceChildren(usual, ...options);
    select.value = session.deviceId;
    if (select.selectedIndex < 0) select.value = "";
  };
  select.addEventListener("change", () => {
    remember("microphone", select.value);
    void session.chooseMicrophone(select.value);
  });
  // Labels are known only once a microphone was opened, so fill again then.
  session.addEventListener("microphone", () => void fill());
  words.addEventListener("change", () => void fill());
  microphone.watch(() => void fill());
  void fill();
}

/**
 * Offers the languages the server speaks.
 * @param {HTMLSelectElement} select
 * @param {Session} session
 * @param {Info} info
 */
export function offerLanguages(select, session, info) {
  const codes = info.languages.map(({ code }) => code);
  select.replaceChildren(
    ...info.languages.map(({ code, name }) => {
      const option = new Option(nameOf(code) ?? name, code);
      option.lang = code;
      return option;
    }),
  );
  const spoken = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  const wishes = [session.language, recall("language"), ...spoken, info.default_language];
  session.language = wishes.find((code) => code && codes.includes(code)) ?? codes[0] ?? "";
  select.value = session.language;
  select.disabled = codes.length < 2;
  if (select.parentElement) select.parentElement.hidden = codes.length === 0;
}

/**
 * A language's name in itself, which is how its speakers look for it.
 * @param {string} code
 */
function nameOf(code) {
  return new Intl.DisplayNames([code], { type: "language" }).of(code);
}

/**
 * @param {HTMLSelectElement} select
 * @param {Session} session
 */
export function chooseLanguage(select, session) {
  select.addEventListener("change", () => {
    remember("language", select.value);
    session.chooseLanguage(select.value);
  });
}
