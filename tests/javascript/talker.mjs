/**
 * A caller that speaks through `@openai/agents-realtime`, unmodified, over a WebSocket.
 *
 *     node talker.mjs URL RECORDING
 *
 * RECORDING is PCM16 at 24 kHz. It lets the agent begin, speaks over it, is answered, cancels what
 * is not going on, and speaks once more. What it is told is written a JSON object a line:
 * `{"event": …}` (the server's), `{"told": name, …}` (the SDK's own).
 */

import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

import { RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";

const [url, recording] = process.argv.slice(2);
/** Bytes of 40 ms. */
const PIECE = 1920;

const session = new RealtimeSession(new RealtimeAgent({ name: "Test", instructions: "Be brief." }), {
  transport: "websocket",
});
/** @type {Buffer[]} what the microphone is about to hear; silence when there is nothing */
const speech = [];
/** @type {Map<string, number>} how often each has come */
const counts = new Map();

const write = (/** @type {object} */ fields) => console.log(JSON.stringify(fields));
const count = (/** @type {string} */ name) => counts.set(name, (counts.get(name) ?? 0) + 1);

async function until(/** @type {string} */ name, times = 1) {
  const seen = counts.get(name) ?? 0;
  while ((counts.get(name) ?? 0) < seen + times) await pause(20);
}

async function say(/** @type {string} */ path) {
  const sound = await readFile(path);
  for (let at = 0; at < sound.length; at += PIECE) speech.push(sound.subarray(at, at + PIECE));
}

function speakOn() {
  const began = performance.now();
  let sent = 0;
  return setInterval(() => {
    for (; sent * 40 < performance.now() - began; sent += 1) {
      const piece = speech.shift() ?? Buffer.alloc(PIECE);
      session.sendAudio(new Uint8Array(piece).buffer);
    }
  }, 20);
}

session.transport.on("*", (event) => {
  count(event.type);
  write({ event });
});
session.on("audio", ({ data }) => write({ told: "audio", bytes: data.byteLength }));
session.on("audio_interrupted", () => write({ told: "audio_interrupted" }));
session.on("error", ({ error }) => write({ told: "error", error }));

await session.connect({ apiKey: process.env.KEY ?? "any", url });
write({ told: "connected" });
const microphone = speakOn();
session.transport.requestResponse();
await until("response.output_audio.delta", 25);
await say(recording);
await until("response.done", 2); // The one that was cut off, and the answer.
session.transport.sendEvent({ type: "response.cancel", event_id: "late" });
await until("error");
await say(recording);
await until("response.done");
clearInterval(microphone);
write({ told: "history", history: session.history });
session.close();
