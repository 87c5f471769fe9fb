"""Utterances that Whisper understands in one go: as each alone, and none at another's cost.

Random weights of the true shape say something else of every sound, so a mix-up would be seen.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from faster_whisper import WhisperModel

from agent.engines import whisper as whisper_engine
from agent.engines.jobs import Stop, Wanted
from agent.engines.protocols import Priority, Transcript
from agent.engines.threads import Workers
from agent.engines.whisper import BatchSettings, Whisper, WhisperRecognition, WhisperSettings
from agent.engines.whisper_decoding import Attempt, Decoder, DecodingSettings
from agent.errors import EngineFailed
from bench.random_whisper import TINY_EN, Shape, write_random, write_scripted
from media.audio import AudioChunk, Samples
from tests.agent.engines.test_threads import Gate, happened
from tests.agent.engines.test_whisper_decoding import Watched

ALONE = BatchSettings(most=1)
SCRIPT = "it is sunny"
"""Of which a letter is a token."""


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random(tmp_path_factory.mktemp("random"), TINY_EN)


@pytest.fixture(scope="module")
def scripted_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scripted(tmp_path_factory.mktemp("scripted"), SCRIPT)


def noise(seconds: float, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1000, round(seconds * 16_000)).astype(np.int16)


def loaded(folder: Path, **settings: Any) -> tuple[Watched, Decoder]:
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    watched = Watched(model)
    return watched, Decoder(watched, DecodingSettings(**settings))  # type: ignore[arg-type]  # stands for a model


def looks(decoder: Decoder, utterances: Sequence[Samples]) -> list[Attempt | None]:
    return decoder.look([Wanted(samples, Stop()) for samples in utterances], "en")


def alone(decoder: Decoder, samples: Samples) -> Attempt | None:
    return looks(decoder, [samples])[0]


@pytest.mark.parametrize("seconds", [(2.0,) * 4, (0.4, 1.0, 1.7, 2.5), (4.0, 4.0)])
def test_a_batch_of_random_weights_is_to_the_bit_what_each_is_alone(
    random_model: Path, seconds: tuple[float, ...]
) -> None:
    _, decoder = loaded(random_model)
    utterances = [noise(each, seed) for seed, each in enumerate(seconds)]
    together = looks(decoder, utterances)
    assert together == [alone(decoder, samples) for samples in utterances]
    assert len(set(together)) == len(utterances)


def test_a_batch_of_a_script_is_one_pass_of_the_model(scripted_model: Path) -> None:
    model, decoder = loaded(scripted_model)
    utterances = [noise(each, 1) for each in (0.5, 1.0, 2.5)]
    together = looks(decoder, utterances)
    assert model.encoded == [(3, 80, 500)]
    assert len(model.asked) == 1
    assert together == [alone(decoder, samples) for samples in utterances]
    assert all(attempt and attempt.text == SCRIPT for attempt in together)


def test_a_text_that_is_cut_off_earlier_than_the_others_is_as_it_is_alone(
    scripted_model: Path,
) -> None:
    model, decoder = loaded(scripted_model, spare_tokens=1)
    short, long = noise(0.5, 1), noise(2.4, 2)
    together = looks(decoder, [short, long])
    assert model.encoded == [(2, 80, 500), (1, 80, 500)]
    assert together == [alone(decoder, short), alone(decoder, long)]
    first, second = together
    assert first is not None and first.text == "it is sun" and first.doubtful
    assert second is not None and second.text == SCRIPT


def test_a_batch_goes_on_while_anybody_waits_for_it(scripted_model: Path) -> None:
    model, decoder = loaded(scripted_model)
    wanted = [Wanted(noise(1.0, seed), Stop()) for seed in (1, 2)]
    wanted[0].stop.set()
    assert decoder.look(wanted, "en")[1] == alone(decoder, wanted[1].item)
    model.encoded.clear()
    wanted[1].stop.set()
    assert decoder.look(wanted, "en") == [None, None]
    assert model.encoded == []


# -- through the engine ---------------------------------------------------------------------------


@asynccontextmanager
async def engine(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    device: Literal["cpu", "cuda"] = "cpu",
    **settings: Any,
) -> AsyncGenerator[tuple[Whisper, Watched], None]:
    """Whisper with one worker, and what it asks of the model, which is on the CPU in any case."""
    models: list[Watched] = []
    usual = whisper_engine._open_model

    def open_model(folder: Path, device: str, compute_type: str, workers: int) -> Any:
        models.append(Watched(usual(folder, "cpu", "int8", workers)))
        return models[-1]

    monkeypatch.setattr(whisper_engine, "_has_gpu", lambda: True)
    monkeypatch.setattr(whisper_engine, "_open_model", open_model)
    chosen = WhisperSettings(device=device, niceness=0, workers=1, **settings)
    whisper = Whisper(chosen, {"en": folder})
    await whisper.start()
    models[0].encoded.clear()
    yield whisper, models[0]
    await whisper.aclose()


async def waiting(
    whisper: Whisper, seconds: Sequence[float], priority: Priority = Priority.COMMITTED
) -> list[Transcript]:
    """The finals of utterances that all wait for the one worker."""
    gate = Gate()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(whisper._workers.run(gate))
        await happened(gate.began)
        finals = []
        for seed, length in enumerate(seconds):
            recognition = whisper.open(language="en")
            recognition.feed(AudioChunk(noise(length, seed)))
            finals.append(tasks.create_task(recognition.final(priority=priority)))
        await asyncio.sleep(0)
        gate.opened.set()
    return [final.result() for final in finals]


async def test_what_waits_for_a_worker_is_understood_as_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their texts are all doubtful, so that each is looked at again at 30 s, by itself."""
    lengths = (1.0, 3.0, 2.0, 3.0)
    random_model = write_random(tmp_path / "random", Shape())
    async with engine(random_model, monkeypatch) as (whisper, model):
        together = await waiting(whisper, lengths)
    shapes = [shape[::2] for shape in model.encoded]
    assert shapes.count((2, 500)) == shapes.count((2, 550)) == 1
    assert shapes.count((1, 3000)) == 4
    async with engine(random_model, monkeypatch, batch=ALONE) as (whisper, model):
        assert await waiting(whisper, lengths) == together
    assert all(shape[0] == 1 for shape in model.encoded)


