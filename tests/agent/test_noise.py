"""What nobody says is no turn: each sound through the real voice detector, in virtual time.

The recogniser is the worst one: in whatever it is given it hears a "thank you", as Whisper does.
Of a babble of people, which is speech, it is as unsure as one is.
"""

from __future__ import annotations

import asyncio

import pytest

from agent.engines.protocols import Priority, Recognition, Transcript
from agent.events import FinalTranscript, ReplySpoken, SpeechStarted, TurnFinished
from agent.settings import TurnSettings
from bench.conversation.sounds import at_level, made
from bench.recordings import named, noises
from media.audio import AudioChunk, silence
from media.voice import VoiceModel, VoiceSettings, load_voice_model
from tests.agent.conversation import Line, line
from tests.conftest import TestData
from tests.fakes import FakeTranscriber, Vocabulary
from tests.virtual_time import virtual

SECONDS = 10.0
LEVELS = (-12.0, -20.0, -30.0, -42.0)
"""dBFS of the loudest second: at the ear, near, in the room, far away."""
MADE = ("breath", "music", "door", "siren", "hum")
UNASKED = TurnSettings.model_validate({"silence": {"enabled": False}})
"""The agent does not speak into the silence by itself."""
RECORDED = ("car_horn", "dog_bark", "ringing_phone", "noise1", "noise2", "koala")


class Credulous(FakeTranscriber):
    """Hears "thank you" in anything, and is sure of it."""

    confidence = 0.9

    def open(self, *, language: str) -> Recognition:  # type: ignore[override]  # a Recognition too
        inner = super().open(language=language)

        async def final(*, priority: Priority = Priority.COMMITTED) -> Transcript:
            return Transcript("thank you", language, confidence=self.confidence)

        inner.partial = inner.final = final  # type: ignore[method-assign]
        return inner


class Doubting(Credulous):
    """Hears it as well, and doubts it."""

    confidence = 0.3


@pytest.fixture(scope="module")
def voice() -> VoiceModel:
    return load_voice_model(VoiceSettings())


async def heard(voice: VoiceModel, sound: AudioChunk, transcriber: FakeTranscriber) -> Line:
    """A call in which this is heard at every level, each time followed by silence."""
    detector = voice.detector()
    async with line(transcriber=transcriber, detector=detector, settings=UNASKED) as it:
        for level in LEVELS:
            again = at_level(sound, level, seconds=SECONDS)
            await asyncio.sleep(it.ear.sound(again) + it.ear.sound(silence(3.0)))
    return it


def assert_no_turn(it: Line) -> None:
    assert it.of(FinalTranscript) == []
    assert it.of(TurnFinished) == []
    assert it.of(ReplySpoken) == []


@pytest.mark.parametrize("name", MADE)
def test_a_made_sound_is_not_even_speech(voice: VoiceModel, name: str) -> None:
    it = virtual(heard)(voice, made(SECONDS)[name], Credulous(Vocabulary()))

    assert it.of(SpeechStarted) == []
    assert_no_turn(it)


@pytest.mark.real
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_noise_is_not_even_speech(
    voice: VoiceModel, testdata: TestData, name: str
) -> None:
    sound = next(audio for key, audio in noises().items() if name in key)

    it = virtual(heard)(voice, sound, Credulous(Vocabulary()))

    assert it.of(SpeechStarted) == []
    assert_no_turn(it)


@pytest.mark.real
def test_a_babble_is_no_turn_though_words_are_made_of_it(
    voice: VoiceModel, testdata: TestData
) -> None:
    sound = next(audio for key, audio in noises().items() if "people_talking" in key)

    it = virtual(heard)(voice, sound, Doubting(Vocabulary()))

    assert it.of(SpeechStarted)
    assert_no_turn(it)


@pytest.mark.real
def test_a_person_is_a_turn_in_the_same_call(voice: VoiceModel, testdata: TestData) -> None:
    person = named("who-would-you-like-to-call").audio

    it = virtual(heard)(voice, person, Credulous(Vocabulary()))

    assert it.of(TurnFinished)
