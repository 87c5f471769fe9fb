"""A loop that stands still is not heard in the calls it carries."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import pytest

from media.audio import AudioChunk
from media.native import native
from media.pacer import Pacer
from media.speaker import Speaker, SpeakerSettings
from tests.media.talking import talk, tone, until

STALL = 0.08


def block() -> None:
    time.sleep(STALL)  # noqa: ASYNC251 - as a callback does that computes too long


def hold_the_interpreter() -> None:
    ctypes.PyDLL(None).usleep(round(STALL * 1e6))  # no thread of Python's runs meanwhile


@pytest.mark.parametrize("codec", ["opus", "PCMU"])
@pytest.mark.parametrize("stall", [block, hold_the_interpreter])
async def test_packets_leave_on_time_while_the_loop_stands_still(
    stall: Callable[[], None], codec: str
) -> None:
    if native() is None:
        pytest.skip("no C compiler: each packet waits for the loop")
    lateness = list[tuple[float, float]]()
    pacer = Pacer(lambda step, packets: lateness.append((step, packets)))
    speaker = Speaker(SpeakerSettings(buffer=10.0))
    says = tone(0.1, 48_000)
    async with talk("short", says, codec=f"audio/{codec}", pacer=pacer, speaker=speaker) as call:
        await speaker.play(AudioChunk(tone(8.0, 48_000, 660.0), 48_000))
        await until(lambda: speaker.played > 0.3)

        def packets_were_on_time() -> bool:
            """Unless this machine stood still itself."""
            late = [(step, packets) for step, packets in lateness if step > STALL / 2]
            lateness.clear()
            stall()
            return bool(late) and all(packets < step / 2 for step, packets in late)

        await until(packets_were_on_time, 7.0)
        assert call.line.path == "short"
