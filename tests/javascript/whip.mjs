/**
 * A caller through `whip-whep`, unmodified, on libwebrtc (`@roamhq/wrtc`).
 *
 *     node whip.mjs URL RECORDING TOKEN [weather]
 *
 * RECORDING is PCM16 at 48 kHz. It is refused with a wrong token and without a microphone, calls,
 * asks for an ICE restart, has the agent begin, speaks over it, hears the answer, and hangs up; with
 * `weather` it offers a tool instead, asks, and brings the tool's result. What happens is written a JSON
 * object a line: `{"request": …}` (HTTP), `{"thrown": …}` (by the client), `{"event": …}` (the
 * server's, on a data channel that a bare WHIP client would not open), `{"heard": …}`.
 */

import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

import wrtc from "@roamhq/wrtc";
import { WHIPClient } from "whip-whep/whip.js";

const { MediaStream, RTCPeerConnection, nonstandard } = wrtc;
const [url, recording, token, mode] = process.argv.slice(2);
const RATE = 48000;
/** Samples of 10 ms, in which libwebrtc takes sound. */
const PIECE = RATE / 100;

const write = (/** @type {object} */ fields) => console.log(JSON.stringify(fields));
const asked = globalThis.fetch;
globalThis.fetch = async (address, options) => {
  const reply = await asked(address, options);
  const match = options?.headers?.["If-Match"];
  const etag = reply.headers.get("etag");
  const candidates = String(options?.body ?? "").split("a=candidate").length - 1;
  write({ request: options?.method, status: reply.status, match, etag, candidates });
  return reply;
};

/** @type {Set<string>} */
const seen = new Set();
let responses = 0;
async function until(/** @type {() => boolean} */ isSo) {
  while (!isSo()) await pause(20);
}

async function thrown(/** @type {Promise<unknown>} */ promise) {
  await promise.then(
    () => write({ thrown: null }),
    (error) => write({ thrown: error.message }),
  );
}

const source = new nonstandard.RTCAudioSource();

function phone() {
  const peer = new RTCPeerConnection({ iceServers: [] });
  const track = source.createTrack();
  peer.addTrack(track, new MediaStream([track]));
  return peer;
}

/** The recording at the pace of speech, and silence before and after it. */
const speech = { sound: new Int16Array(0), at: 0 };
function speakOn() {
  const began = performance.now();
  let sent = 0;
  return setInterval(() => {
    for (; sent < (performance.now() - began) / 10; sent += 1) {
      const samples = new Int16Array(PIECE);
      samples.set(speech.sound.subarray(speech.at, speech.at + PIECE));
      speech.at += PIECE;
      source.onData({ samples, sampleRate: RATE, bitsPerSample: 16, channelCount: 1, numberOfFrames: PIECE });
    }
  }, 10);
}

if (mode !== "weather") {
  await thrown(new WHIPClient().publish(phone(), url, "wrong"));
  const mute = new RTCPeerConnection({ iceServers: [] });
  mute.createDataChannel("oai-events");
  await thrown(new WHIPClient().publish(mute, url, token));
}

const peer = phone();
const channel = peer.createDataChannel("oai-events");
const send = (/** @type {object} */ event) => channel.send(JSON.stringify(event));
channel.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  seen.add(event.type);
  if (event.type === "response.done") responses += 1;
  write({ event });
  if (event.type === "response.function_call_arguments.done") {
    const output = { type: "function_call_output", call_id: event.call_id, output: "warm" };
    send({ type: "conversation.item.create", item: output });
    send({ type: "response.create" });
  }
};
/** Squares of what was heard while the agent spoke, and how many they are. */
let power = 0;
let samplesHeard = 0;
peer.ontrack = ({ track }) => {
  new nonstandard.RTCAudioSink(track).ondata = ({ samples }) => {
    if (!seen.has("output_audio_buffer.started")) return;
    for (const sample of samples) power += (sample / 32768) ** 2;
    samplesHeard += samples.length;
  };
};

const client = new WHIPClient();
await client.publish(peer, url, token);
await until(() => seen.has("session.created"));
const microphone = speakOn();
if (mode === "weather") {
  const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const tool = { type: "function", name: "weather", description: "The weather.", parameters: city };
  send({ type: "session.update", session: { type: "realtime", tools: [tool] } });
  await until(() => seen.has("session.updated"));
} else {
  await thrown(client.restart());
  write({ state: peer.connectionState });
  send({ type: "response.create" });
  await until(() => seen.has("output_audio_buffer.started"));
  await pause(1000);
}
const bytes = await readFile(recording);
Object.assign(speech, { sound: new Int16Array(new Uint8Array(bytes).buffer), at: 0 });
// The story that was spoken over, or the call for the tool; then the answer.
await until(() => responses === 2 && seen.has("output_audio_buffer.stopped"));
clearInterval(microphone);
write({ heard: 10 * Math.log10(power / samplesHeard), seconds: samplesHeard / RATE });
await client.stop();
process.exit(0); // libwebrtc's threads would keep the process.
