"""Whatever happens while packets may leave by themselves, the wire has what it would have had."""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from aiortc.rtcdtlstransport import State
from aiortc.rtp import HeaderExtensionsMap
from hypothesis import given, settings
from hypothesis import strategies as st

from media import outward
from media.audio import AudioChunk
from media.clips import Clips
from media.departures import Left
from media.leaving import Leaving
from media.opus import FRAME_SECONDS, VOICE_RATE
from media.outward import Outward
from media.speaker import Speaker, SpeakerSettings
from media.track import Packet, Ticks
from tests.media.test_ahead import ACTS, voice
from tests.virtual_time import virtual

SAMPLES = {"opus": 960, "PCMA": 160}
"""Of a packet, by RTP's clock."""
_GRACE = 0.0015

Sent = tuple[bytes, int, int]
"""Payload, sequence number, timestamp."""


class Queue:
    """What `media/native/sendqueue.c` does, told the time."""

    def __init__(self, room: int = 16) -> None:
        self.wire: list[Sent] = []
        self._waiting: deque[tuple[Sent, float]] = deque()
        self._early: deque[Sent] = deque()
        self._room = room

    def pass_time(self, now: float) -> None:
        while self._waiting and self._waiting[0][1] + _GRACE <= now:
            self._early.append(self._waiting.popleft()[0])
            self.wire.append(self._early[-1])

    def send(self, payload: bytes, sequence: int, timestamp: int, marker: bool) -> int:
        self.wire.append((payload, sequence, timestamp))
        return len(payload)

    def queue(self, payload: bytes, sequence: int, timestamp: int, due: float) -> bool:
        if len(self._waiting) + len(self._early) >= self._room:
            return False
        self._waiting.append(((payload, sequence, timestamp), due))
        return True

    def release(self) -> Left | None:
        if self._early:
            return Left(len(self._early.popleft()[0]), late=0.002)
        if not self._waiting:
            return None
        self.wire.append(self._waiting.popleft()[0])
        return Left(len(self.wire[-1][0]), late=None)

    def take_back(self) -> int:
        self._waiting.clear()
        return len(self._early)


def outgoing(codec: str) -> tuple[Any, Outward]:
    """aiortc's sender, as far as it is looked at, and what it sends by."""
    pair = SimpleNamespace(protocol=SimpleNamespace(transport=None), remote_addr=None)
    ice = SimpleNamespace(_nominated={1: pair})
    dtls = SimpleNamespace(
        transport=SimpleNamespace(_connection=ice),
        _state=State.CONNECTED,
        _tx_srtp=None,
        _RTCDtlsTransport__tx_bytes=0,
        _RTCDtlsTransport__tx_packets=0,
    )
    sender = SimpleNamespace(
        transport=dtls,
        _ssrc=7,
        _enabled=True,
        _RTCRtpSender__rtp_header_extensions_map=HeaderExtensionsMap(),
        _RTCRtpSender__octet_count=0,
        _RTCRtpSender__packet_count=0,
    )
    spoken: Any = SimpleNamespace(clockRate=SAMPLES[codec] * 50, payloadType=111)
    return sender, Outward(sender, spoken, "0")


class Call:
    """A speaker and its way out, in a process that may be busy while time passes."""

    def __init__(self, room: int = 16, codec: str = "opus") -> None:
        self.queue = Queue(room)
        self.speaker = Speaker(SpeakerSettings(buffer=10.0), Clips())
        self.speaker.speak_codec(codec)
        self.sender, out = outgoing(codec)
        with patch.object(outward, "departures", lambda *_: self.queue):
            out._open_way()
        self.leaving = Leaving(self.speaker, out)
        self.speaker.before_change = self.leaving.take_back
        self.late: list[float | None] = []
        self._clock = asyncio.get_running_loop().time
        self._start = self._clock()
        self._ticks = Ticks(self._start)

    async def pass_time(self, seconds: float, *, busy: bool = False) -> None:
        """Time passes; busy: without a step being taken."""
        end = self._clock() + seconds
        while self._clock() < end:
            await asyncio.sleep(min(0.005, end - self._clock()))
            self.queue.pass_time(self._clock())
            while not busy and not self._ticks.wait(now := self._clock()):
                tick = self._ticks.take(now)
                self.late.append(self.leaving.step(tick, self._ticks.time(tick)))
                await asyncio.sleep(0)
                await asyncio.sleep(0)

    @property
    def packets(self) -> list[bytes]:
        return [payload for payload, _, _ in self.queue.wire]


