"""How Whisper decodes: what the encoder sees, what may be said, when it is doubted.

The models are real ones of CTranslate2's that say a given text; `Watched` looks at what they are
asked, and a scripted one fails the first time and not the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel

from agent.engines.jobs import Stop
from agent.engines.whisper_decoding import (
    Decoder,
    DecodingSettings,
    compression,
    frames_for,
    is_phantom,
    token_cap,
    window_end,
)
from bench.random_whisper import Shape, write_scripted
from media.audio import Samples

SETTINGS = DecodingSettings()


class Watched:
    """A model, and what it was asked."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.model = SimpleNamespace(
            generate=self._generate, is_multilingual=model.model.is_multilingual
        )
        self.encoded: list[tuple[int, ...]] = []
        self.asked: list[dict[str, Any]] = []
        self.prompts: list[list[int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, features: Any) -> Any:
        self.encoded.append(features.shape)
        return self._model.encode(features)

    def _generate(self, encoded: Any, prompts: list[list[int]], **options: Any) -> Any:
        self.asked.append(options)
        self.prompts += prompts
        return self._model.model.generate(encoded, prompts, **options)


Says = Callable[..., Watched]


@pytest.fixture
def says(tmp_path: Path) -> Says:
    def make(text: str, **how: Any) -> Watched:
        folder = write_scripted(tmp_path / "model", text, **how)
        return Watched(WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1))

    return make


def noise(seconds: float) -> Samples:
    rng = np.random.default_rng(1)
    return rng.normal(0, 1000, round(seconds * 16_000)).astype(np.int16)


def decoder_of(model: Any, **settings: Any) -> Decoder:
    return Decoder(model, DecodingSettings(**settings))


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [(0.3, 500), (2.5, 500), (3.0, 550), (3.333, 584), (10.0, 1250), (27.5, 3000), (30.0, 3000)],
)
def test_the_encoder_sees_the_utterance_and_its_margin(seconds: float, frames: int) -> None:
    assert frames_for(seconds, SETTINGS) == frames


@pytest.mark.parametrize(("seconds", "tokens"), [(0.5, 20), (5.0, 92), (30.0, 224)])
def test_a_text_is_no_longer_than_its_audio_allows(seconds: float, tokens: int) -> None:
    assert token_cap(seconds, SETTINGS) == tokens


def test_an_utterance_is_encoded_once_and_understood(says: Says) -> None:
    model = says("Hello there.")
    heard = decoder_of(model).decode(noise(3.0), "en", stop=Stop(), retry=True)
    assert heard is not None
    assert (heard.text, heard.doubtful) == ("Hello there.", False)
    assert heard.confidence > 0.9
    assert model.encoded == [(1, 80, 550)]


def test_the_language_is_pinned_and_the_search_greedy(says: Says) -> None:
    model = says("네, 좋아요.", shape=Shape(multilingual=True))
    heard = decoder_of(model).decode(noise(1.0), "ko", stop=Stop(), retry=True)
    assert heard is not None and heard.text == "네, 좋아요."
    names = [model.hf_tokenizer.id_to_token(token) for token in model.prompts[0]]
    assert names == ["<|startoftranscript|>", "<|ko|>", "<|transcribe|>", "<|notimestamps|>"]
    assert model.asked[0]["beam_size"] == 1


def test_a_text_that_does_not_end_is_cut_and_tried_again_from_thirty_seconds(says: Says) -> None:
    model = says("one and two and three and", ends=False)
    decoder = decoder_of(model, spare_tokens=4)
    heard = decoder.decode(noise(1.0), "en", stop=Stop(), retry=True)
    assert heard is not None
    assert heard.text == "one and two and thre"  # a byte is a token: 4 + 16
    assert heard.doubtful
    assert model.encoded == [(1, 80, 500), (1, 80, 3000)]


def test_a_partial_is_not_tried_again(says: Says) -> None:
    model = says("one and two and three and", ends=False)
    heard = decoder_of(model, spare_tokens=4).decode(noise(1.0), "en", stop=Stop(), retry=False)
    assert heard is not None and heard.doubtful
    assert len(model.encoded) == 1


