"""How long a speaker needs nobody, and where it is while nobody calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from media.opus import FRAME_SECONDS
from media.speaker import Speaker, SpeakerSettings
from tests.media.test_speaker import send, speech
from tests.virtual_time import virtual


async def foreseeing(seconds: float = 3.0, **settings: float) -> Speaker:
    """A speaker that talks, and has told twelve packets."""
    speaker = Speaker(SpeakerSettings(buffer=10.0, **settings))
    await speaker.play(speech(seconds))
    speaker.leave()
    while len(speaker.prepare()) < 12:
        speaker.leave()
    return speaker


@virtual
async def test_a_speaker_is_at_rest_once_its_silence_needs_no_packets() -> None:
    speaker = Speaker()
    assert not speaker.is_at_rest
    await send(speaker, 0.2)
    assert speaker.is_at_rest
    await speaker.play(speech(0.1))
    assert not speaker.is_at_rest
    await send(speaker, 0.1)
    assert not speaker.is_at_rest, "some packets of silence follow"
    await send(speaker, 0.2)
    assert speaker.is_at_rest


@virtual
async def test_a_speaker_does_not_rest_through_the_packet_that_keeps_its_silence_alive() -> None:
    speaker = Speaker()
    await send(speaker, 0.2)
    for _ in range(100):
        rested = speaker.is_at_rest
        assert (speaker.leave() is None) == rested


@virtual
async def test_silence_says_how_many_steps_there_are_to_its_next_packet() -> None:
    speaker = Speaker()
    for _ in range(6):
        assert speaker.rest_steps == 0, "some packets of silence come first"
        assert speaker.leave() is not None
    for _ in range(5):
        for _ in range(speaker.rest_steps):
            assert speaker.leave() is None
        assert speaker.rest_steps == 0
        assert speaker.leave() is not None
    assert speaker.rest_steps == 19


@virtual
async def test_a_codec_that_knows_no_silence_never_rests() -> None:
    speaker = Speaker()
    speaker.speak_codec("PCMU")
    await send(speaker, 1.0)
    assert not speaker.is_at_rest
    assert speaker.rest_steps == 0


@virtual
async def test_what_was_told_ahead_may_leave_alone_but_for_five_packets() -> None:
    speaker = await foreseeing()
    assert [speaker.rest_steps for _ in range(9) if speaker.leave()] == [6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert not speaker.is_at_rest


@virtual
@pytest.mark.parametrize("change", [Speaker.duck, Speaker.pause, Speaker.hold, Speaker.clear])
async def test_a_speaker_that_changes_needs_the_next_step(
    change: Callable[[Speaker], None],
) -> None:
    speaker = await foreseeing()
    change(speaker)
    assert speaker.rest_steps == 0
    speaker.leave()
    speaker.prepare()
    assert speaker.rest_steps == 0


@virtual
async def test_what_waits_in_a_pause_is_never_rested_through() -> None:
    speaker = await foreseeing()
    speaker.pause()
    await send(speaker, 1.0)
    assert speaker.rest_steps == 0
    speaker.clear()
    assert speaker.rest_steps > 0


@virtual
async def test_a_rest_ends_before_the_step_in_which_somebody_is_to_be_told() -> None:
    speaker = await foreseeing()
    waiting = asyncio.create_task(speaker.reached(speaker.played + 3.5 * FRAME_SECONDS))
    await asyncio.sleep(0)
    assert speaker.rest_steps == 3
    for _ in range(3):
        speaker.leave()
        await asyncio.sleep(0)
        assert not waiting.done()
    assert speaker.rest_steps == 0
    speaker.leave()
    assert await waiting


@virtual
async def test_whoever_drives_is_told_who_waits_for_a_moment_within_the_rest() -> None:
    speaker = await foreseeing()
    told = list[str]()
    speaker.on_wait = lambda: told.append("soon")
    for steps, expected in ((9.5, []), (7.5, []), (6.5, ["soon"])):
        waiting = asyncio.create_task(speaker.reached(speaker.played + steps * FRAME_SECONDS))
        await asyncio.sleep(0)
        waiting.cancel()
        assert told == expected, steps
    await asyncio.sleep(0)
    draining = asyncio.create_task(speaker.drained())
    await asyncio.sleep(0)
    draining.cancel()
    assert told == ["soon"]


@virtual
async def test_what_leaves_while_nobody_calls_is_played_and_heard() -> None:
    speaker, awake = await foreseeing(listener_delay=0.05), await foreseeing(listener_delay=0.05)
    while speaker.played < awake.played:
        speaker.leave()
    while awake.played < speaker.played:
        awake.leave()
    for behind in range(8):
        speaker.behind = lambda behind=behind: behind
        for clock in ("played", "queued", "heard"):
            assert getattr(speaker, clock) == pytest.approx(getattr(awake, clock)), clock
        awake.leave()
    assert await speaker.reached(speaker.played - FRAME_SECONDS / 2)


@virtual
async def test_a_driver_who_is_very_late_plays_no_more_than_was_told() -> None:
    speaker = await foreseeing()
    played = speaker.played
    speaker.behind = lambda: 40
    assert speaker.played == pytest.approx(played + 12 * FRAME_SECONDS)


@virtual
async def test_what_has_left_goes_on_arriving_while_nobody_calls() -> None:
    speaker = Speaker(SpeakerSettings(listener_delay=0.3))
    await speaker.play(speech(0.4))
    await send(speaker, 0.54)
    assert speaker.heard == pytest.approx(0.24, abs=0.001)
    speaker.behind = lambda: 4
    assert speaker.heard == pytest.approx(0.32, abs=0.001)
    assert speaker.played == pytest.approx(0.4, abs=0.001)
    speaker.behind = lambda: 10_000
    assert speaker.heard == speaker.played