_ACTS = {
    **{what: act for what, act in ACTS.items() if what not in ("telephone", "browser")},
    "nothing": lambda speaker: None,
}
_PHRASE = AudioChunk(voice(0.13, seed=9), VOICE_RATE)
Script = list[tuple[str, int, int]]
"""What is done, then milliseconds that pass, and milliseconds for which the process is busy."""


async def do(speaker: Speaker, what: str, amount: int) -> None:
    if what == "say":
        await speaker.play(AudioChunk(voice(0.1 + amount / 400, seed=amount), VOICE_RATE))
    elif what == "phrase":
        await speaker.play(_PHRASE)
    else:
        _ACTS[what](speaker)


async def _busy_call(script: Script, codec: str) -> tuple[Call, list[int]]:
    """A call, and at which step each thing was done: where the listener was."""
    call, steps = Call(codec=codec), list[int]()
    await do(call.speaker, "phrase", 0)  # the second time it is a clip
    for what, passes, busy in script:
        if call.speaker.before_change is not None:
            call.leaving.take_back()  # so that the step is the one where the listener is
        steps.append(call.leaving._through + 1)
        await do(call.speaker, what, passes)
        await call.pass_time(passes / 1000)
        await call.pass_time(busy / 1000, busy=True)
    await call.pass_time(0.1)
    return call, steps


async def _plain_call(
    script: Script, codec: str, at: list[int], last: int
) -> list[tuple[int, bytes]]:
    """Steps and packets of a speaker to which the same happens at the same steps, and whose packets
    all wait for it."""
    speaker, left = Speaker(SpeakerSettings(buffer=10.0), Clips()), list[tuple[int, bytes]]()
    speaker.speak_codec(codec)
    await do(speaker, "phrase", 0)
    step = 0
    for place, (what, passes, _) in enumerate([*script, ("nothing", 0, 0)]):
        until = at[place] if place < len(at) else last + 1
        while step < until:
            packet: Packet | None = speaker.leave()
            if packet is not None:
                left.append((step, packet.payload))
            step += 1
        await do(speaker, what, passes)
    return left


