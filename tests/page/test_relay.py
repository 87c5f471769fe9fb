"""Chromium behind a firewall: nothing but coturn's relay is allowed, and a conversation is held.

The microphone asks the same question again and again: first over a story that does not end, then
of a model that wants a tool.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser

from agent.engines.protocols import ReplyRequest
from media.audio import Resampler
from server.app import create_app, listening
from tests.page.conftest import microphone_flags, write_wav
from tests.server.house import settings, spoken, stages
from tests.signaling.coturn import SECRET, coturn
from tests.signaling.realtime.asking import Asking

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CALL = """async ({key}) => {
  const headers = { Authorization: `Bearer ${key}` };
  const secret = await fetch("v1/realtime/client_secrets", { method: "POST", headers });
  const bearer = { Authorization: `Bearer ${(await secret.json()).value}` };
  const { ice_servers: iceServers } = await (await fetch("ice", { headers: bearer })).json();
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  for (const track of microphone.getTracks()) peer.addTrack(track, microphone);
  const events = [];
  const heard = new Promise((resolve, reject) => {
    const channel = peer.createDataChannel("oai-events");
    const send = (event) => channel.send(JSON.stringify(event));
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const tools = [{ type: "function", name: "weather", description: "The weather.", parameters }];
    channel.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      events.push(event);
      if (event.type === "response.done" && event.response.status === "cancelled") {
        send({ type: "nonsense", event_id: "bad" });
        send({ type: "session.update", session: { type: "realtime", tools } });
      } else if (event.type === "response.function_call_arguments.done") {
        const output = { type: "function_call_output", call_id: event.call_id, output: "warm" };
        send({ type: "conversation.item.create", item: output });
        send({ type: "response.create" });
      } else if (event.type === "response.output_audio_transcript.done") {
        if (event.transcript === "It is warm.") resolve();
      }
    };
    setTimeout(() => reject(new Error(JSON.stringify(events.map(({ type }) => type)))), 40000);
  });
  await peer.setLocalDescription();
  while (peer.iceGatheringState !== "complete") {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const body = peer.localDescription.sdp;
  const offering = { ...bearer, "Content-Type": "application/sdp" };
  const answer = await fetch("v1/realtime/calls", { method: "POST", body, headers: offering });
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  await heard;
  const stats = await peer.getStats();
  const pairs = [...stats.values()]
    .filter(({ type, nominated }) => type === "candidate-pair" && nominated);
  const hungUp = await fetch(answer.headers.get("Location"), { method: "DELETE", headers: bearer });
  peer.close();
  return {
    offered: body.match(/typ [a-z]+/g),
    paths: pairs.map((pair) => stats.get(pair.localCandidateId).candidateType),
    bytes: pairs.reduce((sum, pair) => sum + pair.bytesReceived, 0),
    transcripts: events.filter(({ type }) => type.endsWith("transcription.completed"))
      .map(({ transcript }) => transcript),
    cut: events.filter(({ type }) => type === "response.done")
      .map(({ response }) => response.status_details?.reason),
    errors: events.filter(({ type }) => type === "error").map(({ error }) => error.event_id),
    hungUp: hungUp.status,
  };
}"""


class Talkative(Asking):
    """Tells a story until it is offered a tool."""

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        if request.tools.offered:
            async with aclosing(super().reply(request)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        for number in range(20):
            yield f"Then the bear went over mountain number {number}, and saw another one. "


async def test_a_conversation_is_held_through_coturn_alone(
    launch: Callable[..., Awaitable[Browser]], tmp_path: Path
) -> None:
    question = await spoken("What time is it?")
    resampler = Resampler(question.rate, 48_000)
    samples = np.concatenate([resampler.feed(question.samples), resampler.flush()]) / 32768
    quiet = np.zeros(3 * 48_000)
    recording = write_wav(tmp_path / "question.wav", np.concatenate([quiet, samples, quiet]))
    key = "a-key-from-the-settings"
    model = Talkative(("weather", '{"city": "Seoul"}'))
    async with coturn(tmp_path) as port, stages("what time is it", model=model) as standing:
        urls = [f"turn:127.0.0.1:{port}?transport=udp"]
        configured = settings(
            server={"port": 0, "state": str(tmp_path / "state")},
            ice={"bind": ["127.0.0.1"], "turn": {"urls": urls, "secret": SECRET}},
            access={"required": True, "keys": {"phone": key}},
        )
        async with listening(create_app(configured, standing), configured.server) as url:
            browser = await launch(*microphone_flags(recording))
            page = await browser.new_page()
            # A page of the server's own that does nothing by itself.
            await page.goto(f"{url}/healthz")
            told = await page.evaluate(CALL, {"key": key})
            await browser.close()
    assert told["offered"] and set(told["offered"]) == {"typ relay"}
    assert told["paths"] == ["relay"] and told["bytes"] > 10_000
    assert set(told["transcripts"]) == {"what time is it"}
    assert "turn_detected" in told["cut"] and "bad" in told["errors"]
    assert told["hungUp"] == 200
