/** What a user of realtime.js writes, and its types must allow; compiled, never run. */

import { RealtimeCall, RealtimeError, ask, wait } from "../../static/realtime.js";

export async function talk(microphone: MediaStream): Promise<void> {
  const call = new RealtimeCall({
    address: "https://voice.example.org",
    key: "ek_",
    microphone,
    session: { instructions: "Be brief.", chuimsae: { events: true } },
  });
  const seen: (string | number | null | undefined)[] = [];
  call.on("session.created", ({ session, event_id }) => seen.push(session.id, event_id));
  call.on("response.created", ({ response }) => seen.push(response.id));
  call.on("response.done", ({ response }) =>
    seen.push(response.usage?.output_tokens, response.status_details?.error?.message),
  );
  call.on("response.output_item.done", ({ item, output_index }) => seen.push(item.name, output_index));
  call.on("response.output_audio_transcript.delta", ({ delta }) => seen.push(delta));
  call.on("response.output_text.done", ({ text }) => seen.push(text));
  call.on("conversation.item.done", ({ item }) => seen.push(item.output, item.content?.[0]?.text));
  call.on("conversation.item.truncated", ({ audio_end_ms }) => seen.push(audio_end_ms));
  call.on("input_audio_buffer.committed", ({ previous_item_id }) => seen.push(previous_item_id));
  call.on("output_audio_buffer.cleared", ({ response_id }) => seen.push(response_id));
  call.on("rate_limits.updated", ({ rate_limits }) => seen.push(rate_limits[0]?.remaining));
  call.on("chuimsae.load", ({ at, rung }) => seen.push(at, rung));
  call.on("error", ({ error }) => seen.push(error.message, error.param));
  call.on("response.function_call_arguments.done", ({ call_id, name, arguments: given }) => {
    const item = { type: "function_call_output", call_id, output: `${name} ${given}` };
    call.send({ type: "conversation.item.create", item });
  });
  // @ts-expect-error: it is not of that event
  call.on("response.created", ({ item }) => seen.push(item));
  // @ts-expect-error: there is no such event
  call.on("response.began", () => seen.push(0));
  const stop: () => void = call.on("session.updated", ({ session }) => seen.push(session.id));
  try {
    await call.dial();
  } catch (error) {
    if (error instanceof RealtimeError && error.kind === "busy") seen.push(error.retryAfter);
  }
  stop();
  call.mute(true);
  call.interrupt();
  await call.useMicrophone(microphone);
  const reply = await ask("", "ice", { key: "ek_", within: 1000 });
  seen.push(wait(reply.headers.get("Retry-After")));
  call.hangUp();
}
