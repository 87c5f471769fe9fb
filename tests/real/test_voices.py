"""The voices, heard: what they say is transcribed back, and measured for level, clicks and speed.

The recogniser is PocketSphinx, which makes errors of its own: on clean speech of people it has a
word error rate of 20 to 30 %. So the bounds are wide; the figures are printed (`pytest -s`).
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import jiwer
import numpy as np
import numpy.typing as npt
import pytest
import soxr

from agent.dialogue.sentences import SentenceSplitter
from agent.dialogue.spoken import to_speech
from agent.engines.espeak import Espeak, EspeakSettings
from agent.engines.piper import Piper, PiperSettings
from agent.engines.pocketsphinx import PocketSphinx, PocketSphinxSettings
from agent.engines.protocols import Speech, Synthesizer
from media.audio import CALLER_RATE, AudioChunk
from tests.conftest import TestData

pytestmark = pytest.mark.real

REPLY = (
    "Sure. What would you like to drink today? We have coffee, tea and hot chocolate. "
    "A large coffee is $4.50. The store is open from 9 a.m. to 5 p.m. on Monday. "
    "Thank you very much, and have a good day."
)
NUMBERS = "one two three four five six seven eight nine ten"
MOST_WRONG = 0.55
"""Word error rate that is tolerated: the voice's and the recogniser's errors together."""
LARGEST_JOIN = 0.02
"""Step between two samples at a join, as a share of full scale, that nobody hears as a click."""


@dataclass
class Heard:
    pieces: list[Speech]
    spoken: str
    seconds: float

    @property
    def length(self) -> float:
        return sum(piece.audio.seconds for piece in self.pieces)

    @property
    def waves(self) -> list[npt.NDArray[np.float32]]:
        return [piece.audio.samples.astype(np.float32) / 32768 for piece in self.pieces]


async def say(voice: Synthesizer, text: str) -> Heard:
    """`text` as a reply is spoken: cut, spelled, sentence by sentence."""
    splitter = SentenceSplitter("en")
    heard = Heard([], "", 0.0)
    for sentence in [*splitter.feed(text), *splitter.flush()]:
        spoken = to_speech(sentence.strip(), "en").text
        heard.spoken += spoken + " "
        begun = time.perf_counter()
        heard.pieces += [piece async for piece in voice.speak(spoken, language="en")]
        heard.seconds += time.perf_counter() - begun
    return heard


async def understood(engine: PocketSphinx, heard: Heard) -> str:
    """What the recogniser makes of it, sentence by sentence, as in a call."""
    texts = []
    for wave, piece in zip(heard.waves, heard.pieces, strict=True):
        samples = soxr.resample(wave, piece.audio.rate, CALLER_RATE)
        quiet = np.zeros(CALLER_RATE // 4, np.float32)
        padded = np.concatenate([quiet, samples, quiet])
        recognition = engine.open(language="en")
        recognition.feed(AudioChunk((padded * 32767).astype(np.int16)))
        texts.append((await recognition.final()).text)
        recognition.close()
    return " ".join(texts)


def words_of(text: str) -> str:
    return " ".join(
        "".join(char for char in word if char.isalpha() or char == "'")
        for word in text.lower().replace("-", " ").split()
    )


@pytest.fixture
async def recogniser() -> AsyncGenerator[PocketSphinx, None]:
    engine = PocketSphinx(PocketSphinxSettings(decoders=1))
    await engine.start()
    yield engine
    await engine.aclose()


@pytest.fixture(params=["piper", "espeak"])
async def voice(
    request: pytest.FixtureRequest, testdata: TestData
) -> AsyncGenerator[Synthesizer, None]:
    path = testdata.folder / "models/piper/en_US-moonmicro-low.onnx"
    engine: Synthesizer
    if request.param == "piper":
        engine = Piper(PiperSettings(), {"en": path})
    else:
        engine = Espeak(EspeakSettings())
    await engine.start()
    yield engine
    await engine.aclose()


async def test_what_is_said_is_understood(
    voice: Synthesizer, recogniser: PocketSphinx, request: pytest.FixtureRequest
) -> None:
    rates = {}
    for name, text in (("reply", REPLY), ("numbers", NUMBERS)):
        heard = await say(voice, text)
        transcript = await understood(recogniser, heard)
        rates[name] = jiwer.wer(words_of(heard.spoken), words_of(transcript))
        print(f"\n{request.node.name} {name}: WER {rates[name]:.2f}: {transcript}")
    if isinstance(voice, Piper):  # the recogniser was not made for espeak-ng's sound
        assert max(rates.values()) <= MOST_WRONG


async def test_levels_are_right_and_joins_do_not_click(
    voice: Synthesizer, request: pytest.FixtureRequest
) -> None:
    heard = await say(voice, REPLY)
    waves = heard.waves
    peak = max(float(np.abs(wave).max()) for wave in waves)
    levels = [20 * np.log10(np.sqrt(np.mean(wave**2))) for wave in waves]
    joins = [
        abs(float(two[0]) - float(one[-1])) for one, two in zip(waves, waves[1:], strict=False)
    ]
    inside = max(float(np.abs(np.diff(wave)).max()) for wave in waves)
    print(
        f"\n{request.node.name}: peak {peak:.2f}, level {min(levels):.1f} to {max(levels):.1f} dB, "
        f"largest step at a join {max(joins):.4f}, inside {inside:.3f}"
    )
    assert 0.1 < peak < 0.99
    assert max(levels) - min(levels) < 6
    assert max(joins) <= LARGEST_JOIN


async def test_sentences_begin_without_silence(
    voice: Synthesizer, request: pytest.FixtureRequest
) -> None:
    heard = await say(voice, REPLY)
    fronts = []
    for wave, piece in zip(heard.waves, heard.pieces, strict=True):
        loud = np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max())
        fronts.append(loud[0] / piece.audio.rate)
    print(
        f"\n{request.node.name}: {heard.length:.1f} s made in {heard.seconds:.2f} s, "
        f"RTF {heard.seconds / heard.length:.3f}; silence in front at most {max(fronts):.3f} s"
    )
    assert max(fronts) < 0.06


async def test_every_written_word_has_its_time(voice: Synthesizer) -> None:
    splitter = SentenceSplitter("en")
    for sentence in [*splitter.feed(REPLY), *splitter.flush()]:
        spoken = to_speech(sentence.strip(), "en")
        written = []
        async for piece in voice.speak(spoken.text, language="en"):
            written += [text for text, _, _ in spoken.written(piece.words)]
        assert " ".join(written) == sentence.strip()
