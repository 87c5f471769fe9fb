"""What Whisper gains by understanding utterances that wait in one go, measured through the engine.

    python -m bench.stt_batch [--callers 1 2 4 8] [--seconds 2] [--shape tiny.en] [--workers 2]

So many callers stop speaking in the same moment, and all wait for their words: the first find the
workers free, the others a queue. Batches on and off take turns in each round. The weights are of
the true size and a script makes the words, the sound is noise: what it costs is real, what is
understood is not. CPU is that of the whole process.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from agent.engines.whisper import BatchSettings, Whisper, WhisperSettings
from bench.random_whisper import SMALL, TINY, TINY_EN, write_scripted
from media.audio import CALLER_RATE, AudioChunk

SHAPES = {"tiny.en": TINY_EN, "tiny": TINY, "small": SMALL}
WORDS = "what is the weather like"
"""24 tokens of this model's, as of a sentence of some 20 words."""
Waits = tuple[list[float], float]
"""Milliseconds until each caller's words were there, sorted, and of CPU for all of them."""


async def main(options: argparse.Namespace) -> None:
    """Measure and print a row per number of callers."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_scripted(Path(name), WORDS, shape=SHAPES[options.shape])
        engines = {
            "one by one": _engine(folder, options.workers, BatchSettings(most=1)),
            "in one go": _engine(folder, options.workers, BatchSettings()),
        }
        for engine in engines.values():
            await engine.start()
        print(f"Whisper {options.shape}, int8, {options.workers} workers of a thread each;")
        print(f"callers who stop speaking at once, after {options.seconds:g} s. Medians in ms:")
        print(f"{'callers':>8}{'':>12}{'median':>8}{'last':>8}{'CPU of each':>13}")
        for callers in options.callers:
            for arm, waits in (await _measured(engines, callers, options)).items():
                _print(callers, arm, waits)
        for engine in engines.values():
            await engine.aclose()


def _engine(folder: Path, workers: int, batch: BatchSettings) -> Whisper:
    settings = WhisperSettings(device="cpu", workers=workers, niceness=0, batch=batch)
    return Whisper(settings, {"en": folder})


async def _measured(
    engines: Mapping[str, Whisper], callers: int, options: argparse.Namespace
) -> dict[str, list[Waits]]:
    waits: dict[str, list[Waits]] = {arm: [] for arm in engines}
    for number in range(options.rounds + 1):
        for arm, engine in engines.items():
            measured = await _wait(engine, callers, options.seconds)
            if number:  # the first warms up
                waits[arm].append(measured)
    return waits


async def _wait(engine: Whisper, callers: int, seconds: float) -> Waits:
    recognitions = []
    for seed in range(callers):
        noise = np.random.default_rng(seed).normal(0, 1000, round(seconds * CALLER_RATE))
        recognitions.append(engine.open(language="en"))
        recognitions[-1].feed(AudioChunk(noise.astype(np.int16)))
    begun, begun_cpu, waits = time.perf_counter(), _cpu(), list[float]()
    for final in asyncio.as_completed([recognition.final() for recognition in recognitions]):
        await final
        waits.append(1000 * (time.perf_counter() - begun))
    return waits, 1000 * (_cpu() - begun_cpu)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _print(callers: int, arm: str, rounds: list[Waits]) -> None:
    median = statistics.median(statistics.median(waits) for waits, _ in rounds)
    last = statistics.median(waits[-1] for waits, _ in rounds)
    cpu = statistics.median(cpu / callers for _, cpu in rounds)
    print(f"{callers:>8}{arm:>12}{median:>8.0f}{last:>8.0f}{cpu:>13.0f}")


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    grammar = argparse.ArgumentParser(prog="bench.stt_batch", description=__doc__)
    grammar.add_argument("--callers", type=int, nargs="+", default=[1, 2, 4, 8])
    grammar.add_argument("--seconds", type=float, default=2.0)
    grammar.add_argument("--shape", choices=SHAPES, default="tiny.en")
    grammar.add_argument("--workers", type=int, default=2)
    grammar.add_argument("--rounds", type=int, default=9)
    return grammar


if __name__ == "__main__":
    asyncio.run(main(parser().parse_args()))
