/**
 * One call: from the offer to the hang-up, over one link after the other.
 *
 * When the network changes or fails, a new link is offered with the call's resume token, again and
 * again for as long as the server keeps the call; the conversation waits there and goes on.
 *
 * Emits `fact` (what the control channel said), `sound` (the agent's MediaStream), `connected`,
 * `unsteady` and `steady` (the network), and at last, once, `over` with `{kind, reason}`, where
 * kind is `ended` (by either side), `lost` or `no-path`. It does not own the microphone.
 */

import { Link } from "./link.js";
import { watchNetwork } from "./network.js";
import * as server from "./server.js";

/** Milliseconds from the answer to an audio connection. */
const CONNECTING = 15000;

/** Milliseconds in which a link that is shaky may recover by itself. */
const SHAKING = 1500;

/** Milliseconds for one attempt to go on: the offer, its answer, the connection. */
const ATTEMPT = 6000;

/** Milliseconds between two attempts. */
const PAUSE = 700;

/** Milliseconds that the server may take to free a call, before we just leave. */
const PARTING = 500;

export class Call extends EventTarget {
  #microphone;
  #language;
  #iceServers;
  #link;
  #id = "";
  #token = "";
  /** Seconds that the server keeps the call for us. */
  #within = 0;
  /** Control messages that have come, over all links. */
  #received = 0;
  /** @type {Link | null} the link before, until another stands */
  #former = null;
  #wasConnected = false;
  #isResuming = false;
  #isOver = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  #ignoreNetwork;

  /** @param {{microphone: MediaStream, language: string, iceServers: RTCIceServer[]}} options */
  constructor({ microphone, language, iceServers }) {
    super();
    this.#microphone = microphone;
    this.#language = language;
    this.#iceServers = iceServers;
    this.#link = this.#newLink();
    this.#ignoreNetwork = watchNetwork(() => void this.#resume());
  }

  /**
   * Offers the call and takes the server's answer. Raises ServerError when it says no.
   */
  async dial() {
    const sdp = await this.#link.offer();
    if (this.#isOver) return;
    const answer = await server.answer({ sdp, language: this.#language });
    this.#id = answer.call_id;
    this.#token = answer.resume_token ?? "";
    this.#within = answer.resume_within ?? 0;
    if (this.#isOver) return server.free(this.#id); // Hung up while the server was answering.
    this.#deadline = setTimeout(() => this.#finish("no-path"), CONNECTING);
    await this.#link.accept(answer.sdp);
  }

  /**
   * Speaks through another microphone from now on, without a new negotiation.
   * @param {MediaStream} microphone
   */
  async useMicrophone(microphone) {
    this.#microphone = microphone;
    await this.#link.useMicrophone(microphone);
  }

  /** @param {string} language */
  switchLanguage(language) {
    this.#link.switchLanguage(language);
  }

  /** Stops the agent's reply. */
  interrupt() {
    this.#link.interrupt();
  }

  hangUp() {
    this.#finish("ended", "hangup");
  }

  // -- links ---------------------------------------------------------------------------------

  #newLink() {
    const link = new Link({ microphone: this.#microphone, iceServers: this.#iceServers });
    /** @type {(name: string, act: (detail: any) => void) => void} */
    const on = (name, act) => {
      link.addEventListener(name, (event) => {
        // A link that was left is heard of no more: what it still says is told again by the next.
        if (this.#link === link && !this.#isOver) act(/** @type {CustomEvent} */ (event).detail);
      });
    };
    on("message", () => (this.#received += 1));
    on("fact", (fact) => this.#take(fact));
    on("sound", (sound) => this.#tell("sound", sound));
    on("connected", () => this.#connected());
    on("shaky", () => this.#shake());
    on("broken", () => this.#broken());
    return link;
  }

  /** @param {import("./control.js").Fact} fact */
  #take(fact) {
    this.#tell("fact", fact);
    if (fact.name !== "ended") return;
    this.#id = ""; // Nothing is left to be freed.
    this.#finish("ended", fact.reason);
  }

  #connected() {
    clearTimeout(this.#deadline);
    this.#wasConnected = true;
    this.#tell("connected");
    if (!this.#isResuming) this.#tell("steady");
  }

  #shake() {
    if (this.#isResuming) return;
    this.#tell("unsteady");
    this.#deadline = setTimeout(() => void this.#resume(), SHAKING);
  }

  #broken() {
    if (this.#isResuming) return; // The attempt sees it, too.
    if (!this.#wasConnected) this.#finish("no-path");
    else if (!this.#canResume) this.#finish("lost");
    else void this.#resume();
  }

  // -- going on ------------------------------------------------------------------------------

  get #canResume() {
    return this.#wasConnected && this.#token !== "" && this.#within > 0;
  }

  /** Goes on over a new link, tried until there is one or the server keeps the call no longer. */
  async #resume() {
    if (this.#isResuming || this.#isOver || !this.#canResume) return;
    this.#isResuming = true;
    clearTimeout(this.#deadline);
    this.#tell("unsteady");
    this.#former = this.#link;
    const end = performance.now() + this.#within * 1000;
    while (!this.#isOver && !(await this.#attempt())) {
      if (performance.now() > end) this.#finish("lost");
      await pause(PAUSE);
    }
    if (this.#isOver) return;
    this.#isResuming = false;
    this.#former.close();
    this.#former = null;
    this.#tell("steady");
  }

  /** Whether a new link came about. */
  async #attempt() {
    const link = (this.#link = this.#newLink());
    const connected = new Promise((resolve) => {
      link.addEventListener("connected", () => resolve(true));
      link.addEventListener("broken", () => resolve(false));
    });
    const resumption = { callId: this.#id, token: this.#token, received: this.#received };
    try {
      const answer = await server.resume({ sdp: await link.offer(), ...resumption }, ATTEMPT);
      await link.accept(answer.sdp);
      if (await Promise.race([connected, pause(ATTEMPT)])) return true;
    } catch (error) {
      if (!(error instanceof server.ServerError)) throw error;
      if (error.kind === "declined") this.#finish("lost");
    }
    link.close();
    return false;
  }

  // -- the end -------------------------------------------------------------------------------

  /**
   * Ends the call once, whoever asks first.
   * @param {"ended" | "lost" | "no-path"} kind
   * @param {string} [reason]
   */
  #finish(kind, reason = "") {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#deadline);
    this.#ignoreNetwork();
    void this.#part();
    this.#tell("over", { kind, reason });
  }

  /** Frees the call, then closes: a connection that closes first is one that broke, to the server. */
  async #part() {
    if (this.#id) await Promise.race([server.free(this.#id), pause(PARTING)]);
    this.#former?.close();
    this.#link.close();
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
