"""A call with real engines: people's recordings in over WebRTC, a real recogniser, a real language
model and a real voice out over WebRTC. The libraries are unmodified, the figures are printed."""

from __future__ import annotations

import re
from contextlib import aclosing

import jiwer
import pytest

from agent.engines.protocols import Recognition
from media.audio import AudioChunk
from server.config import Settings
from server.hardware import probe
from server.models import open_store
from server.recordings import read
from server.stages import Stages, choose
from server.talk import Exchange, at_home, exchange, greeting
from signaling.client import Caller
from tests.conftest import TestData
from tests.signaling.phone import tone

pytestmark = pytest.mark.real

UTTERANCES = ("whatstheweatherlike", "LJ001-0008", "an422-menk-b", "sense_and_sensibility")


def settings(testdata: TestData) -> Settings:
    """The small real models; PocketSphinx hears, unless there is a Whisper."""
    models = testdata.folder / "models"
    whisper = models / "whisper"
    return Settings.model_validate(
        {
            "models": {"download": False},
            "stt": {"models": {"en": str(whisper)}} if whisper.is_dir() else {},
            "llm": {"engine": "llama", "model": str(models / "llm/tinytalk-3m-q4_0.gguf")},
            "tts": {
                "engine": "piper",
                "voices": {"en": str(models / "piper/en_US-moonmicro-low.onnx")},
            },
            "personas": {"ko": False},
            "load": {"enabled": False},  # what else this machine does is no test's business
        }
    )


def words(text: str) -> str:
    return re.sub(r"[^\w\s']", " ", text.lower()).strip() or "-"


async def understood(stages: Stages, audio: AudioChunk) -> str:
    """What the call's own recogniser hears in some 16 kHz audio."""
    recognition: Recognition = stages.engines.transcriber.open(language="en")
    try:
        recognition.feed(audio)
        return (await recognition.final()).text
    finally:
        recognition.close()


async def test_people_are_understood_and_answered_by_an_intelligible_voice(
    testdata: TestData, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings = [testdata.recording(name) for name in UTTERANCES]
    configured = settings(testdata)
    stages = await choose(configured, open_store(configured.models), probe())
    turns: list[Exchange] = []
    spoken_back: list[str] = []
    async with aclosing(stages), at_home(configured, stages) as (url, ice):
        async with Caller(url, settings=ice) as caller:
            await greeting(caller, expected=True)
            for recording in recordings:
                turns.append(await exchange(caller, read(recording.path)))
                heard = caller.recording.audio(16_000, since=turns[-1].said.end)
                spoken_back.append(await understood(stages, heard))
    outcomes = [turn.outcome or {} for turn in turns]
    transcripts = [words(outcome.get("transcript", "")) for outcome in outcomes]
    replies = [words(outcome.get("reply", "")) for outcome in outcomes]
    truth = [words(recording.text or "") for recording in recordings]
    heard_wrong = jiwer.wer(truth, transcripts)
    said_wrong = jiwer.wer(replies, [words(text) for text in spoken_back])
    with capsys.disabled():
        print(
            f"\n  word error rate of the callers {heard_wrong:.0%}, of the agent {said_wrong:.0%}"
        )
        for rows in zip(truth, transcripts, replies, spoken_back, strict=True):
            print("   ", " | ".join(rows))
    assert [outcome.get("type") for outcome in outcomes] == ["turn.finished"] * len(turns)
    assert all(turn.heard_after is not None and turn.heard_after > 0 for turn in turns)
    assert all(reply != "-" for reply in replies)
    # PocketSphinx on free speech, not a Whisper: 17 % was measured.
    assert heard_wrong <= 0.4
    # The same recogniser on an 8 MB voice, with fillers among the words: 26 % was measured.
    assert said_wrong <= 0.6


async def test_a_tone_is_no_turn(testdata: TestData) -> None:
    configured = settings(testdata)
    stages = await choose(configured, open_store(configured.models), probe())
    async with aclosing(stages), at_home(configured, stages) as (url, ice):
        async with Caller(url, settings=ice) as caller:
            await greeting(caller, expected=True)
            told = await exchange(caller, tone(1.0))
    assert (told.outcome or {"type": "turn.dropped"})["type"] == "turn.dropped"
