"""Whatever happens while packets may leave by themselves, the wire has what it would have had."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import outward
from media.opus import FRAME_SECONDS
from tests.media.ways_out import (
    OTHER_ACTS,
    SAMPLES,
    Call,
    Queue,
    Script,
    busy_call,
    plain_call,
    talking,
)
from tests.virtual_time import virtual


@pytest.mark.parametrize("most", [0, 16], ids=["awake", "resting"])
@pytest.mark.parametrize("codec", SAMPLES)
@given(
    script=st.lists(
        st.tuples(
            st.sampled_from(["say", "say", "phrase", *OTHER_ACTS]),
            st.integers(5, 400),
            st.integers(0, 350),
        ),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_the_wire_has_what_it_would_have_had_if_each_packet_had_waited(
    codec: str, most: int, script: Script
) -> None:
    @virtual
    async def run() -> None:
        call, steps = await busy_call(script, codec, most)
        wire = call.queue.wire
        origin = wire[0][2] if wire else 0
        first = wire[0][1] if wire else 0
        plain = await plain_call(script, codec, steps, call.leaving._through)
        assert call.packets == [payload for _, payload in plain]
        assert [number for _, number, _ in wire] == list(range(first, first + len(wire)))
        beginning = plain[0][0] if plain else 0
        assert [time - origin & 0xFFFFFFFF for _, _, time in wire] == [
            (step - beginning) * SAMPLES[codec] for step, _ in plain
        ]
        sender: Any = call.sender
        assert sender._RTCRtpSender__packet_count + len(call.queue._early) == len(wire)

    run()


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
    before, gone_through = len(call.queue.wire), call.leaving._through
    call.speaker.duck()
    assert call.leaving._through >= gone_through + 2, "the speaker is where the listener is"
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
