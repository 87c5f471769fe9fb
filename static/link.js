/**
 * One connection of a call: a peer connection and its control channel. A call whose network
 * changes goes on over another one.
 *
 * Emits `connected`, `message` (any control message), `fact`, `sound` (the agent's MediaStream),
 * `shaky` (no answer for some seconds; `connected` may follow), and `broken`, which is final.
 */

import { Control } from "./control.js";

/** Milliseconds for ICE candidates to gather: on a LAN they are there at once. */
const GATHERING = 1000;

/** Milliseconds that a `call.ended` may come after its channel closed. */
const CLOSING = 400;

export class Link extends EventTarget {
  #peer;
  #control;
  #isClosed = false;

  /** @param {{microphone: MediaStream, iceServers: RTCIceServer[]}} options */
  constructor({ microphone, iceServers }) {
    super();
    this.#peer = new RTCPeerConnection({ iceServers });
    this.#control = new Control(this.#peer);
    for (const track of microphone.getAudioTracks()) this.#peer.addTrack(track, microphone);
    this.#listen();
  }

  /** The offer, with the candidates in it. */
  async offer() {
    await this.#peer.setLocalDescription();
    await gathered(this.#peer);
    return this.#peer.localDescription?.sdp ?? "";
  }

  /** @param {string} sdp the server's answer */
  async accept(sdp) {
    if (!this.#isClosed) await this.#peer.setRemoteDescription({ type: "answer", sdp });
  }

  /**
   * Speaks through another microphone from now on, without a new negotiation.
   * @param {MediaStream} microphone
   */
  async useMicrophone(microphone) {
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

  /** Nothing is emitted any more. */
  close() {
    this.#isClosed = true;
    this.#peer.close();
  }

  #listen() {
    this.#control.addEventListener("message", () => this.#tell("message"));
    this.#control.addEventListener("fact", (event) => {
      this.#tell("fact", /** @type {CustomEvent} */ (event).detail);
    });
    this.#control.addEventListener("close", () => {
      setTimeout(() => this.#tell("broken"), CLOSING);
    });
    this.#peer.addEventListener("track", ({ track, streams }) => {
      this.#tell("sound", streams[0] ?? new MediaStream([track]));
    });
    this.#peer.addEventListener("connectionstatechange", () => this.#follow());
  }

  #follow() {
    const state = this.#peer.connectionState;
    if (state === "connected") this.#tell("connected");
    else if (state === "disconnected") this.#tell("shaky");
    else if (state === "failed") this.#tell("broken");
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  #tell(name, detail) {
    if (!this.#isClosed) this.dispatchEvent(new CustomEvent(name, { detail }));
  }
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