@pytest.mark.parametrize("codec", SAMPLES)
@given(
    script=st.lists(
        st.tuples(
            st.sampled_from(["say", "say", "phrase", *_ACTS]),
            st.integers(5, 400),
            st.integers(0, 350),
        ),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_the_wire_has_what_it_would_have_had_if_each_packet_had_waited(
    codec: str, script: Script
) -> None:
    @virtual
    async def run() -> None:
        call, steps = await _busy_call(script, codec)
        wire = call.queue.wire
        origin = wire[0][2] if wire else 0
        first = wire[0][1] if wire else 0
        plain = await _plain_call(script, codec, steps, call.leaving._through)
        assert call.packets == [payload for _, payload in plain]
        assert [number for _, number, _ in wire] == list(range(first, first + len(wire)))
        beginning = plain[0][0] if plain else 0
        assert [time - origin & 0xFFFFFFFF for _, _, time in wire] == [
            (step - beginning) * SAMPLES[codec] for step, _ in plain
        ]
        sender: Any = call.sender
        assert sender._RTCRtpSender__packet_count + len(call.queue._early) == len(wire)

    run()


async def talking(room: int = 16, codec: str = "opus") -> Call:
    """A call whose agent talks, and has much to say."""
    call = Call(room, codec)
    await call.speaker.play(AudioChunk(voice(3.0), VOICE_RATE))
    await call.pass_time(0.3)
    return call


@virtual
@pytest.mark.parametrize("codec", SAMPLES)
async def test_a_busy_process_is_not_heard_for_a_while(codec: str) -> None:
    call = await talking(codec=codec)
    for busy in (0.05, 0.08, 0.09):
        before = len(call.queue.wire)
        await call.pass_time(busy, busy=True)
        left = len(call.queue.wire) - before
        assert left == pytest.approx(busy / FRAME_SECONDS, abs=1), "they leave by themselves"
        await call.pass_time(0.25)
    assert any(late is not None for late in call.late)


@virtual
async def test_while_the_process_is_on_time_nothing_leaves_by_itself() -> None:
    call = await talking()
    await call.pass_time(1.0)
    assert set(call.late) == {None}
    assert len(call.queue.wire) == pytest.approx(1.3 / FRAME_SECONDS, abs=2)


@virtual
@pytest.mark.parametrize("codec", SAMPLES)
async def test_a_duck_is_in_the_very_next_packet_that_leaves(codec: str) -> None:
    call = await talking(codec=codec)
    await call.pass_time(0.05, busy=True)
    before, played = len(call.queue.wire), call.speaker.played
    call.speaker.duck()
    gone_through = round((call.speaker.played - played) / FRAME_SECONDS)
    assert gone_through >= 2, "the speaker is where the listener is"
    await call.pass_time(0.3)
    quiet = await talking(codec=codec)
    await quiet.pass_time(0.6)
    assert call.packets[:before] == quiet.packets[:before]
    assert call.packets[before] != quiet.packets[before]
    assert len(call.queue.wire) == pytest.approx(0.65 / FRAME_SECONDS, abs=2)


@virtual
async def test_what_left_by_itself_before_a_change_is_not_told_late() -> None:
    call = await talking()
    await call.pass_time(0.07, busy=True)
    call.speaker.duck()
    del call.late[:]
    await call.pass_time(0.06)
    taken = [late for late in call.late if late is not None]
    assert len(taken) >= 3
    assert max(taken) < 0.005


@virtual
async def test_a_process_that_stood_still_goes_on_where_the_listener_is() -> None:
    call = await talking()
    await call.pass_time(1.2, busy=True)  # more than is queued, and steps are left out
    left = len(call.queue.wire)
    await call.pass_time(0.2)
    played = call.speaker.played
    assert played == pytest.approx(len(call.queue.wire) * FRAME_SECONDS)
    numbers = [number for _, number, _ in call.queue.wire]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(call.queue.wire) > left


@virtual
async def test_what_does_not_fit_waits_for_its_step() -> None:
    call = await talking(room=2)
    await call.pass_time(0.4)
    plain = await talking()
    await plain.pass_time(0.4)
    assert call.packets == plain.packets


@virtual
async def test_a_way_that_ends_sends_nothing_more() -> None:
    call = await talking()
    call.speaker.unduck()  # what was queued is taken back
    call.leaving.step(call.leaving._through + 1, 0.0)  # and queued again, as soon as there is time
    call.leaving.end()
    before = len(call.queue.wire)
    await call.pass_time(0.3, busy=True)
    assert len(call.queue.wire) == before


@virtual
async def test_a_way_that_ends_leaves_the_speaker_where_the_listener_was() -> None:
    call = await talking()
    await call.pass_time(0.07, busy=True)
    call.leaving.end()
    assert call.speaker.played == pytest.approx(len(call.queue.wire) * FRAME_SECONDS)


def elsewhere(call: Call) -> Queue:
    """The listener has moved: the way there from now on."""
    call.sender.transport.transport._connection._nominated = {
        1: SimpleNamespace(protocol=SimpleNamespace(transport=None), remote_addr=1)
    }
    return Queue()


@virtual
@pytest.mark.parametrize("busy", [0.0, 0.07])
async def test_another_way_to_the_listener_goes_on_with_the_next_packet(busy: float) -> None:
    call = await talking()
    await call.pass_time(busy, busy=True)
    new = elsewhere(call)
    with patch.object(outward, "departures", lambda *_: new):
        await call.pass_time(0.2)
    old, after = call.queue.wire, new.wire
    assert after[0][1] == old[-1][1] + 1
    assert after[0][2] - old[-1][2] & 0xFFFFFFFF == SAMPLES["opus"]
    assert len(np.unique([number for _, number, _ in [*old, *after]])) == len(old) + len(after)
    assert len({payload for payload, _, _ in [*old, *after]}) == len(old) + len(after)
    assert call.speaker.played == pytest.approx((len(old) + len(after)) * FRAME_SECONDS)


@virtual
async def test_a_listener_who_moves_behind_a_step_goes_on_with_the_next_packet() -> None:
    call = await talking()
    step = call.leaving._through + 1
    call.queue.pass_time(asyncio.get_running_loop().time() + 0.07)
    new = elsewhere(call)
    with patch.object(outward, "departures", lambda *_: new):
        call.leaving._prepare(step - 1, 0.0)
        await call.pass_time(0.2)
    packets = [*call.queue.wire, *new.wire]
    assert len({payload for payload, _, _ in packets}) == len(packets)


@virtual
async def test_a_muted_sender_drops_what_is_queued() -> None:
    call = await talking()
    call.sender._enabled = False
    await call.pass_time(0.04)
    before = len(call.queue.wire)
    await call.pass_time(0.2, busy=True)
    assert len(call.queue.wire) == before