def test_a_full_window_is_not_tried_again(says: Says) -> None:
    model = says("la" * 25, ends=True)
    heard = decoder_of(model).decode(noise(29.0), "en", stop=Stop(), retry=True)
    assert heard is not None and heard.doubtful
    assert model.encoded == [(1, 80, 3000)]


def test_what_repeats_itself_is_doubted(says: Says) -> None:
    heard = decoder_of(says("la" * 25)).decode(noise(5.0), "en", stop=Stop(), retry=False)
    assert heard is not None and heard.doubtful
    assert compression("la" * 25) > SETTINGS.compression
    assert compression("What is the weather like?") < 1.0


def test_a_phrase_of_silence_is_believed_only_when_somebody_may_have_spoken(says: Says) -> None:
    spoken = decoder_of(says("Thank you.")).decode(noise(1.0), "en", stop=Stop(), retry=True)
    phantom = decoder_of(says("Thank you.", no_speech=True)).decode(
        noise(1.0), "en", stop=Stop(), retry=True
    )
    assert spoken is not None and phantom is not None
    assert spoken.text == phantom.text == "Thank you."
    assert spoken.confidence > 0.9
    assert phantom.confidence < 0.1


@pytest.mark.parametrize(
    "text", ["Thank you.", " thanks for watching!", "시청해주셔서 감사합니다."]
)
def test_phrases_of_silence_are_known(text: str) -> None:
    assert is_phantom(text)
    assert not is_phantom(text + " I want coffee.")


def test_a_stopped_decoder_does_nothing_more(says: Says) -> None:
    model, stop = says("Hello."), Stop()
    stop.set()
    assert decoder_of(model).decode(noise(1.0), "en", stop=stop, retry=True) is None
    assert model.encoded == []


@dataclass
class Result:
    sequences_ids: list[list[int]]
    scores: list[float]
    no_speech_prob: float = 0.0


@dataclass
class TwoTries:
    """A model whose results are given; what surrounds them is a real one's."""

    real: Watched
    results: list[Result]
    frames: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @property
    def model(self) -> Any:
        return SimpleNamespace(
            is_multilingual=False, generate=lambda *args, **options: [self.results.pop(0)]
        )

    def encode(self, features: Any) -> None:
        self.frames.append(features.shape[-1])


def tokens(model: Watched, text: str) -> list[list[int]]:
    return [model.hf_tokenizer.encode(text, add_special_tokens=False).ids]


def test_the_second_look_counts_when_it_is_better(says: Says) -> None:
    real = says("x")
    poor, good = Result(tokens(real, "mumble"), [-1.9]), Result(tokens(real, "hello"), [-0.1])
    model = TwoTries(real, [poor, good])
    heard = decoder_of(model).decode(noise(2.0), "en", stop=Stop(), retry=True)
    assert heard is not None
    assert (heard.text, heard.doubtful) == ("hello", False)
    assert model.frames == [500, 3000]


def test_the_first_look_counts_when_the_second_is_worse(says: Says) -> None:
    real = says("x")
    poor, worse = Result(tokens(real, "mumble"), [-1.5]), Result(tokens(real, "mmm"), [-3.0])
    heard = decoder_of(TwoTries(real, [poor, worse])).decode(
        noise(2.0), "en", stop=Stop(), retry=True
    )
    assert heard is not None
    assert (heard.text, heard.doubtful) == ("mumble", True)


def test_doubtful_text_over_no_speech_is_silence_without_a_second_look(says: Says) -> None:
    real = says("x")
    model = TwoTries(real, [Result(tokens(real, "Thank you."), [-1.9], 0.8)])
    heard = decoder_of(model).decode(noise(2.0), "en", stop=Stop(), retry=True)
    assert heard is not None
    assert (heard.text, heard.confidence) == ("", 0.0)
    assert model.frames == [500]


def test_long_audio_is_cut_where_it_is_quietest() -> None:
    samples = noise(29.0)
    samples[20 * 16_000 : 20 * 16_000 + 6_400] = 0
    cut = window_end(samples, longest=len(samples), earliest=15 * 16_000)
    assert 20.0 <= cut / 16_000 <= 20.4