@pytest.mark.parametrize(
    ("batch", "goes"),
    [
        (BatchSettings(), [4]),
        (BatchSettings(most=3), [3, 1]),
        (BatchSettings(seconds=10.0), [2, 2]),
        (BatchSettings(seconds=1.0), [1, 1, 1, 1]),
    ],
)
async def test_a_batch_is_bounded(
    scripted_model: Path, monkeypatch: pytest.MonkeyPatch, batch: BatchSettings, goes: list[int]
) -> None:
    async with engine(scripted_model, monkeypatch, batch=batch) as (whisper, model):
        await waiting(whisper, (1.0,) * 4)
    assert [shape[0] for shape in model.encoded] == goes


@pytest.mark.parametrize(
    ("device", "batch", "goes"),
    [
        ("cpu", BatchSettings(), [3, 1]),
        ("cuda", BatchSettings(), [4]),
        ("cuda", BatchSettings(seconds=20.0), [2, 2]),
    ],
)
async def test_a_gpu_understands_more_sound_in_one_go(
    scripted_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: Literal["cpu", "cuda"],
    batch: BatchSettings,
    goes: list[int],
) -> None:
    async with engine(scripted_model, monkeypatch, device=device, batch=batch) as (whisper, model):
        await waiting(whisper, (6.0,) * 4)
    assert [shape[0] for shape in model.encoded] == goes


async def test_a_caller_alone_is_understood_alone_and_as_ever(
    scripted_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine(scripted_model, monkeypatch) as (whisper, model):
        recognition = whisper.open(language="en")
        recognition.feed(AudioChunk(noise(3.0, 1)))
        assert (await recognition.final()).text == SCRIPT
    assert model.encoded == [(1, 80, 550)]


class Slow(Decoder):
    """Hears what a sound's first sample names, and does not look before it may."""

    def __init__(self, texts: Sequence[Attempt]) -> None:
        self.looks: list[int] = []
        self.again: list[str] = []
        self.began, self.opened = threading.Event(), threading.Event()
        self._texts = texts
        self._settings = DecodingSettings()

    def look(
        self, utterances: Sequence[Wanted[Samples]], language: str, *, frames: int = 0
    ) -> list[Attempt | None]:
        self.looks.append(len(utterances))
        self.began.set()
        assert self.opened.wait(10)
        if any(each.item[0] >= len(self._texts) for each in utterances):
            raise RuntimeError("no such sound")
        return [self._texts[each.item[0]] for each in utterances]

    def look_again(
        self, samples: Samples, before: Attempt, language: str, *, stop: Stop
    ) -> Attempt | None:
        self.again.append(before.text)
        return Attempt("again", -0.1, 0.0, False)


@asynccontextmanager
async def finals_of(
    decoder: Slow, count: int
) -> AsyncGenerator[list[asyncio.Task[Transcript]], None]:
    """Finals that are being understood in one go; `decoder.opened` lets them be."""
    workers, gate = Workers(1, stage="stt", name="ear"), Gate()
    busy = asyncio.create_task(workers.run(gate))
    await happened(gate.began)
    tasks = []
    for number in range(count):
        recognition = WhisperRecognition(decoder, workers, "en", BatchSettings(seconds=30.0))
        recognition.feed(AudioChunk(np.full(16_000, number, np.int16)))
        tasks.append(asyncio.create_task(recognition.final()))
    await asyncio.sleep(0)
    gate.opened.set()
    await busy
    await happened(decoder.began)
    assert decoder.looks == [count]
    yield tasks
    await workers.aclose()


def sure(text: str) -> Attempt:
    return Attempt(text, -0.1, 0.0, False)


async def test_a_caller_who_goes_on_leaves_the_others_of_the_batch() -> None:
    decoder = Slow([sure("one"), sure("two")])
    async with finals_of(decoder, 2) as (one, two):
        one.cancel()
        await asyncio.wait([one])
        assert one.cancelled()
        decoder.opened.set()
        assert (await two).text == "two"


async def test_a_doubtful_text_is_looked_at_again_when_the_others_have_theirs() -> None:
    doubtful = Attempt("mumble", -2.0, 0.0, True)
    decoder = Slow([sure("one"), doubtful, sure("three")])
    async with finals_of(decoder, 3) as finals:
        decoder.opened.set()
        assert [(await each).text for each in finals] == ["one", "again", "three"]
    assert decoder.looks == [3]
    assert decoder.again == ["mumble"]


async def test_what_a_sound_breaks_is_its_own_transcript_alone() -> None:
    decoder = Slow([sure("one"), sure("two")])
    async with finals_of(decoder, 3) as (one, two, broken):
        decoder.opened.set()
        assert ((await one).text, (await two).text) == ("one", "two")
        with pytest.raises(EngineFailed, match="no such sound"):
            await broken
