/**
 * Reads server events, one JSON object a line, and writes those that the SDK's own schema does not
 * know: it would have taken them for "generic" ones, and ignored them without a word.
 */

import { createInterface } from "node:readline";

import { parseRealtimeEvent } from "./node_modules/@openai/agents-realtime/dist/openaiRealtimeEvents.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  if (line && parseRealtimeEvent({ data: line }).isGeneric) console.log(line);
}
