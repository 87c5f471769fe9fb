"""A Whisper in CTranslate2's format, of any size, without anybody's weights.

Random weights cost what real ones of the same size do, and understand nothing. A *scripted* model
says one given text whatever it hears: its decoder's layers are silent, so that the position alone
decides the next token. The folder has all that faster-whisper reads, its tokenizer included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ctranslate2.specs import WhisperSpec
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

_POSITIONS = 448  # of the decoder, in every published size
Weights = npt.NDArray[np.float32]
Make = Callable[..., Weights]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a model costs. The defaults are the smallest that CTranslate2 runs."""

    width: int = 64
    """Of the residual stream; heads are 64 wide."""
    layers: int = 1
    """Of the encoder, and as many of the decoder."""
    multilingual: bool = False
    small_vocabulary: bool = True
    """For an English model, only the tokens that are used."""

    @property
    def vocabulary(self) -> int:
        """Tokens, as in the models that OpenAI published; 0: only those that are used."""
        if self.multilingual:
            return 51_865
        return 0 if self.small_vocabulary else 51_864


TINY_EN = Shape(width=384, layers=4, small_vocabulary=False)
TINY = Shape(width=384, layers=4, multilingual=True)
SMALL = Shape(width=768, layers=12, multilingual=True)


def write_random(folder: Path, shape: Shape, *, seed: int = 0) -> Path:
    """A model of `shape` with random weights, in `folder`."""
    rng = np.random.default_rng(seed)

    def weights(*size: int) -> Weights:
        normal: Weights = rng.standard_normal(size, np.float32)
        return normal / np.float32(np.sqrt(size[-1]))

    return _Writer(folder, shape, weights).write()


def write_scripted(
    folder: Path,
    text: str,
    *,
    shape: Shape | None = None,
    ends: bool = True,
    no_speech: bool = False,
) -> Path:
    """A model that says `text` (at most as many bytes as it is wide, less 5) to everything.

    It goes on for ever when it does not end, and takes all it hears for silence on `no_speech`.
    """
    writer = _Writer(folder, shape or Shape(), lambda *size: np.zeros(size, np.float32))
    return writer.write(script=_Script(text, ends, no_speech))


@dataclass(frozen=True)
class _Script:
    text: str
    ends: bool
    no_speech: bool


class _Writer:
    def __init__(self, folder: Path, shape: Shape, weights: Make) -> None:
        self._folder = folder
        self._shape = shape
        self._weights = weights
        self._tokenizer = _tokenizer(shape)

    def write(self, script: _Script | None = None) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        tokens = self._vocabulary()
        layers, heads = self._shape.layers, self._shape.width // 64
        spec = WhisperSpec(layers, heads, layers, heads)
        self._fill_encoder(spec.encoder)
        self._fill_decoder(spec.decoder, len(tokens))
        if script is not None:
            self._teach(spec.decoder, script)
        spec.register_vocabulary(tokens)
        spec.config.suppress_ids = []
        spec.config.suppress_ids_begin = [self._tokenizer.token_to_id("<|endoftext|>")]
        spec.config.lang_ids = []
        spec.config.alignment_heads = [(0, 0)]
        spec.validate()
        spec.optimize(quantization="int8")
        spec.save(str(self._folder))
        self._tokenizer.save(str(self._folder / "tokenizer.json"))
        preprocessor = {"feature_size": 80, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
        (self._folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
        return self._folder

    def _vocabulary(self) -> list[str]:
        known = self._tokenizer.get_vocab()
        return sorted(known, key=lambda token: known[token])

    def _fill_encoder(self, spec: Any) -> None:
        width = self._shape.width
        spec.conv1.weight, spec.conv1.bias = self._weights(width, 80, 3), self._weights(width)
        spec.conv2.weight, spec.conv2.bias = self._weights(width, width, 3), self._weights(width)
        spec.position_encodings.encodings = self._weights(1500, width)
        self._fill_norm(spec.layer_norm)
        for layer in spec.layer:
            self._fill_attention(layer.self_attention, (3, 1))
            self._fill_feed_forward(layer.ffn)

    def _fill_decoder(self, spec: Any, vocabulary: int) -> None:
        width = self._shape.width
        spec.embeddings.weight = self._weights(vocabulary, width)
        spec.projection.weight = self._weights(vocabulary, width)
        spec.position_encodings.encodings = self._weights(_POSITIONS, width)
        self._fill_norm(spec.layer_norm)
        for layer in spec.layer:
            self._fill_attention(layer.self_attention, (3, 1))
            self._fill_attention(layer.attention, (1, 2, 1))
            self._fill_feed_forward(layer.ffn)

    def _fill_norm(self, spec: Any) -> None:
        spec.gamma = np.ones(self._shape.width, np.float32)
        spec.beta = np.zeros(self._shape.width, np.float32)

    def _fill_attention(self, spec: Any, parts: Iterable[int]) -> None:
        self._fill_norm(spec.layer_norm)
        for linear, part in zip(spec.linear, parts, strict=True):
            self._fill_linear(linear, self._shape.width * part, self._shape.width)

    def _fill_feed_forward(self, spec: Any) -> None:
        self._fill_norm(spec.layer_norm)
        self._fill_linear(spec.linear_0, 4 * self._shape.width, self._shape.width)
        self._fill_linear(spec.linear_1, self._shape.width, 4 * self._shape.width)

    def _fill_linear(self, spec: Any, rows: int, columns: int) -> None:
        spec.weight, spec.bias = self._weights(rows, columns), self._weights(rows)

    def _teach(self, spec: Any, script: _Script) -> None:
        first = 3 if self._shape.multilingual else 1  # the last position of the prompt
        said = self._tokenizer.encode(script.text, add_special_tokens=False).ids
        if script.ends:
            said = [*said, self._tokenizer.token_to_id("<|endoftext|>")]
        width = self._shape.width
        if first + len(said) > min(width, _POSITIONS):
            raise ValueError(f"a model {width} wide cannot say {len(said)} tokens")
        spec.position_encodings.encodings = np.eye(_POSITIONS, width, dtype=np.float32)
        rows = np.zeros_like(spec.projection.weight)
        for position, token in enumerate(said, first):
            rows[token, position] = 3.0
        rows[self._tokenizer.token_to_id("<|nospeech|>"), 0] = 3.0 if script.no_speech else 0.0
        spec.projection.weight = rows


def _tokenizer(shape: Shape) -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["endoftext", "startoftranscript", *_languages(shape), "translate", "transcribe"]
    special += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    special += [f"{number * 0.02:.2f}" for number in range(1501)]
    # faster-whisper suppresses the first token of " -", " '" and " ♪": not to be the bare space.
    merges = [("Ġ", "-"), ("Ġ", "'"), ("Ġ", "â")]
    joined = ["".join(pair) for pair in merges]
    unused = shape.vocabulary - len(alphabet) - len(joined) - len(special)
    tokens = alphabet + joined + [f"unused {number}" for number in range(unused)]
    if shape.multilingual:
        tokens[-1] = ""  # by this token CTranslate2 tells a multilingual vocabulary
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in special])
    return tokenizer


def _languages(shape: Shape) -> list[str]:
    return list(_LANGUAGE_CODES[:99]) if shape.multilingual else ["en"]
