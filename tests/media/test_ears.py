"""A call that is heard while Python sleeps is heard as it would be awake, and wakes it in time."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import numpy as np
import pytest

from media.audio import AudioChunk
from media.ears import Calm, Heard, Wanted
from media.packets import parse
from tests.media.lent_calls import (
    ANYTHING,
    QUIET,
    SPAN,
    LentCall,
    assert_heard_alike,
    noise,
)
from tests.media.two_readers import Sent, built

FAR = 60.0
"""Seconds in which a test is over."""


@pytest.fixture
async def call() -> Any:
    made = LentCall()
    made.begin()
    yield made
    made.close()


def quiet(*at: int) -> list[Sent]:
    return [Sent(each, payload=QUIET[each]) for each in at]


def talk(count: int) -> list[Sent]:
    """Quiet, noise, quiet and noise again, from the second packet on."""
    loud = noise(count)
    return [
        Sent(at, payload=loud[at] if at // 20 % 2 else QUIET[at % 60]) for at in range(1, count)
    ]


async def test_it_hears_and_judges_what_python_would(call: LentCall) -> None:
    packets = talk(100)
    for sent in packets:
        heard = await call.lent(sent)
        assert [len(step.sounds) for step in heard.steps] == [1]
        assert (heard.bytes > 0, heard.packets) == (True, 1)
    assert_heard_alike(call, [*quiet(0), *packets])
    voices = [voice for voice in call.voices if voice is not None]
    assert max(voices) > 0 and call.detector.is_open, "it was judged at all"


async def test_several_steps_are_heard_each_by_itself(call: LentCall) -> None:
    """A slow machine has more than one packet in some of them, or a gap."""
    packets = talk(60)
    for number, sent in enumerate(packets):
        call.send(sent)
        await asyncio.sleep(0.02)
        await call.lent_until_drained()
        if number % 12 == 11:
            call.take()
    call.take()
    heard = [step for each in call.all for step in each.steps if step.sounds]
    assert len(heard) > 20
    told = [65_500]
    for step in heard:
        after = step.after
        assert step.at is not None and after is not None
        assert after.heard_at <= step.at
        assert after.passed == len(step.sounds)
        told.append(told[-1] + after.passed)
        # No packet is seen that came after this step.
        assert after.sequence == (told[-1] + 1) & 0xFFFF
        begun = 2**32 - 9_600 + (told[-1] + 1 - 65_500) * SPAN
        assert after.timestamp == begun & 0xFFFFFFFF
    assert max(len(each.steps) for each in call.all) > 1
    following = call.heard.reception.next
    assert following is not None and following.sequence == (65_500 + 60) & 0xFFFF
    assert_heard_alike(call, [*quiet(0), *packets])


async def test_how_long_packets_waited_for_their_step_is_noted(call: LentCall) -> None:
    call.arrivals.waits.clear()
    call.network.ours.stamp()
    heard = await call.lent(*quiet(1))
    (step,) = heard.steps
    assert step.at is not None and step.after is not None
    assert list(call.arrivals.waits) == [step.at - step.after.heard_at]


async def test_nobody_is_woken_when_the_steps_are_over(call: LentCall) -> None:
    call.send(*quiet(1))
    assert call.lend(1)
    await asyncio.sleep(0.1)
    heard = call.take()
    assert (heard.wanted, heard.rest, heard.error) == (Wanted.NOT, (), None)
    assert [len(step.sounds) for step in heard.steps] == [1]
    assert call.calls == 0


async def woken(call: LentCall) -> Heard:
    async with asyncio.timeout(20):
        await call.wanted.wait()
    assert call.ear.is_lent, "until it is taken"
    return call.take()


async def test_a_gap_in_the_numbers_wakes_and_goes_on(call: LentCall) -> None:
    call.send(*quiet(1, 3, 4))
    assert call.lend(steps=16)
    heard = await woken(call)
    assert heard.wanted == Wanted.ARRIVAL
    assert [len(step.sounds) for step in heard.steps] == [1]
    assert [parse(each.data).sequence_number for each in heard.rest] == [65_503, 65_504]
    call.send(*quiet(2, 5))
    call.read()
    assert call.heard.reception.lost == 0
    assert len(np.concatenate(call.heard.sound)) == 6 * 320
    await call.lent(*quiet(6))
    assert len(np.concatenate(call.heard.sound)) == 7 * 320


async def test_what_is_no_rtp_wakes_and_is_handed_on_with_its_address(call: LentCall) -> None:
    stun = bytes.fromhex("000100002112a442") + bytes(12)
    call.send(*quiet(1))
    call.network.send(stun)
    call.send(*quiet(2))
    assert call.lend(steps=16)
    heard = await woken(call)
    assert heard.wanted == Wanted.ARRIVAL
    assert [len(step.sounds) for step in heard.steps] == [2], "what came after it passes too"
    assert call.heard.others == [(stun, call.network.caller.getsockname())]
    assert_heard_alike(call, quiet(0, 1, 2))


async def test_garbage_wakes_nobody(call: LentCall) -> None:
    for data in (b"", b"\x80\x6f" + bytes(30), b"\x80"):
        call.network.send(data)
    heard = await call.lent()
    # One byte may be anything; it is told to the protocol, which knows.
    assert [each.data for each in heard.rest] == [b"\x80"]
    call.network.send(b"\x80\x6f" + bytes(30))
    heard = await call.lent(*quiet(1))
    assert (heard.wanted, heard.rest) == (Wanted.NOT, ())


async def test_a_packet_of_another_length_wakes_and_what_follows_is_not_judged(
    call: LentCall,
) -> None:
    two = bytes([QUIET[1][0] | 1]) + QUIET[1][1:] * 2  # RFC 6716, section 3.2.3
    assert QUIET[1][0] & 3 == 0
    call.send(*quiet(1), Sent(2, payload=two), Sent(3, payload=QUIET[3], skewed=SPAN))
    assert call.lend(steps=16)
    heard = await woken(call)
    assert heard.wanted == Wanted.ARRIVAL
    (step,) = heard.steps
    assert [len(sound.samples) for sound in step.sounds] == [320, 640, 320]
    assert [sound.voice is None for sound in step.sounds] == [False, True, True]
    assert step.after is not None and step.after.passed == 3
    assert step.after.timestamp == (2**32 - 9_600 + 5 * SPAN) & 0xFFFFFFFF


@pytest.mark.parametrize("calm", [Calm(0.5, 1.0), Calm(-1.0, -0.5)])
async def test_a_probability_out_of_its_range_wakes(call: LentCall, calm: Calm) -> None:
    call.send(*quiet(1))
    assert call.lend(16, calm)
    heard = await woken(call)
    assert heard.wanted == Wanted.VOICE
    assert [sound.voice for sound in heard.steps[0].sounds] == [0.0]


async def test_the_gate_wakes_when_it_opens_and_not_while_it_is_open(call: LentCall) -> None:
    loud, opened = noise(12), 0
    for at in range(1, 12):
        was_open = call.detector.is_open
        heard = await call.lent(Sent(at, payload=loud[at]))
        opens = call.detector.is_open and not was_open
        assert heard.wanted == (Wanted.VOICE if opens else Wanted.NOT)
        opened += opens
    assert opened == 1


async def test_two_steps_without_a_packet_wake(call: LentCall) -> None:
    assert call.lend(steps=16)
    heard = await woken(call)
    assert heard.wanted == Wanted.GAP
    assert [step.sounds for step in heard.steps if step.at is not None] == [(), ()]
    assert all(step.after is None for step in heard.steps)


async def test_more_than_is_read_at_once_wakes_and_waits_in_the_socket(call: LentCall) -> None:
    call.send(*quiet(*range(1, 11)))
    assert call.lend(steps=16)
    heard = await woken(call)
    assert heard.wanted == Wanted.FLOOD
    assert [len(step.sounds) for step in heard.steps] == [4]
    call.read()
    assert len(call.heard.sound) == 11


async def test_nothing_is_lost_when_there_is_no_room_left(call: LentCall) -> None:
    packets = quiet(*range(1, 55))
    for at in range(0, 54, 3):
        call.send(*packets[at : at + 3])
        await call.lent_until_drained()
    call.take()
    assert_heard_alike(call, [*quiet(0), *packets])
    assert {heard.wanted for heard in call.all} <= {Wanted.FLOOD, Wanted.GAP, Wanted.NOT}


async def test_the_longest_packets_are_read_only_where_there_is_room_for_them(
    call: LentCall,
) -> None:
    toc, frame = QUIET[1][0], QUIET[1][1:]
    longest = bytes([toc | 3, 6]) + frame * 6  # RFC 6716, section 3.2.5: 120 ms
    for at in range(1, 21, 2):
        call.send(*quiet(at, at + 1))
        await call.lent_until_drained()
    call.send(*[Sent(21 + at, payload=longest, skewed=at * 5 * SPAN) for at in range(4)])
    async with asyncio.timeout(20):
        await call.wanted.wait()
    call.take()
    call.read()
    assert [len(sound) for sound in call.heard.sound] == [320] * 21 + [1920] * 4
    for heard in call.all:
        kept = sum(len(sound.samples) * 2 for step in heard.steps for sound in step.sounds)
        assert kept <= built().lib.HEARD_BYTES


async def test_an_error_of_the_socket_wakes_and_is_told(call: LentCall) -> None:
    address = call.network.caller.getsockname()
    call.network.ours._socket.connect(address)  # Linux tells it to connected sockets alone
    call.network.caller.close()
    call.network.ours.sendto(b"are you there?", address)
    assert call.lend(steps=16)
    heard = await woken(call)
    assert heard.wanted == Wanted.ERROR
    assert isinstance(heard.error, ConnectionRefusedError)


async def test_one_that_throws_when_it_is_woken_keeps_no_other_from_it(call: LentCall) -> None:
    """Its bug is told to the loop."""
    told = list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    other = LentCall()
    other.begin()
    call._on_wanted = lambda: 1 / 0  # type: ignore[method-assign,assignment]
    call.ear._on_wanted = call._on_wanted
    assert call.lend(16) and other.lend(16)
    await woken(other)
    assert [type(each["exception"]) for each in told] == [ZeroDivisionError]
    other.close()


async def test_it_can_be_taken_before_anything_was_heard(call: LentCall) -> None:
    call.send(*quiet(1))
    assert call.lend(16, late=-FAR)
    assert call.take().steps == ()
    assert not call.is_drained()
    call.read()
    assert len(call.heard.sound) == 2


async def test_steps_that_the_thread_came_too_late_for_are_left_out(call: LentCall) -> None:
    call.send(*quiet(1))
    assert call.lend(16, late=0.05)
    await call.drained()
    heard = call.take()
    assert [step.at for step in heard.steps[:2]] == [None, None]
    assert [len(step.sounds) for step in heard.steps if step.at is not None][0] == 1


async def test_one_that_is_not_lent_is_taken_as_often_as_one_likes(call: LentCall) -> None:
    assert call.take() == call.take() or call.all[0].steps == ()
    await call.lent(*quiet(1))
    again = call.take()
    assert (again.steps, again.rest, again.packets, again.wanted) == ((), (), 0, Wanted.NOT)
    call.ear.close()
    call.ear.close()
    assert call.take().steps == ()
    assert not call.lend()


@pytest.mark.parametrize("due", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e300])
async def test_no_time_is_none_to_be_lent_at(call: LentCall, due: float) -> None:
    assert not call.ear.lend(call.network.ours, due, 1, ANYTHING)
    assert not call.ear.is_lent
    await call.lent(*quiet(1))
    assert len(call.heard.sound) == 2


async def test_what_cannot_be_heard_in_c_is_not_lent(call: LentCall) -> None:
    assert not call.lend(steps=0) and not call.lend(steps=17)
    assert call.lend(1, late=-FAR)
    assert not call.lend(1), "it is already"
    call.take()
    call.arrivals.let_pass(None)
    assert not call.lend(1), "nothing passes"
    call.network.ours.close()
    assert not call.lend(1)


async def test_nobody_else_touches_what_is_lent(call: LentCall) -> None:
    assert call.lend(1, late=-FAR)
    with pytest.raises(AssertionError):
        call.read()
    with pytest.raises(AssertionError):
        call.arrivals.let_pass(None)
    chunk = AudioChunk(np.zeros(320, np.int16))
    with pytest.raises(AssertionError):
        call.detector.probability(chunk)
    assert call.detector.probability(AudioChunk(chunk.samples, voice=0.25)) == 0.25
    call.take()
    call.read()
    assert call.detector.probability(chunk) == 0.0


async def test_a_chunk_that_was_judged_is_not_heard_again(call: LentCall) -> None:
    loud = np.asarray(np.random.default_rng(2).standard_normal(8_000) * 9_000, np.int16)
    assert await call.detector.hear(AudioChunk(loud, voice=0.5)) == 0.5
    assert not call.detector.is_open
