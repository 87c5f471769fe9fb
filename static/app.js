/** The call page, put together. */

import { Announcer } from "./announcer.js";
import { Captions } from "./captions.js";
import { chooseLanguage, chooseMicrophone, offerLanguages } from "./choices.js";
import { Connection } from "./connection.js";
import { Drum } from "./drum.js";
import { showEngines } from "./engines.js";
import { Words, firstLanguage, remember } from "./i18n.js";
import { listenToKeys } from "./keyboard.js";
import { Meters } from "./meters.js";
import { Notices } from "./notices.js";
import { followEnd } from "./scroll.js";
import { RealtimeError } from "./realtime.js";
import { Server } from "./server.js";
import { Session } from "./session.js";

/** @typedef {import("./facts.js").Fact} Fact */

/**
 * @template {Element} [E=HTMLElement]
 * @param {string} id
 */
const find = (id) => /** @type {E} */ (/** @type {unknown} */ (document.getElementById(id)));

const words = new Words(firstLanguage());
const notices = new Notices(find("notice"), words);
const server = new Server();
const session = new Session(notices, server);
const captions = new Captions(find("turns"), words, followEnd(find("end")));
const announcer = new Announcer(find("announcer"));
const meters = new Meters();
const drum = new Drum({
  svg: /** @type {SVGSVGElement} */ (/** @type {unknown} */ (find("drum"))),
  you: find("level-you"),
  agent: find("level-agent"),
  shout: find("shout"),
});
const connection = new Connection({
  server,
  notices,
  words,
  opener: find("server"),
  dialog: find("connection"),
  onChange: () => void learnAboutServer(),
});
const buttons = {
  call: find("call"),
  mute: find("mute"),
  interrupt: /** @type {HTMLButtonElement} */ (find("interrupt")),
  hangUp: find("hang-up"),
};
const voice = /** @type {HTMLAudioElement} */ (find("voice"));
const languageList = /** @type {HTMLSelectElement} */ (find("language"));

/** @type {{you: import("./meters.js").Meter | null, agent: import("./meters.js").Meter | null}} */
const heard = { you: null, agent: null };

/** When the running call began, in milliseconds of performance.now(). */
let begunAt = 0;

function main() {
  words.writeAll();
  showState();
  session.check();
  wireControls();
  chooseMicrophone(/** @type {HTMLSelectElement} */ (find("microphone")), session, words);
  chooseLanguage(languageList, session);
  languageList.addEventListener("change", () => captions.speakIn(languageList.value));
  void connection.begin();
  session.addEventListener("state", showState);
  session.addEventListener("muted", showMute);
  session.addEventListener("locked", (event) => connection.unlock(detailOf(event)));
  session.addEventListener("network", () => showPhase(document.body.dataset.phase ?? ""));
  session.addEventListener("microphone", (event) => meter("you", detailOf(event)));
  session.addEventListener("sound", (event) => void play(detailOf(event)));
  session.addEventListener("fact", (event) => take(detailOf(event)));
  // pagehide, not beforeunload: it also comes on phones, and keeps the page's back-forward cache.
  window.addEventListener("pagehide", () => session.leave());
}

/** @param {Event} event */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}

function wireControls() {
  const begin = () => {
    meters.wake(); // Inside the press: a later wake-up would be refused.
    void session.begin();
  };
  const call = () => (session.state === "idle" ? begin() : undefined);
  buttons.call.addEventListener("click", () => (session.state === "idle" ? begin() : session.end()));
  find("drum").addEventListener("click", call);
  buttons.mute.addEventListener("click", () => session.toggleMute());
  buttons.interrupt.addEventListener("click", () => session.interrupt());
  buttons.hangUp.addEventListener("click", () => session.end());
  listenToKeys({ call, mute: () => session.toggleMute(), hangUp: () => session.end() });
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (
    document.querySelectorAll("[data-tongue]")
  )) {
    button.addEventListener("click", () => {
      remember("interface", button.dataset.tongue ?? "");
      words.switchTo(button.dataset.tongue ?? "");
    });
  }
  words.addEventListener("change", showTongue);
  showTongue();
}

function showTongue() {
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (
    document.querySelectorAll("[data-tongue]")
  )) {
    button.setAttribute("aria-pressed", String(button.dataset.tongue === words.language));
  }
}

