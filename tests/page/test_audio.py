"""What a real browser makes of the packets of the short path: sound without holes, as it counts.

The agent speaks and is silent in turns: silence is hardly sent, so each talk spurt must tell the
browser's jitter buffer that it begins, and no silence may be taken for a loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from playwright.async_api import Page

from media.audio import AudioChunk
from media.line import Line
from media.microphone import Microphone
from media.pacer import Pacer
from media.speaker import Speaker
from tests.page.conftest import OpenPage
from tests.page.steps import poll, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RATE = 22_050
SPURTS, SPURT = 4, 1.5
"""How often the agent speaks, and how many seconds each time."""
KEEPALIVES = 2
"""Packets that may be under way when both sides are counted: in silence one leaves in 400 ms."""
ROUNDS = 3
PAGE = """<!doctype html><title>A caller</title><audio id="voice" autoplay></audio><script>
async function call() {
  window.peer = new RTCPeerConnection();
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  peer.addTrack(microphone.getTracks()[0], microphone);
  peer.ontrack = ({ track }) => {
    document.getElementById("voice").srcObject = new MediaStream([track]);
  };
  await peer.setLocalDescription();
  await new Promise((done) => {
    if (peer.iceGatheringState === "complete") done();
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
  });
  const answer = await fetch("/offer", { method: "POST", body: peer.localDescription.sdp });
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
}
call();
</script>"""
STATS = """async () => {
  const reports = window.peer ? [...(await window.peer.getStats()).values()] : [];
  return reports.find((each) => each.type === "inbound-rtp" && each.kind === "audio") ?? null;
}"""

Stats = dict[str, Any]


@dataclass
class Agent:
    """A server of one call, on the short path."""

    speaker: Speaker = field(default_factory=Speaker)
    microphone: Microphone = field(default_factory=Microphone)
    peer: RTCPeerConnection | None = None
    line: Line | None = None
    running: asyncio.Task[None] | None = None

    async def offer(self, request: web.Request) -> web.Response:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        sdp = await request.text()
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        transceiver = self.peer.getTransceivers()[0]
        transceiver.direction = "sendrecv"
        self.line = Line(
            transceiver, microphone=self.microphone, speaker=self.speaker, pacer=Pacer()
        )
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        self.running = asyncio.get_running_loop().create_task(self.line.run())
        return web.Response(text=self.peer.localDescription.sdp)

    async def page(self, request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def close(self) -> None:
        self.speaker.close()
        if self.peer is not None:
            await self.peer.close()
        if self.running is not None:
            await self.running


@pytest_asyncio.fixture(loop_scope="session")
async def agent() -> Agent:
    return Agent()


@pytest_asyncio.fixture(loop_scope="session")
async def url(agent: Agent) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([web.get("/", agent.page), web.post("/offer", agent.offer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0).start()
    yield f"http://localhost:{runner.addresses[0][1]}/"
    await agent.close()
    await runner.cleanup()


def spurt(seconds: float) -> AudioChunk:
    """A voice-like buzz."""
    at = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 140 * n * at) / n for n in range(1, 12))
    return AudioChunk(
        (buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at)) * 5_000).astype(np.int16), RATE
    )


async def received(page: Page) -> Stats:
    """What the browser counts of the agent's audio, once it has any."""
    stats: Stats = await poll(lambda: page.evaluate(STATS))
    return stats


async def sent(agent: Agent) -> int:
    """Packets that have left the agent."""
    assert agent.peer is not None
    reports = (await agent.peer.getSenders()[0].getStats()).values()
    return next(int(each.packetsSent) for each in reports if each.type == "outbound-rtp")


@dataclass(frozen=True)
class Heard:
    """What a browser counted between two looks. Shares 0..1 of all sound, seconds."""

    packets: float
    sent: int
    """Packets that the agent sent meanwhile."""
    lost: float
    seconds: float
    concealed: float
    """Audibly; comfort noise in a silence is none."""
    waited: float
    """In the jitter buffer."""
    wanted: float
    """What the buffer meant to wait, by the jitter that it saw: of this machine, on loopback."""

    @classmethod
    def between(cls, before: Stats, after: Stats, sent: int) -> Heard:
        def grown(name: str) -> float:
            return float(after[name]) - float(before[name])

        samples = grown("totalSamplesReceived")
        return cls(
            packets=grown("packetsReceived"),
            sent=sent,
            lost=grown("packetsLost"),
            seconds=samples / 48_000,
            concealed=(grown("concealedSamples") - grown("silentConcealedSamples")) / samples,
            waited=grown("jitterBufferDelay") / grown("jitterBufferEmittedCount"),
            wanted=grown("jitterBufferTargetDelay") / grown("jitterBufferEmittedCount"),
        )


async def test_the_agents_voice_has_no_holes_through_talk_and_silence(
    url: str, agent: Agent, open_page: OpenPage
) -> None:
    page = await open_page(url)
    await until(lambda: agent.line is not None)
    assert agent.line is not None and agent.line.path == "short"
    await agent.speaker.play(spurt(1.0))  # the browser's buffer finds its length
    await agent.speaker.drained()
    await asyncio.sleep(1.0)
    # Each packet counts, in every round. But a starved browser makes holes of its own: one round
    # without any shows that the packets make none.
    for _ in range(ROUNDS):
        heard = await talk_and_be_silent(page, agent)
        print(heard)
        assert heard.lost == 0
        assert heard.sent >= SPURTS * SPURT * 50
        assert heard.packets == pytest.approx(heard.sent, abs=KEEPALIVES)
        assert heard.seconds > SPURTS * 2.5
        if heard.concealed < 0.005 and heard.waited < heard.wanted + 0.06:
            return
    pytest.fail(f"the agent's voice has holes or is held back in each of {ROUNDS} rounds: {heard}")


async def talk_and_be_silent(page: Page, agent: Agent) -> Heard:
    before, sent_before = await received(page), await sent(agent)
    for _ in range(SPURTS):
        await agent.speaker.play(spurt(SPURT))
        await agent.speaker.drained()
        await asyncio.sleep(1.2)
    after = await received(page)
    return Heard.between(before, after, await sent(agent) - sent_before)


async def test_the_browsers_microphone_is_heard_without_holes(
    url: str, agent: Agent, open_page: OpenPage
) -> None:
    await open_page(url)
    heard: list[AudioChunk] = []

    async def hear() -> None:
        async for chunk in agent.microphone:
            heard.append(chunk)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(hear())
        await until(lambda: len(heard) > 300, 15)
        hearing.cancel()
    short = agent.line._short if agent.line is not None else None
    assert short is not None and short.reception is not None
    assert (short.reception.lost, short.reception.concealed) == (0, 0.0)
    sound = np.concatenate([chunk.samples for chunk in heard[50:]])
    loud = np.abs(sound.reshape(-1, 320)).max(axis=1) > 2_000
    # The buzz is on for 0.9 s of each 1.5 s: a hole would cut a stretch of it in two.
    edges = np.flatnonzero(np.diff(loud.astype(int)))
    stretches = [int(length) for length in np.diff(edges)]
    print(f"stretches of sound and silence, in chunks of 20 ms: {stretches}")
    assert len(stretches) >= 4
    assert sum(25 <= length <= 50 for length in stretches) > 0.7 * len(stretches)
