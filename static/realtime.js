/**
 * A call with a server of OpenAI's Realtime protocol, over WebRTC. One file without dependencies,
 * made to be copied.
 *
 *     const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
 *     const call = new RealtimeCall({ address: "https://voice.example.org", key: "ek_…", microphone });
 *     call.addEventListener("sound", ({ detail }) => (audioElement.srcObject = detail));
 *     call.on("response.output_audio_transcript.delta", ({ delta }) => console.log(delta));
 *     await call.dial();
 *     // … call.mute(true), call.interrupt(), call.send({ type: "response.create" }), call.hangUp()
 *
 * A Chuimsae server keeps a call whose network changed: a new connection is offered with the call's
 * resume token, again and again for as long as the call is kept, and the events that were missed
 * come first. With other servers such a call is lost.
 *
 * Dispatches, each as a CustomEvent with its `detail`:
 *   every event of the server's, by its type, and all of them as `event`
 *   `sound` (the agent's MediaStream), `connected`, `unsteady` and `steady` (the network)
 *   `over`, at last and once: `{kind, reason}`, kind is `ended` (by either side), `lost`, `no-path`
 *
 * The microphone stays its owner's: it is muted here, and never closed.
 * The types are in realtime.d.ts.
 */

/** Milliseconds for a request; from the answer to a connection; for one attempt to go on. */
const PATIENCE = 20000;
const CONNECTING = 15000;
const ATTEMPT = 6000;
/** Milliseconds between two attempts; in which a shaky connection may recover by itself. */
const PAUSE = 700;
const SHAKING = 1500;
/** Milliseconds for ICE candidates to gather; for last events to come after their channel closed. */
const GATHERING = 1000;
const CLOSING = 400;
/** Milliseconds from the news of another network until its addresses can be used. */
const SETTLING = 300;
/** Milliseconds that the server may take to free a call, before we just leave. */
const PARTING = 500;
/** Seconds to wait when a busy server does not say how long. */
const USUAL_WAIT = 5;