async function learnAboutServer() {
  try {
    const info = await server.info();
    session.isOurs = info !== null;
    if (info) offerLanguages(languageList, session, info);
    showEngines(find("engines"), info?.stages ?? [], words);
    notices.clear("unreachable", "declined", "locked", "key-refused");
  } catch (error) {
    if (!(error instanceof RealtimeError)) throw error;
    showEngines(find("engines"), [], words);
    // What is already said matters more than a server that does not answer.
    if (notices.kind && error.kind !== "locked") return;
    const again = () => void learnAboutServer();
    connection.complain(error, { address: server.address, again });
  }
}

/** Which controls there are, and where the focus goes when one is replaced by another. */
function showState() {
  const { state } = session;
  const isCall = state === "call";
  const wasCall = document.body.dataset.state === "call";
  const hadFocus = document.activeElement?.closest(".controls, .notice") != null;
  document.body.dataset.state = state;
  words.write(/** @type {HTMLElement} */ (buttons.call.firstElementChild), callLabel(state));
  buttons.call.hidden = isCall;
  for (const button of [buttons.mute, buttons.interrupt, buttons.hangUp]) button.hidden = !isCall;
  find("clock").hidden = !isCall;
  if (isCall && !wasCall) beginCall();
  if (!isCall && wasCall) endCall();
  if (state === "idle") silence();
  if (!isCall) showPhase(state);
  if (hadFocus) (isCall ? buttons.mute : buttons.call).focus();
}

/** @param {import("./session.js").State} state */
function callLabel(state) {
  return state === "idle" ? "call" : "cancel";
}

function beginCall() {
  captions.clear();
  announcer.clear();
  begunAt = performance.now();
  showPhase("listening");
  drum.shout();
  requestAnimationFrame(beat);
}

function endCall() {
  captions.stop();
  buttons.interrupt.disabled = true;
}

/** Lets go of what sounded and was measured. */
function silence() {
  voice.srcObject = null;
  for (const side of /** @type {const} */ (["you", "agent"])) {
    heard[side]?.close();
    heard[side] = null;
  }
  drum.show({ you: 0, agent: 0 });
}

/** One look at the levels and the clock, as often as the screen is drawn. */
function beat() {
  if (session.state !== "call") return;
  drum.show({ you: heard.you?.level() ?? 0, agent: heard.agent?.level() ?? 0 });
  const seconds = Math.floor((performance.now() - begunAt) / 1000);
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const clock = find("clock");
  if (clock.textContent !== time) clock.textContent = time;
  requestAnimationFrame(beat);
}

/** @param {string} phase of a call, or the state of the page without one */
function showPhase(phase) {
  document.body.dataset.phase = phase;
  words.write(find("phase"), `phase-${session.isSteady ? phase : "reconnecting"}`);
  buttons.interrupt.disabled = phase !== "speaking";
}

function showMute() {
  buttons.mute.setAttribute("aria-pressed", String(session.isMuted));
  document.body.toggleAttribute("data-muted", session.isMuted);
  words.write(find("you"), session.isMuted ? "muted" : "you");
}

/**
 * @param {"you" | "agent"} side
 * @param {MediaStream} stream
 */
function meter(side, stream) {
  heard[side]?.close();
  heard[side] = meters.of(stream);
}

/** @param {MediaStream} sound the agent's */
async function play(sound) {
  meter("agent", sound);
  voice.srcObject = sound;
  try {
    await voice.play();
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
    const listen = () => (notices.clear("blocked"), meters.wake(), voice.play());
    notices.show("blocked", { actions: [{ label: "listen", act: () => void listen() }] });
  }
}

/** @type {{[N in Fact["name"]]?: (fact: any) => void}} */
const TAKES = {
  started: (fact) => {
    if (fact.language) languageList.value = fact.language;
    captions.speakIn(fact.language);
    if (fact.stages.length) showEngines(find("engines"), fact.stages, words);
  },
  phase: ({ phase }) => showPhase(phase),
  partial: (fact) => captions.partial(fact),
  transcript: (fact) => {
    captions.transcript(fact);
    announcer.say(words.say("said-you", { text: fact.text }));
  },
  dropped: (fact) => captions.dropped(fact),
  spoken: (fact) => {
    captions.spoken(fact);
    announcer.say(words.say("said-agent", { text: fact.text }));
  },
  filler: (fact) => captions.filler(fact),
  "cut-in": (fact) => captions.cutIn(fact),
  ducked: (fact) => captions.ducked(fact),
  finished: (fact) => captions.finished(fact),
};

/** @param {Fact} fact */
function take(fact) {
  TAKES[fact.name]?.(fact);
}

main();
