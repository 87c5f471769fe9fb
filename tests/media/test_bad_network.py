"""A real call on the short path over a network that loses, delays, reorders and repeats.

Real peers, sockets and threads: that the call lives, and who is heard. How late the words are is
held to the packet in `test_weather.py`, where no machine stalls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.adaptation import Choice
from media.audio import AudioChunk, Resampler, Samples
from media.line import Line
from media.microphone import Microphone
from media.pacer import Pacer
from media.speaker import Speaker, SpeakerClosed
from media.voice import VoiceSettings, load_voice_model
from signaling.gathering import Gatherer
from signaling.ice import IceSettings
from tests.conftest import TestData
from tests.media.bad_network import Network, Weather, network, why_not
from tests.media.bursts import onsets
from tests.media.peers import Playing

CLEAN = Weather()
_OUTAGE = Weather(loss=1.0)


class Clocked(Playing):
    """Notes when its first sample was said."""

    begun = 0.0

    async def recv(self) -> av.AudioFrame:
        frame = await super().recv()
        self.begun = self.begun or asyncio.get_running_loop().time()
        return frame


@dataclass
class Call:
    """A call over a network; `heard`: when each chunk came to the microphone's reader."""

    network: Network
    says: Clocked
    speaker: Speaker
    heard: list[tuple[float, Samples]] = field(default_factory=list)
    answers: int = 0
    """Frames of the agent's voice that the caller has played."""
    choices: list[Choice] = field(default_factory=list)
    path: str = ""
    has_ended: bool = False

    def bursts(self) -> set[int]:
        """Which bursts were heard, by their seconds."""
        return {int(at - self.says.begun) for at in onsets(self.heard)}


def bursts(seconds: int) -> Samples:
    """A tone of 0.4 s at the start of every second, 48 kHz."""
    time = np.arange(seconds * 48_000) / 48_000
    tone = np.sin(2 * np.pi * 500 * time) * 12_000
    return np.asarray(tone * (time % 1.0 < 0.4), np.int16)


@pytest.fixture
def way() -> Iterator[Network]:
    if (why := why_not()) is not None:
        pytest.skip(why)
    with network() as made:
        yield made


@asynccontextmanager
async def calling(way: Network, says: Samples) -> AsyncIterator[Call]:
    """A call whose caller is on the far side, ours on the near one."""
    call = Call(way, Clocked(says, 48_000), Speaker())
    peers: list[RTCPeerConnection] = []

    async def offer() -> str:
        peers.append(pc := RTCPeerConnection(RTCConfiguration(iceServers=[])))
        pc.addTransceiver(call.says, direction="sendrecv")
        await pc.setLocalDescription(await pc.createOffer())
        return pc.localDescription.sdp

    async def take(answer: str) -> None:
        await peers[0].setRemoteDescription(RTCSessionDescription(answer, "answer"))
        track = peers[0].getReceivers()[0].track
        while True:
            await track.recv()
            call.answers += 1

    async def answer(sdp: str, told: asyncio.Future[str]) -> None:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        pc.getTransceivers()[0].direction = "sendrecv"
        microphone = Microphone()
        line = Line(
            pc.getTransceivers()[0],
            microphone=microphone,
            speaker=call.speaker,
            pacer=Pacer(),
            on_choice=call.choices.append,
        )
        call.path = line.path
        Gatherer(IceSettings()).prepare(pc)
        await pc.setLocalDescription(await pc.createAnswer())
        told.get_loop().call_soon_threadsafe(told.set_result, pc.localDescription.sdp)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_hear(microphone, call))
                tasks.create_task(_talk(call.speaker))
                await line.run()
                call.has_ended = True
                call.speaker.close()
        finally:
            await pc.close()

    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        sdp = await way.far.run(offer())
        answering = tasks.create_task(way.near.run(answer(sdp, told)))
        listening = tasks.create_task(way.far.run(take(await told)))
        try:
            async with asyncio.timeout(20):
                while not call.heard or not call.answers:  # noqa: ASYNC110 - another thread's
                    await asyncio.sleep(0.05)
            yield call
        finally:
            way.weather = CLEAN
            listening.cancel()
            await way.far.run(peers[0].close())
            async with asyncio.timeout(10):
                await answering


