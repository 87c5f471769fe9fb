/**
 * A caller with a tool, through `@openai/agents-realtime`, unmodified, over a WebSocket.
 *
 *     node weather.mjs URL RECORDING
 *
 * RECORDING is PCM16 at 24 kHz. The SDK runs the tool and sends the result by itself. What it is
 * told is written a JSON object a line: `{"event": …}` (the server's), `{"asked": city}` (of the
 * tool), `{"told": name, …}` (the SDK's own).
 */

import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

const [url, recording] = process.argv.slice(2);
/** Bytes of 40 ms. */
const PIECE = 1920;

const write = (/** @type {object} */ fields) => console.log(JSON.stringify(fields));
const weather = tool({
  name: "weather",
  description: "The weather in a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    write({ asked: city });
    return "warm";
  },
});
const agent = new RealtimeAgent({ name: "Test", instructions: "Be brief.", tools: [weather] });
const session = new RealtimeSession(agent, { transport: "websocket" });
let responses = 0;
session.transport.on("*", (event) => {
  write({ event });
  if (event.type === "response.done") responses += 1;
});
session.on("agent_tool_end", (_context, _agent, _tool, result) => write({ told: "result", result }));
session.on("error", ({ error }) => write({ told: "error", error }));

await session.connect({ apiKey: "any", url });
const sound = await readFile(recording);
const began = performance.now();
for (let at = 0; responses < 2; at += PIECE) {
  const piece = Buffer.alloc(PIECE);
  piece.set(sound.subarray(at, at + PIECE));
  session.sendAudio(new Uint8Array(piece).buffer);
  await pause(Math.max(0, began + (at / PIECE) * 40 - performance.now()));
}
write({ told: "history", history: session.history });
session.close();
