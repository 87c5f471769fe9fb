/**
 * Asks a question and keeps the answer, over a WebSocket.
 *
 *     npm install
 *     node websocket.mjs question.wav answer.wav [http://localhost:8080] [KEY]
 *
 * A WAV has one channel of 16-bit samples at 24 kHz.
 */

import WebSocket from "ws";

import { read, write } from "./wav.mjs";

const [question, answer, server = "http://localhost:8080", key = "none"] = process.argv.slice(2);
const RATE = 24000;
/** Samples of 20 ms. */
const PIECE = RATE / 50;

const sound = await read(question, RATE);
const socket = new WebSocket(`${server.replace(/^http/, "ws")}/v1/realtime?model=chuimsae`, {
  headers: { Authorization: `Bearer ${key}` },
});
const send = (/** @type {object} */ event) => socket.send(JSON.stringify(event));
/** @type {Buffer[]} */
const heard = [];

/** The recording at the pace of speech, and then silence: without it, no turn ever ends. */
function speak() {
  const began = performance.now();
  let at = 0;
  return setInterval(() => {
    for (; at < ((performance.now() - began) / 1000) * RATE; at += PIECE) {
      const piece = new Int16Array(PIECE);
      piece.set(sound.subarray(at, at + PIECE));
      send({ type: "input_audio_buffer.append", audio: Buffer.from(piece.buffer).toString("base64") });
    }
  }, 20);
}

/** @type {NodeJS.Timeout | undefined} */
let speaking;
socket.on("message", async (data) => {
  const event = JSON.parse(String(data));
  if (event.type === "session.created") speaking = speak();
  if (event.type === "conversation.item.input_audio_transcription.completed") {
    console.log(`you:   ${event.transcript}`);
  }
  if (event.type === "response.output_audio.delta") heard.push(Buffer.from(event.delta, "base64"));
  if (event.type === "response.output_audio_transcript.done") console.log(`agent: ${event.transcript}`);
  if (event.type === "error") console.error(`error: ${event.error.message}`);
  if (event.type === "response.done" && event.response.status === "completed") {
    clearInterval(speaking);
    await write(answer, RATE, heard);
    socket.close();
  }
});
socket.on("close", () => clearInterval(speaking));
socket.on("error", (error) => {
  console.error(`The server cannot be reached: ${error.message}`);
  process.exitCode = 1;
});
