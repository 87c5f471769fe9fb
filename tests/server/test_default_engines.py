"""A call on the engines that a start prefers, whisper → llama.cpp → piper, by their own libraries.

The models are made here, so that nothing has to be downloaded: a Whisper that understands one text
whatever it hears, a LLaMA of random weights, a Piper voice that is a steady tone. What is real is
all the rest: the choice of the models in the folder, the engines, the call over WebRTC.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from agent.engines.catalog import GIGABYTE, Hardware
from bench.random_llama import LETTERS, Shape, write_llama
from bench.random_whisper import Shape as WhisperShape
from bench.random_whisper import write_scripted
from media.audio import AudioChunk
from server import recordings
from server.commands import main
from server.commands.serving import start_block
from server.config import load
from server.models import open_store
from server.stages import Stages, choose
from server.talk import at_home, exchange, greeting
from signaling.client import Caller
from tests.agent.engines.small_voice import TONE, make_voice
from tests.server.house import spoken

ENGLISH = "Two coffees, please."
KOREAN = "커피 두 잔 주세요."
SMALL = Hardware(cores=2, memory=8 * GIGABYTE)
LLAMA = Shape(layers=2, width=64, hidden=128, heads=4, kv_heads=4, context=4096)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder as a user fills it by hand."""
    folder = tmp_path_factory.mktemp("models")
    for kind in ("llm", "piper"):
        (folder / kind).mkdir()
    write_scripted(folder / "whisper/mine.en", ENGLISH)
    write_scripted(folder / "whisper/mine", KOREAN, shape=WhisperShape(multilingual=True))
    write_llama(folder / "llm/mine.gguf", LLAMA, speaks=LETTERS + b" ")
    make_voice(folder / "piper", name="en_US-mine-low")
    return folder


def here(models: Path) -> list[str]:
    """Settings that use the folder, with little to say: the tone is a slow speaker."""
    return [
        f"models.folder={models}",
        "models.download=false",
        "llm.llama.context=4096",
        "turn.reply.max_tokens=12",
        "personas.en.greeting=Hi.",
        "personas.ko.greeting=네.",
    ]


@pytest.fixture
async def stages(models: Path) -> AsyncIterator[Stages]:
    settings = load(None, {}, [*here(models), f"stt.models.en={models}/whisper/mine.en"])
    async with aclosing(await choose(settings, open_store(settings.models), SMALL)) as standing:
        yield standing


def pitch(audio: AudioChunk) -> float:
    """Hz of the loudest tone."""
    spectrum = np.abs(np.fft.rfft(audio.samples.astype(np.float64)))
    return float(np.argmax(spectrum) * audio.rate / len(audio))


async def test_whisper_llama_and_piper_serve_a_call(stages: Stages, models: Path) -> None:
    settings = load(None, {}, here(models))
    async with at_home(settings, stages) as (url, ice), Caller(url, settings=ice) as caller:
        await greeting(caller, expected=True)
        turns = [await exchange(caller, await spoken(text)) for text in ("One.", "One more.")]
        started = next(each for each in caller.messages if each["type"] == "call.started")
        heard = caller.recording.audio(16_000, since=turns[0].said.end)
    assert [(stage["engine"], stage["model"]) for stage in started["stages"]] == [
        ("whisper", "mine.en (en), mine (ko)"),
        ("llama", "mine.gguf"),
        ("piper", "en_US-mine-low.onnx (en)"),
    ]
    outcomes = [turn.outcome or {} for turn in turns]
    assert [outcome.get("transcript") for outcome in outcomes] == [ENGLISH, ENGLISH]
    assert all(re.fullmatch(r"[a-z ]{5,12}", outcome["reply"]) for outcome in outcomes)
    assert outcomes[0]["reply"] != outcomes[1]["reply"]  # the second one knows of the first
    assert abs(pitch(heard) - TONE) < 5
    for turn in turns:
        errors = [message for message in turn.messages if message["type"] == "error"]
        assert not errors
        timeline = (turn.outcome or {})["timeline"]
        assert None not in (timeline["transcript"], timeline["first_token"])
        assert turn.heard_after is not None


async def test_a_korean_call_is_understood_by_the_other_whisper_and_spoken_by_espeak(
    stages: Stages, models: Path
) -> None:
    settings = load(None, {}, here(models))
    async with (
        at_home(settings, stages) as (url, ice),
        Caller(url, language="ko", settings=ice) as caller,
    ):
        await greeting(caller, expected=True)
        turn = await exchange(caller, await spoken("커피 두 잔 주세요.", language="ko"))
        heard = caller.recording.audio(16_000, since=turn.said.end)
        said = [each["text"] for each in caller.messages if each["type"] == "reply.spoken"]
    assert re.search("[가-힣]", said[0])
    outcome = turn.outcome or {}
    assert outcome.get("transcript") == KOREAN
    assert outcome["reply"]
    final = next(each for each in turn.messages if each["type"] == "transcript.final")
    assert final["language"] == "ko"
    assert not [message for message in turn.messages if message["type"] == "error"]
    assert heard.seconds > 0.5 and abs(pitch(heard) - TONE) > 5  # nobody but espeak-ng knows it


async def test_an_english_whisper_alone_leaves_korean_unheard_and_the_call_says_so(
    tmp_path: Path, models: Path
) -> None:
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper/mine.en").symlink_to(models / "whisper/mine.en")
    settings = load(None, {}, here(tmp_path))
    async with aclosing(await choose(settings, open_store(settings.models), SMALL)) as poorer:
        async with (
            at_home(settings, poorer) as (url, ice),
            Caller(url, language="ko", settings=ice) as caller,
        ):
            await greeting(caller, expected=True)
            await caller.say(await spoken("네.", language="ko"))
            error = await caller.wait_for("error")
            told = await caller.wait_for("reply.spoken")
            started = next(each for each in caller.messages if each["type"] == "call.started")
    assert error["code"] == "stt_failed" and "'ko'" in error["message"]
    assert told["text"].startswith("죄송해요")
    hears = started["stages"][0]
    assert hears["missing"].startswith("whisper-small (ko)")
    assert hears["mend"] == "python run.py models pull whisper-small"
    assert "  stt  whisper-small (ko)" in start_block(SMALL, poorer.reports)


def test_talk_holds_a_korean_call_and_writes_what_was_said(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question, answer = tmp_path / "question.wav", tmp_path / "answer.wav"
    recordings.write(question, asyncio.run(spoken(KOREAN, language="ko")))
    overrides = [part for setting in here(models) for part in ("--set", setting)]
    typed = ["talk", str(question), "--language", "ko", "--output", str(answer), *overrides]
    assert main(typed) == 0
    out = capsys.readouterr().out
    assert "hears with  whisper, mine" in out
    assert "thinks with llama, mine.gguf" in out
    assert "espeak-ng speaks ko" in out
    assert f"caller  {KOREAN}" in out
    assert re.search(r"agent   [a-z ]+", out)
    assert re.search(r"ms      .*first token \d+.*heard by the caller \d+", out)
    assert abs(recordings.read(answer).samples.astype(float)).max() > 1000
