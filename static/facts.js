/**
 * What the server's events mean to the page. The one file that knows the protocol on the wire; the
 * page sees only the facts below.
 *
 * A Chuimsae server tells its own events (`chuimsae.*`) besides the protocol's: which turn something
 * belongs to, how its time went, what of a reply was heard. From another server the page makes out
 * what it can: the captions and the phases.
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
 *   | {name: "load", rung: number}
 *   | {name: "ended", reason: string}} Fact
 */

/** The names that the page gives to its own events; a refusal of these is nobody's business. */
export const QUIET = "quiet";

/** Characters that are spoken in a second, about, where nobody tells how long a sentence lasts. */
const PER_SECOND = 15;

/** @type {Record<string, (event: any) => Fact>} */
const OURS = {
  "chuimsae.call.started": (e) => ({
    name: "started",
    language: e.language ?? "",
    persona: e.persona?.name ?? e.persona ?? "",
    stages: e.stages ?? [],
  }),
  "chuimsae.phase": (e) => ({ name: "phase", phase: e.phase }),
  "chuimsae.transcript.partial": (e) => ({
    name: "partial",
    turn: e.turn,
    text: e.text,
    stable: e.stable ?? "",
  }),
  "chuimsae.transcript.final": (e) => ({
    name: "transcript",
    turn: e.turn,
    text: e.text,
    language: e.language ?? "",
  }),
  "chuimsae.turn.dropped": (e) => ({ name: "dropped", turn: e.turn, reason: e.reason }),
  "chuimsae.reply.spoken": (e) => ({
    name: "spoken",
    turn: e.turn,
    text: e.text,
    seconds: e.seconds ?? 0,
  }),
  "chuimsae.filler.spoken": (e) => ({ name: "filler", turn: e.turn, text: e.text }),
  "chuimsae.barge_in": (e) => ({ name: "cut-in", turn: e.turn, heard: e.heard ?? "" }),
  "chuimsae.duck": (e) => ({ name: "ducked", turn: e.turn, ducked: Boolean(e.ducked) }),
  "chuimsae.turn.finished": (e) => ({
    name: "finished",
    turn: e.turn,
    transcript: e.transcript ?? "",
    reply: e.reply ?? "",
    interrupted: Boolean(e.interrupted),
    speculated: Boolean(e.speculated),
    timeline: e.timeline ?? {},
  }),
  "chuimsae.error": (e) => ({
    name: "fault",
    code: e.code ?? "",
    message: e.message ?? "",
    recovered: Boolean(e.recovered),
  }),
  "chuimsae.load": (e) => ({ name: "load", rung: e.rung }),
  "chuimsae.call.ended": (e) => ({ name: "ended", reason: e.reason ?? "" }),
};

/** One call's events, read. */
export class Facts {
  /** Whether the server tells its own events. */
  #isOurs = false;
  #turn = 0;
  /** @type {Map<string, number>} the turn of each thing that the caller said */
  #turns = new Map();
  /** @type {Map<string, string>} what is understood of it so far */
  #heard = new Map();
  #said = "";
  #sentence = "";

  /**
   * @param {any} event
   * @returns {Fact[]} none for an event that the page has no use for
   */
  read(event) {
    if (Object.hasOwn(OURS, event.type)) return [OURS[event.type](event)];
    if (event.type === "session.created") this.#isOurs = Boolean(event.session.chuimsae?.events);
    if (event.type === "error") return this.#fault(event.error);
    return this.#isOurs ? [] : [...this.#plain(event)];
  }

  /** @param {any} error */
  #fault({ code = "", message = "", event_id: cause }) {
    // Our own event tells of a stage's fault better, and what the page asks may come too late.
    if (cause === QUIET || (this.#isOurs && code === "stage_failed")) return [];
    return [/** @type {Fact} */ ({ name: "fault", code, message, recovered: false })];
  }

  /**
   * @param {any} event
   * @returns {Generator<Fact>}
   */
  *#plain(event) {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#turn += 1;
        this.#turns.set(event.item_id, this.#turn);
        return yield { name: "phase", phase: "hearing" };
      case "input_audio_buffer.speech_stopped":
        return yield { name: "phase", phase: "thinking" };
      case "conversation.item.input_audio_transcription.delta":
        return yield this.#partial(event.item_id, event.delta ?? "");
      case "conversation.item.input_audio_transcription.completed":
        return yield this.#transcript(event.item_id, event.transcript.trim());
      case "response.created":
        this.#said = this.#sentence = "";
        return;
      case "response.output_audio_transcript.delta":
        this.#sentence += event.delta;
        return yield* this.#sentences(/^.*[.!?。…]["”’]?(?=\s|$)/s);
      case "response.output_audio_transcript.done":
        return yield* this.#sentences(/^.+$/s);
      case "output_audio_buffer.started":
        return yield { name: "phase", phase: "speaking" };
      case "output_audio_buffer.stopped":
      case "output_audio_buffer.cleared":
        return yield { name: "phase", phase: "listening" };
      case "response.done":
        if (event.response.status === "cancelled" && this.#said) {
          yield { name: "cut-in", turn: this.#turn, heard: this.#said };
        }
    }
  }

  /**
   * @param {string} item
   * @param {string} delta
   * @returns {Fact}
   */
  #partial(item, delta) {
    const text = (this.#heard.get(item) ?? "") + delta;
    this.#heard.set(item, text);
    return { name: "partial", turn: this.#turns.get(item) ?? this.#turn, text, stable: text };
  }

  /**
   * @param {string} item
   * @param {string} text
   * @returns {Fact}
   */
  #transcript(item, text) {
    const turn = this.#turns.get(item) ?? this.#turn;
    this.#heard.delete(item);
    if (!text) return { name: "dropped", turn, reason: "empty" };
    return { name: "transcript", turn, text, language: "" };
  }

  /**
   * What stands at the beginning of the reply's next words and may be shown.
   * @param {RegExp} whole
   * @returns {Generator<Fact>}
   */
  *#sentences(whole) {
    const text = whole.exec(this.#sentence)?.[0] ?? "";
    this.#sentence = this.#sentence.slice(text.length);
    if (!text.trim()) return;
    this.#said += text;
    const seconds = text.trim().length / PER_SECOND;
    yield { name: "spoken", turn: this.#turn, text: text.trim(), seconds };
  }
}
