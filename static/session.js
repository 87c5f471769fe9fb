/**
 * What the visitor does and what becomes of it: the microphone, the call, and the trouble
 * between, each told in plain words.
 *
 * Emits `state` (see State), `microphone` (a MediaStream, whenever it changes), and, of a call,
 * `fact`, `sound`, `muted` and `network` (see isSteady); `locked` (a RealtimeError) when the server wants a key.
 */

import { Facts, QUIET } from "./facts.js";
import * as microphone from "./microphone.js";
import { RealtimeCall, RealtimeError } from "./realtime.js";

/**
 * @typedef {"idle" | "asking" | "connecting" | "waiting" | "call"} State
 * @typedef {import("./notices.js").Notices} Notices
 * @typedef {import("./facts.js").Fact} Fact
 * @typedef {import("./server.js").Server} Server
 */

/** Why a call ended, in words that the page has. */
const REASONS = ["hangup", "silence", "farewell", "failed", "shutdown", "limit"];

export class Session extends EventTarget {
  /** @type {State} */
  state = "idle";
  isMuted = false;
  /** Whether the call's connection stands; it may be on its way over another network. */
  isSteady = true;
  language = "";
  deviceId = "";

  /** Whether the server is one of ours, which tells more than the protocol has events for. */
  isOurs = true;

  #notices;
  #server;
  /** @type {MediaStream | null} */
  #microphone = null;
  /** @type {RealtimeCall | null} */
  #call = null;

  /**
   * @param {Notices} notices
   * @param {Server} server
   */
  constructor(notices, server) {
    super();
    this.#notices = notices;
    this.#server = server;
  }

  /** Says at once what will keep every call from working. */
  check() {
    if (!("RTCPeerConnection" in window)) this.#notices.show("unsupported");
    else if (!microphone.isReachable()) this.#notices.show("insecure");
  }