/** The server could not be asked, or said no. `message` is fit for a person. */
export class RealtimeError extends Error {
  constructor(kind, message, { code = "", retryAfter = USUAL_WAIT } = {}) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Asks a server, or where this page comes from when `address` is empty. Raises RealtimeError. */
export async function ask(address, path, { key, within = PATIENCE, ...request } = {}) {
  const base = new URL(address ? address.replace(/\/*$/, "/") : ".", document.baseURI);
  const headers = { ...request.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let response;
  try {
    const signal = AbortSignal.timeout(within);
    response = await fetch(new URL(path, base), { ...request, headers, signal });
  } catch (cause) {
    throw new RealtimeError("unreachable", String(cause));
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({})); // A proxy's error page is not ours.
  const plain = `${response.status} ${response.statusText}`.trim();
  const { message = plain, code } = said?.error ?? {};
  const kinds = { 401: "locked", 404: "unknown", 429: "busy", 503: "busy" };
  const kind = kinds[response.status] ?? "declined";
  throw new RealtimeError(kind, message, { code, retryAfter: wait(response.headers.get("Retry-After")) });
}

/** Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date), between 1 and 120. */
export function wait(header) {
  if (!header) return USUAL_WAIT;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? USUAL_WAIT : Math.min(120, Math.max(1, Math.ceil(seconds)));
}

export class RealtimeCall extends EventTarget {
  #options;
  #link;
  #former = null; // Kept until another stands.
  #place = "";
  #token = "";
  #within = 0; // Seconds for which the server keeps the call.
  #received = 0; // Events, over all links.
  #known = [];
  #response = ""; // The one that is going on.
  #isMuted = false;
  #wasConnected = false;
  #isResuming = false;
  #isOver = false;
  #deadline = undefined;
  #ignoreNetwork;

  constructor(options) {
    super();
    this.#options = { address: "", key: "", session: {}, ...options };
    this.#link = this.#newLink();
    this.#ignoreNetwork = watchNetwork(() => void this.#resume());
  }

  /** Offers the call and takes the server's answer. Raises RealtimeError when it says no: `hangUp`
   * then frees what was opened. */
  async dial() {
    const sdp = await this.#link.offer(await this.#iceServers());
    if (this.#isOver) return;
    const { key, session } = this.#options;
    const body = new FormData();
    body.set("sdp", sdp);
    body.set("session", JSON.stringify({ type: "realtime", ...session }));
    const answer = await this.#ask("v1/realtime/calls", { method: "POST", body, key });
    this.#place = `v1/realtime/calls/${answer.headers.get("Location")?.split("/").pop()}`;
    this.#token = answer.headers.get("Chuimsae-Resume-Token") ?? "";
    this.#within = Number(answer.headers.get("Chuimsae-Resume-Within") ?? 0);
    if (this.#isOver) return this.#free(); // Hung up while the server was answering.
    this.#deadline = setTimeout(() => this.#finish("no-path"), CONNECTING);
    await this.#link.accept(await answer.text());
  }

  /** Listens to one type of the server's events. Gives what stops that. */
  on(type, listener) {
    const listen = ({ detail }) => listener(detail);
    this.addEventListener(type, listen);
    return () => this.removeEventListener(type, listen);
  }

  send(event) {
    this.#link.send(event);
  }

  /** Stops what the agent is saying. */
  interrupt() {
    if (this.#response) this.send({ type: "response.cancel", response_id: this.#response });
    this.send({ type: "output_audio_buffer.clear" });
  }

  /** Whether the agent hears silence instead of the microphone. */
  mute(isMuted) {
    this.#isMuted = isMuted;
    for (const track of this.#options.microphone.getAudioTracks()) track.enabled = !isMuted;
  }

  /** Speaks through another one from now on, without a new negotiation. */
  async useMicrophone(microphone) {
    this.#options.microphone = microphone;
    this.mute(this.#isMuted);
    await this.#link.useMicrophone(microphone);
  }

  hangUp() {
    this.#finish("ended", "hangup");
  }

  async #iceServers() {
    const { iceServers, key } = this.#options;
    if (iceServers) return iceServers;
    try {
      const told = await (await this.#ask("ice", { key, within: PAUSE * 2 })).json();
      this.#known = told.ice_servers ?? [];
    } catch {
      // Another make's server, or a network that is not there yet: what was told before may do.
    }
    return this.#known;
  }

  #newLink() {
    const link = new Link(this.#options.microphone);
    const on = (name, act) =>
      link.addEventListener(name, (event) => {
        // A link that was left is heard no more: what it still says is told again by the next.
        if (this.#link === link && !this.#isOver) act(event.detail);
      });
    on("event", (event) => this.#take(event));
    on("sound", (sound) => this.#tell("sound", sound));
    on("connected", () => this.#connected());
    on("shaky", () => this.#shake());
    on("broken", () => this.#broken());
    return link;
  }

  #take(event) {
    this.#received += 1;
    if (event.type === "response.created") this.#response = event.response.id;
    if (event.type === "response.done") this.#response = "";
    this.#tell("event", event);
    this.#tell(event.type, event);
    if (event.type !== "chuimsae.call.ended") return;
    this.#place = ""; // Nothing is left to be freed.
    this.#finish("ended", event.reason);
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
    if (this.#canResume) this.#deadline = setTimeout(() => void this.#resume(), SHAKING);
  }

  #broken() {
    if (this.#isResuming) return; // The attempt sees it, too.
    if (!this.#wasConnected) this.#finish("no-path");
    else if (!this.#canResume) this.#finish("lost");
    else void this.#resume();
  }

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
    try {
      const headers = { "Content-Type": "application/sdp" };
      const body = await link.offer(await this.#iceServers());
      const request = { method: "POST", body, headers, within: ATTEMPT };
      const path = `${this.#place}/resume?received=${this.#received}`;
      const answer = await this.#ask(path, { ...request, key: this.#token });
      await link.accept(await answer.text());
      if (await Promise.race([connected, pause(ATTEMPT)])) return true;
    } catch (error) {
      if (!(error instanceof RealtimeError)) throw error;
      if (error.kind !== "unreachable" && error.kind !== "busy") this.#finish("lost");
    }
    link.close();
    return false;
  }

  /** Ends the call once, whoever asks first. */
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
    if (this.#place) await Promise.race([this.#free(), pause(PARTING)]);
    this.#former?.close();
    this.#link.close();
  }

  /** Outlives the page, and never fails: a server notices the closed connection by itself. */
  async #free() {
    const request = { method: "POST", keepalive: true, key: this.#token || this.#options.key };
    await this.#ask(`${this.#place}/hangup`, request).catch(() => undefined);
  }

  #ask(path, request) {
    return ask(this.#options.address, path, request);
  }

  #tell(name, detail = undefined) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** One connection of a call. Tells `event`, `sound`, `connected`, `shaky` (`connected` may follow)
 * and `broken`, which is final. */
class Link extends EventTarget {
  #peer;
  #channel;
  #isClosed = false;

  constructor(microphone) {
    super();
    const peer = (this.#peer = new RTCPeerConnection());
    const channel = (this.#channel = peer.createDataChannel("oai-events"));
    for (const track of microphone.getAudioTracks()) peer.addTrack(track, microphone);
    channel.onmessage = ({ data }) => this.#tell("event", JSON.parse(data));
    channel.onclose = () => setTimeout(() => this.#tell("broken"), CLOSING);
    peer.ontrack = ({ track, streams: [first] }) =>
      this.#tell("sound", first ?? new MediaStream([track]));
    const names = { connected: "connected", disconnected: "shaky", failed: "broken" };
    peer.onconnectionstatechange = () => {
      const name = names[peer.connectionState];
      if (name) this.#tell(name);
    };
  }

  /** The offer, with the candidates in it: all of them, or those of the first moment. */
  async offer(iceServers) {
    const peer = this.#peer;
    if (this.#isClosed) return "";
    peer.setConfiguration({ iceServers });
    await peer.setLocalDescription();
    await new Promise((resolve) => {
      peer.onicecandidate = ({ candidate }) => candidate ?? resolve(undefined);
      setTimeout(resolve, GATHERING);
    });
    return peer.localDescription?.sdp ?? "";
  }

  async accept(sdp) {
    if (!this.#isClosed) await this.#peer.setRemoteDescription({ type: "answer", sdp });
  }

  async useMicrophone(microphone) {
    const [track] = microphone.getAudioTracks();
    await this.#peer.getSenders().find(({ track: sent }) => sent)?.replaceTrack(track);
  }

  send(event) {
    if (this.#channel.readyState === "open") this.#channel.send(JSON.stringify(event));
  }

  /** Nothing is told any more. */
  close() {
    this.#isClosed = true;
    this.#peer.close();
  }

  #tell(name, detail = undefined) {
    if (!this.#isClosed) this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * Word from the browser that its network is another one now: a desktop's tells only that it is
 * back, a phone's also of Wi-Fi and mobile. A connection may take half a minute to find out.
 */
function watchNetwork(onChange) {
  const { connection } = navigator;
  const watch = new AbortController();
  let settling;
  let type = connection?.type;
  const changed = () => {
    clearTimeout(settling);
    settling = setTimeout(() => watch.signal.aborted || onChange(), SETTLING);
  };
  const typeChanged = () => {
    if (connection.type === type) return; // Only the estimated speed is another.
    type = connection.type;
    if (type !== "none") changed();
  };
  window.addEventListener("online", changed, { signal: watch.signal });
  connection?.addEventListener("change", typeChanged, { signal: watch.signal });
  return () => watch.abort();
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
