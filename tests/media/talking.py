"""A call over two real aiortc peers: a line of ours, and what each side hears of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from media.audio import Samples
from media.line import Line, LineSettings
from media.microphone import Microphone
from media.pacer import Pacer
from media.speaker import Speaker
from tests.media.peers import Playing, connect

Path = Literal["short", "stock"]


def tone(seconds: float, rate: int, hertz: float = 440.0) -> Samples:
    turns = np.arange(round(seconds * rate)) * hertz * 2 * np.pi / rate
    return (np.sin(turns) * 10_000).astype(np.int16)


def pitch(samples: Samples, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def loud_part(samples: Samples, rate: int) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > 3000)
    return samples[loud[0] : loud[-1]] if len(loud) else samples[:0]


def tone_seconds(samples: Samples, rate: int) -> float:
    """How long a tone sounds in all: silence inside it (a stall of this machine) is left out."""
    above = 1 - 2 / np.pi * np.arcsin(0.3)
    level = 0.3 * np.percentile(np.abs(samples), 95)
    return float(np.count_nonzero(np.abs(samples) > level) / above / rate)


@dataclass
class Talk:
    """A line that is up, the far peer, and what each side has heard."""

    line: Line
    caller: Any
    callee: Any
    speaker: Speaker
    pacer: Pacer
    microphone: Microphone
    heard: list[Samples] = field(default_factory=list)
    answered: list[Samples] = field(default_factory=list)

    def what_was_heard(self) -> Samples:
        return np.concatenate([*self.heard, np.zeros(0, np.int16)])

    def what_was_answered(self) -> Samples:
        return np.concatenate([*self.answered, np.zeros(0, np.int16)])


@asynccontextmanager
async def talk(
    path: Path,
    says: Samples,
    *,
    codec: str = "audio/opus",
    pacer: Pacer | None = None,
    speaker: Speaker | None = None,
) -> AsyncIterator[Talk]:
    microphone, speaker, pacer = Microphone(), speaker or Speaker(), pacer or Pacer()
    lines: list[Line] = []

    def answer(callee: Any) -> None:
        lines.append(
            Line(
                callee.getTransceivers()[0],
                microphone=microphone,
                speaker=speaker,
                pacer=pacer,
                settings=LineSettings(path=path),
            )
        )

    async with connect(Playing(says, 48_000), answer, codec=codec) as (caller, callee):
        call = Talk(lines[0], caller, callee, speaker, pacer, microphone)

        async def hear() -> None:
            async for chunk in microphone:
                call.heard.append(chunk.samples)

        async def be_answered() -> None:
            while True:
                frame = await caller.getReceivers()[0].track.recv()
                samples = frame.to_ndarray().reshape(-1)
                call.answered.append(samples[:: len(frame.layout.channels)])

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(call.line.run())
            tasks.create_task(hear())
            answering = tasks.create_task(be_answered())
            yield call
            answering.cancel()
            # One that is cut off never ends, and nor does the next.
            await asyncio.shield(asyncio.gather(caller.close(), callee.close()))
            async with asyncio.timeout(5):
                await running


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the other peer sets no event
            await asyncio.sleep(0.02)


def is_rtp(data: bytes) -> bool:
    return not 192 <= data[1] <= 208