  async begin() {
    if (this.state !== "idle") return;
    if (!("RTCPeerConnection" in window)) return void this.#notices.show("unsupported");
    this.#notices.clear();
    this.#enter("asking");
    if (!(await this.#openMicrophone())) return;
    if (/** @type {State} */ (this.state) !== "asking") return this.#closeMicrophone(); // Cancelled.
    await this.#dial();
  }

  /** Hangs up, or gives up on a call that is not yet there. */
  end() {
    if (this.#call) return this.#call.hangUp();
    if (this.state === "idle") return;
    this.#notices.clear();
    this.#rest();
  }

  /** Frees the call as the page goes away. */
  leave() {
    this.#call?.hangUp();
  }

  toggleMute() {
    if (this.state !== "call") return;
    this.#mute(!this.isMuted);
  }

  /** Stops the agent's reply. */
  interrupt() {
    this.#call?.interrupt();
  }

  /** @param {string} language */
  chooseLanguage(language) {
    this.language = language;
    this.#call?.send({ type: "session.update", session: { type: "realtime", ...this.#spoken } });
  }

  /** The part of a session's configuration that says which language is spoken. */
  get #spoken() {
    if (!this.language) return {};
    return { audio: { input: { transcription: { language: this.language } } } };
  }

  /** @param {string} deviceId */
  async chooseMicrophone(deviceId) {
    this.deviceId = deviceId;
    if (!this.#call) return;
    const before = this.#microphone;
    if (!(await this.#openMicrophone())) return;
    this.#notices.clear("microphone-gone");
    await this.#call?.useMicrophone(/** @type {MediaStream} */ (this.#microphone));
    microphone.close(before);
  }

  async #openMicrophone() {
    try {
      this.#microphone = await microphone.open(this.deviceId);
    } catch (error) {
      if (!(error instanceof microphone.MicrophoneError)) throw error;
      this.#complain(error.kind);
      return false;
    }
    const [track] = this.#microphone.getAudioTracks();
    track.enabled = !this.isMuted;
    track.addEventListener("ended", () => this.#notices.show("microphone-gone"));
    this.dispatchEvent(new CustomEvent("microphone", { detail: this.#microphone }));
    return true;
  }

  async #dial() {
    this.#enter("connecting");
    const ours = this.isOurs ? { chuimsae: { events: true, silence: true } } : {};
    const call = new RealtimeCall({
      address: this.#server.address,
      key: this.#server.key,
      microphone: /** @type {MediaStream} */ (this.#microphone),
      session: { ...this.#spoken, ...ours },
    });
    this.#call = call;
    this.#listen(call);
    try {
      await call.dial();
    } catch (error) {
      if (this.#call !== call) return; // Hung up meanwhile: nobody waits for this answer.
      this.#call = null;
      call.hangUp();
      this.#refused(error);
    }
  }

  /** @param {unknown} error why no call came about */
  #refused(error) {
    if (error instanceof RealtimeError && error.kind === "busy") {
      this.#enter("waiting");
      const act = () => void this.#dial();
      const actions = [{ label: "try-now", act: () => (this.#notices.clear(), act()) }];
      return this.#notices.countDown("busy", error.retryAfter, { act, actions });
    }
    const isTold = error instanceof RealtimeError && error.kind !== "unknown";
    const kind = isTold ? error.kind : "declined";
    const message = error instanceof Error ? error.message : String(error);
    if (kind !== "locked") return this.#complain(kind, { message });
    this.#rest();
    this.dispatchEvent(new CustomEvent("locked", { detail: error }));
  }

  /** @param {RealtimeCall} call */
  #listen(call) {
    const facts = new Facts();
    const connected = () => {
      if (this.state === "connecting") this.#enter("call");
    };
    call.addEventListener("connected", connected);
    call.addEventListener("unsteady", () => {
      this.#notices.show(navigator.onLine ? "reconnecting" : "offline");
      this.#steady(false);
    });
    call.addEventListener("steady", () => {
      this.#notices.clear("reconnecting", "offline");
      this.#steady(true);
    });
    call.addEventListener("sound", (event) => this.#pass(event));
    call.on("session.created", () => call.send({ type: "response.create", event_id: QUIET }));
    call.addEventListener("event", (event) => {
      connected(); // Some browsers tell of the connection after its first message.
      for (const fact of facts.read(/** @type {CustomEvent} */ (event).detail)) {
        this.#worry(fact);
        this.dispatchEvent(new CustomEvent("fact", { detail: fact }));
      }
    });
    call.addEventListener("over", (event) => {
      if (this.#call !== call) return;
      this.#call = null;
      this.#over(/** @type {CustomEvent<{kind: string, reason: string}>} */ (event).detail);
    });
  }

  /** @param {Fact} fact a fault is told, until a turn goes well again */
  #worry(fact) {
    if (fact.name === "finished") this.#notices.clear("fault", "spare");
    if (fact.name === "load") this.#strain(fact.rung);
    if (fact.name !== "fault") return;
    const kind = fact.recovered ? "spare" : "fault";
    const values = { message: fact.message };
    this.#notices.show(kind, { values, isTrouble: !fact.recovered });
  }

  /** @param {number} rung from the second on callers notice what the server goes without */
  #strain(rung) {
    if (rung < 2) this.#notices.clear("strained");
    else if (!this.#notices.kind) this.#notices.show("strained", { isTrouble: false });
  }

  /** @param {{kind: string, reason: string}} over */
  #over({ kind, reason }) {
    if (kind !== "ended") return this.#complain(kind);
    const why = REASONS.includes(reason) ? `ended-${reason}` : "ended-other";
    const isTrouble = ["failed", "shutdown"].includes(reason);
    this.#rest();
    const actions = [{ label: "call-again", act: () => void this.begin() }];
    this.#notices.show("ended", { why, values: { reason }, isTrouble, actions });
  }

  /**
   * No call, and why, with a way to try again.
   * @param {string} kind
   * @param {Record<string, string>} [values]
   */
  #complain(kind, values) {
    if (this.#call) {
      this.#notices.show(kind, { values }); // The call goes on with what it has.
      return;
    }
    this.#rest();
    const label = kind === "lost" ? "call-again" : "try-again";
    this.#notices.show(kind, { values, actions: [{ label, act: () => void this.begin() }] });
  }

  /** Back to where a call can begin. */
  #rest() {
    this.#closeMicrophone();
    this.#mute(false);
    this.#enter("idle");
  }

  #closeMicrophone() {
    microphone.close(this.#microphone);
    this.#microphone = null;
  }

  /** @param {boolean} isMuted */
  #mute(isMuted) {
    this.isMuted = isMuted;
    this.#call?.mute(isMuted);
    this.dispatchEvent(new Event("muted"));
  }

  /** @param {boolean} isSteady */
  #steady(isSteady) {
    this.isSteady = isSteady;
    this.dispatchEvent(new Event("network"));
  }

  /** @param {State} state */
  #enter(state) {
    this.isSteady = true;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** @param {Event} event */
  #pass(event) {
    const { detail } = /** @type {CustomEvent} */ (event);
    this.dispatchEvent(new CustomEvent(event.type, { detail }));
  }
}
