/**
 * Asks a question and keeps the answer, over WebRTC: libwebrtc, which phones have, in Node.
 *
 *     npm install
 *     node webrtc.mjs question.wav answer.wav [http://localhost:8080] [KEY]
 *
 * A WAV has one channel of 16-bit samples at 48 kHz.
 */

import wrtc from "@roamhq/wrtc";

import { read, write } from "./wav.mjs";

const { MediaStream, RTCPeerConnection, nonstandard } = wrtc;
const [question, answer, server = "http://localhost:8080", key = "none"] = process.argv.slice(2);
const RATE = 48000;
/** Samples of 10 ms, in which libwebrtc takes sound. */
const PIECE = RATE / 100;

const sound = await read(question, RATE);
const authorization = { Authorization: `Bearer ${key}` };
const peer = new RTCPeerConnection({ iceServers: [] });
const source = new nonstandard.RTCAudioSource();
const microphone = source.createTrack();
peer.addTrack(microphone, new MediaStream([microphone]));
const channel = peer.createDataChannel("oai-events");

/** @type {Buffer[]} */
const heard = [];
let rate = RATE;
let isAnswering = false;
peer.ontrack = ({ track }) => {
  const sink = new nonstandard.RTCAudioSink(track);
  sink.ondata = ({ samples, sampleRate, channelCount }) => {
    rate = sampleRate;
    const mono = Int16Array.from({ length: samples.length / channelCount }, (_, at) => samples[at * channelCount]);
    if (isAnswering) heard.push(Buffer.from(mono.buffer));
  };
};

/** The recording at the pace of speech, and then silence. */
function speak() {
  const began = performance.now();
  let at = 0;
  return setInterval(() => {
    for (; at < ((performance.now() - began) / 1000) * RATE; at += PIECE) {
      const samples = new Int16Array(PIECE);
      samples.set(sound.subarray(at, at + PIECE));
      source.onData({ samples, sampleRate: RATE, bitsPerSample: 16, channelCount: 1, numberOfFrames: PIECE });
    }
  }, 10);
}

/** @type {NodeJS.Timeout | undefined} */
let speaking;
let location = "";
channel.onmessage = async ({ data }) => {
  const event = JSON.parse(data);
  if (event.type === "session.created") speaking = speak();
  if (event.type === "conversation.item.input_audio_transcription.completed") {
    console.log(`you:   ${event.transcript}`);
  }
  if (event.type === "output_audio_buffer.started") isAnswering = true;
  if (event.type === "response.output_audio_transcript.done") console.log(`agent: ${event.transcript}`);
  if (event.type === "error") console.error(`error: ${event.error.message}`);
  if (event.type === "output_audio_buffer.stopped") {
    clearInterval(speaking);
    await write(answer, rate, heard);
    await fetch(`${server}${location}/hangup`, { method: "POST", headers: authorization });
    peer.close();
    process.exit(0); // libwebrtc's threads would keep the process.
  }
};

await peer.setLocalDescription(await peer.createOffer());
const reply = await fetch(`${server}/v1/realtime/calls`, {
  method: "POST",
  headers: { "Content-Type": "application/sdp", ...authorization },
  body: peer.localDescription.sdp,
});
if (!reply.ok) {
  console.error(`The server said no: ${reply.status} ${await reply.text()}`);
  process.exit(1);
}
location = reply.headers.get("Location") ?? "";
await peer.setRemoteDescription({ type: "answer", sdp: await reply.text() });