async def _hear(microphone: Microphone, call: Call) -> None:
    clock = asyncio.get_running_loop().time
    async for chunk in microphone:
        call.heard.append((clock(), chunk.samples))


async def _talk(speaker: Speaker) -> None:
    """An agent that never stops, so that there are packets to report on."""
    tone = (np.sin(np.arange(22_050) * 0.1) * 8_000).astype(np.int16)
    try:
        while True:
            await speaker.play(AudioChunk(tone, 22_050))
    except SpeakerClosed:
        return


async def until_said(call: Call, seconds: float) -> None:
    """Wait until the caller has said so much."""
    clock = asyncio.get_running_loop().time
    while clock() < call.says.begun + seconds:  # noqa: ASYNC110 - a thread of its own says it
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "weather",
    [
        pytest.param(Weather(loss=0.02), id="2 % lost"),
        pytest.param(Weather(loss=0.10), id="10 % lost"),
        pytest.param(Weather(jitter=0.06), id="60 ms of jitter"),
        pytest.param(Weather(reordered=0.1, repeated=0.1), id="reordered and repeated"),
        pytest.param(_OUTAGE, id="an outage of three seconds"),
    ],
)
async def test_a_call_goes_on_through_trouble_and_after_it(way: Network, weather: Weather) -> None:
    async with calling(way, bursts(13)) as call:
        assert call.path == "short"
        await until_said(call, 3.5)
        way.weather = weather
        await until_said(call, 6.5)
        way.weather = CLEAN
        answered = call.answers
        await until_said(call, 12.5)
        assert not call.has_ended
        assert call.answers > answered + 100, "the agent is not heard any more"
    heard = call.bursts()
    # A machine that stalls swallows a burst by itself now and then, so not each is asked for.
    assert len(heard & {8, 9, 10, 11, 12}) >= 3, "the call did not go on"
    if weather is not _OUTAGE:
        assert len(heard & {4, 5, 6}) >= 2, "the trouble swallowed the caller's words"


async def test_the_encoding_prepares_for_loss_that_the_caller_reports(way: Network) -> None:
    async with calling(way, bursts(2)) as call:
        way.weather = Weather(loss=0.25)
        async with asyncio.timeout(30):
            while not _is_prepared(call.choices):  # noqa: ASYNC110 - another thread's
                await asyncio.sleep(0.1)
        assert call.choices[-1].loss > 0.0


def _is_prepared(choices: list[Choice]) -> bool:
    return bool(choices) and choices[-1].fec and choices[-1].bitrate < Speaker().bitrate


@pytest.mark.real
async def test_speech_is_recognised_as_such_with_a_tenth_of_it_lost(
    way: Network, testdata: TestData
) -> None:
    samples, rate = soundfile.read(testdata.recording("weather").path, dtype="int16")
    resampler = Resampler(rate, 48_000)
    said = np.concatenate([resampler.feed(samples), resampler.flush()])
    async with calling(way, np.concatenate([said, said])) as call:
        await until_said(call, len(said) / 48_000)
        clean = len(call.heard)
        way.weather = Weather(loss=0.1)
        await until_said(call, 2 * len(said) / 48_000)
    model: Any = load_voice_model(VoiceSettings())
    shares = []
    for part in (call.heard[:clean], call.heard[clean:]):
        detector = model.detector()
        voiced = [detector.probability(AudioChunk(heard)) > 0.5 for _, heard in part]
        shares.append(sum(voiced) / len(voiced))
    print(f"taken for speech: {shares[0]:.2f} of it clean, {shares[1]:.2f} with a tenth lost")
    assert shares[0] > 0.2
    assert shares[1] > 0.8 * shares[0]
