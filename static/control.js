/**
 * The control channel: the server's messages in, the caller's wishes out.
 *
 * The one file that knows the protocol on the wire. The page sees only the facts below, so
 * another protocol is another file like this one.
 *
 * @typedef {import("./server.js").Stage} Stage
 * @typedef {import("./timeline.js").Timeline} Timeline
 * @typedef {"listening" | "hearing" | "thinking" | "speaking" | "ended"} Phase
 *
 * @typedef {{name: "started", language: string, persona: string, stages: Stage[]}
 *   | {name: "phase", phase: Phase}
 *   | {name: "partial", turn: number, text: string, stable: string}
 *   | {name: "transcript", turn: number, text: string, language: string}
 *   | {name: "dropped", turn: number, reason: string}
 *   | {name: "spoken", turn: number, text: string, seconds: number}
 *   | {name: "filler", turn: number, text: string}
 *   | {name: "cut-in", turn: number, heard: string}
 *   | {name: "ducked", turn: number, ducked: boolean}
 *   | {name: "finished", turn: number, transcript: string, reply: string, interrupted: boolean,
 *      speculated: boolean, timeline: Timeline}
 *   | {name: "fault", code: string, message: string, recovered: boolean}
 *   | {name: "ended", reason: string}} Fact
 */

/** @type {Record<string, (message: any) => Fact>} */
const FACTS = {
  "call.started": (m) => ({
    name: "started",
    language: m.language ?? "",
    persona: m.persona?.name ?? m.persona ?? "",
    stages: m.stages ?? [],
  }),
  phase: (m) => ({ name: "phase", phase: m.phase }),
  "transcript.partial": (m) => ({
    name: "partial",
    turn: m.turn,
    text: m.text,
    stable: m.stable ?? "",
  }),
  "transcript.final": (m) => ({
    name: "transcript",
    turn: m.turn,
    text: m.text,
    language: m.language ?? "",
  }),
  "turn.dropped": (m) => ({ name: "dropped", turn: m.turn, reason: m.reason }),
  "reply.spoken": (m) => ({ name: "spoken", turn: m.turn, text: m.text, seconds: m.seconds ?? 0 }),
  "filler.spoken": (m) => ({ name: "filler", turn: m.turn, text: m.text }),
  barge_in: (m) => ({ name: "cut-in", turn: m.turn, heard: m.heard ?? "" }),
  duck: (m) => ({ name: "ducked", turn: m.turn, ducked: Boolean(m.ducked) }),
  "turn.finished": (m) => ({
    name: "finished",
    turn: m.turn,
    transcript: m.transcript ?? "",
    reply: m.reply ?? "",
    interrupted: Boolean(m.interrupted),
    speculated: Boolean(m.speculated),
    timeline: m.timeline ?? {},
  }),
  error: (m) => ({
    name: "fault",
    code: m.code ?? "",
    message: m.message ?? "",
    recovered: Boolean(m.recovered),
  }),
  "call.ended": (m) => ({ name: "ended", reason: m.reason ?? "" }),
};

/**
 * What one message says; null when it is none of ours, which a newer server may well send.
 * @param {string} text
 * @returns {Fact | null}
 */
export function read(text) {
  try {
    const message = JSON.parse(text);
    return Object.hasOwn(FACTS, message?.type) ? FACTS[message.type](message) : null;
  } catch {
    return null; // Not JSON: nothing to act on, and the call goes on.
  }
}

/** Emits `message` for each that comes, `fact` (its detail is a Fact) when it is one, `close`. */
export class Control extends EventTarget {
  #channel;

  /** @param {RTCPeerConnection} peer not yet negotiated: the caller opens the channel */
  constructor(peer) {
    super();
    this.#channel = peer.createDataChannel("chuimsae");
    this.#channel.addEventListener("message", ({ data }) => this.#take(data));
    this.#channel.addEventListener("close", () => this.dispatchEvent(new Event("close")));
  }

  /** @param {string} language */
  switchLanguage(language) {
    this.#send({ type: "language", language });
  }

  interrupt() {
    this.#send({ type: "interrupt" });
  }

  /** @param {unknown} data */
  #take(data) {
    this.dispatchEvent(new Event("message"));
    const fact = typeof data === "string" ? read(data) : null;
    if (fact) this.dispatchEvent(new CustomEvent("fact", { detail: fact }));
  }

  /** @param {object} message */
  #send(message) {
    if (this.#channel.readyState === "open") this.#channel.send(JSON.stringify(message));
  }
}
