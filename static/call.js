/**
 * One call: from the offer to the hang-up, over WebRTC.
 *
 * Emits `fact` (what the control channel said), `sound` (the agent's MediaStream), `connected`,
 * `unsteady` and `steady` (the network), and at last, once, `over` with `{kind, reason}`, where
 * kind is `ended` (by either side), `lost` or `no-path`. It does not own the microphone.
 */

import { Control } from "./control.js";
import * as server from "./server.js";

/** Milliseconds for ICE candidates to gather: on a LAN they are there at once. */
const GATHERING = 1000;

/** Milliseconds from the answer to an audio connection. */
const CONNECTING = 15000;

/** Milliseconds that an interrupted connection may take to come back. */
const HOLDING = 10000;

/** Milliseconds that the server may take to free a call, before we just leave. */
const PARTING = 500;

/** Milliseconds that a `call.ended` may come after its channel closed. */
const CLOSING = 400;

export class Call extends EventTarget {
  #peer;
  #control;
  #microphone;
  #language;
  #id = "";
  #wasConnected = false;
  #isOver = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;

  /** @param {{microphone: MediaStream, language: string, iceServers: RTCIceServer[]}} options */
  constructor({ microphone, language, iceServers }) {
    super();
    this.#microphone = microphone;
    this.#language = language;
    this.#peer = new RTCPeerConnection({ iceServers });
    this.#control = new Control(this.#peer);
    this.#listen();
  }

  /**
   * Offers the call and takes the server's answer. Raises ServerError when it says no.
   */
  async dial() {
    for (const track of this.#microphone.getAudioTracks()) {
      this.#peer.addTrack(track, this.#microphone);
    }
    await this.#peer.setLocalDescription();
    await gathered(this.#peer);
    if (this.#isOver) return;
    const sdp = this.#peer.localDescription?.sdp ?? "";
    const answer = await server.answer({ sdp, language: this.#language });
    this.#id = answer.call_id;
    if (this.#isOver) return server.free(this.#id); // Hung up while the server was answering.
    this.#deadline = setTimeout(() => this.#finish("no-path"), CONNECTING);
    await this.#peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  }

  /**
   * Speaks through another microphone from now on, without a new negotiation.
   * @param {MediaStream} microphone
   */
  async useMicrophone(microphone) {
    this.#microphone = microphone;
    const [track] = microphone.getAudioTracks();
    await this.#peer.getSenders().find(({ track: sent }) => sent)?.replaceTrack(track);
  }

  /** @param {string} language */
  switchLanguage(language) {
    this.#control.switchLanguage(language);
  }

  /** Stops the agent's reply. */
  interrupt() {
    this.#control.interrupt();
  }

  hangUp() {
    this.#finish("ended", "hangup");
  }

  #listen() {
    this.#control.addEventListener("fact", (event) => {
      const fact = /** @type {CustomEvent<import("./control.js").Fact>} */ (event).detail;
      if (this.#isOver) return;
      this.#tell("fact", fact);
      if (fact.name !== "ended") return;
      this.#id = ""; // Nothing is left to be freed.
      this.#finish("ended", fact.reason);
    });
    this.#control.addEventListener("close", () => {
      setTimeout(() => this.#finish("lost"), CLOSING);
    });
    this.#peer.addEventListener("track", ({ track, streams }) => {
      this.#tell("sound", streams[0] ?? new MediaStream([track]));
    });
    this.#peer.addEventListener("connectionstatechange", () => this.#follow());
  }

  #follow() {
    const state = this.#peer.connectionState;
    clearTimeout(this.#deadline);
    if (state === "connected") {
      this.#wasConnected = true;
      this.#tell("connected");
      this.#tell("steady");
    } else if (state === "disconnected") {
      this.#tell("unsteady");
      this.#deadline = setTimeout(() => this.#finish("lost"), HOLDING);
    } else if (state === "failed") {
      this.#finish(this.#wasConnected ? "lost" : "no-path");
    } else if (state === "connecting") {
      this.#deadline = setTimeout(() => this.#finish("no-path"), CONNECTING);
    }
  }

  /**
   * Ends the call once, whoever asks first.
   * @param {"ended" | "lost" | "no-path"} kind
   * @param {string} [reason]
   */
  #finish(kind, reason = "") {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#deadline);
    void this.#part();
    this.#tell("over", { kind, reason });
  }

  /** Frees the call, then closes: a connection that closes first is one that broke, to the server. */
  async #part() {
    if (this.#id) await Promise.race([server.free(this.#id), pause(PARTING)]);
    this.#peer.close();
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

/**
 * Waits until the candidates are gathered, or long enough.
 * @param {RTCPeerConnection} peer
 * @returns {Promise<void>}
 */
function gathered(peer) {
  return new Promise((resolve) => {
    const done = () => {
      if (peer.iceGatheringState === "complete") resolve();
    };
    peer.addEventListener("icegatheringstatechange", done);
    setTimeout(resolve, GATHERING);
    done();
  });
}
