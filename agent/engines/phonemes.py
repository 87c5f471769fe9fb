"""A voice's phonemes and the words of the text they were made from.

espeak-ng answers phonemes by sentence, its words parted by spaces; it joins some of the text's
words ("of the" becomes one) and parts others. Here each word of the text gets its stretch of
phonemes, and durations of phonemes, exact or estimated, become `Word` times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from agent.engines.protocols import Word
from agent.engines.words import match

_VOWELS = frozenset("aeiouyæɐɑɒɔəɚɛɜɝɞɨɪɯɵøœʉʊʌɤɘɶɪᵻ")
_SILENT = frozenset("ˈˌ-'_^$‿")
_PAUSES = {",": 2.0, ";": 2.5, ":": 2.5, ".": 0.5, "!": 0.5, "?": 0.5, "…": 2.0, "。": 0.5}
_LENGTHENER = "ː"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A word and the phonemes that sound it: positions between phonemes of its sentence, which lie
    inside a phoneme where words share some."""

    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one run of a voice speaks."""

    phonemes: list[str]
    words: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """Phonemes `start` to `end` of a sentence, between two spaces."""

    sentence: int
    start: int
    end: int
    sounds: int


def place_words(
    text: str, sentences: Sequence[Sequence[str]], count: Callable[[str], int]
) -> list[Sentence]:
    """Every word of `text` with its stretch of the `sentences`' phonemes, in order.

    `count` says how many sounds a word has by itself; asked only where the words and the groups of
    phonemes differ in number. Words that nothing sounds get an empty stretch."""
    words = text.split()
    sounded = [any(char.isalnum() for char in word) for word in words]
    spoken = [word for word, sounds in zip(words, sounded, strict=True) if sounds]
    groups = [group for at, phonemes in enumerate(sentences) for group in _groups(at, phonemes)]
    if len(spoken) == len(groups):
        sizes = [group.sounds for group in groups]
    else:
        sizes = [max(1, count(word)) for word in spoken]
    stretches = iter(_stretches(spoken, sizes, groups))
    placed: list[list[Stretch]] = [[] for _ in sentences]
    sentence, end = 0, 0.0
    for word, sounds in zip(words, sounded, strict=True):
        stretch = Stretch(word, end, end)
        if sounds and (found := next(stretches)) is not None:
            sentence, stretch = found
            end = stretch.end
        if placed:
            placed[sentence].append(stretch)
    return [
        Sentence(list(phonemes), tuple(stretches_of))
        for phonemes, stretches_of in zip(sentences, placed, strict=True)
    ]


def sounds_of(phonemes: Sequence[str]) -> int:
    """How many of the phonemes are heard as sounds of their own."""
    return sum(not _is_mark(phoneme) for phoneme in phonemes)


def _is_mark(phoneme: str) -> bool:
    return phoneme.isspace() or phoneme in _SILENT or phoneme in _PAUSES or phoneme == _LENGTHENER


def _groups(sentence: int, phonemes: Sequence[str]) -> list[_Group]:
    """The sentence's words as the voice says them; punctuation belongs to no word."""
    groups = []
    start = 0
    for at in range(len(phonemes) + 1):
        if at < len(phonemes) and not (phonemes[at].isspace() or phonemes[at] in _PAUSES):
            continue
        sounds = sounds_of(phonemes[start:at])
        if sounds:
            groups.append(_Group(sentence, start, at, sounds))
        start = at + 1
    return groups


def _stretches(
    words: Sequence[str], sizes: Sequence[int], groups: Sequence[_Group]
) -> list[tuple[int, Stretch] | None]:
    """For every spoken word its sentence and its stretch; None for one that has no sound."""
    stretches: list[tuple[int, Stretch] | None] = []
    for of_words, of_groups in match(sizes, [group.sounds for group in groups]):
        shared = [groups[at] for at in of_groups]
        if not shared:
            stretches.extend(None for _ in of_words)
            continue
        first = shared[0]
        end = max(group.end for group in shared if group.sentence == first.sentence)
        total = sum(sizes[at] for at in of_words)
        marks = accumulate((sizes[at] for at in of_words), initial=0)
        shares = [first.start + (end - first.start) * mark / max(total, 1) for mark in marks]
        for place, at in enumerate(of_words):
            stretch = Stretch(words[at], shares[place], shares[place + 1])
            stretches.append((first.sentence, stretch))
    return stretches


def exact_marks(
    phonemes: Sequence[str],
    ids: Mapping[str, Sequence[int]],
    samples: npt.NDArray[np.int64],
    rate: int,
) -> list[float] | None:
    """Seconds at which each phoneme begins, and the last ends, from the `samples` that the voice
    gave to each id. None when they don't fit. Ids are in Piper's order: beginning, pad, then
    every known phoneme followed by a pad, then the end."""
    pad = len(ids.get("_", ()))
    lengths = [len(ids[phoneme]) + pad if phoneme in ids else 0 for phoneme in phonemes]
    begin = len(ids.get("^", ())) + pad
    if begin + sum(lengths) + len(ids.get("$", ())) != len(samples):
        return None
    passed = np.concatenate(([0], np.cumsum(samples))) / rate
    return [float(passed[begin + at]) for at in accumulate(lengths, initial=0)]


def estimated_marks(phonemes: Sequence[str], start: float, end: float) -> list[float]:
    """The same from the phonemes' usual lengths, for speech between `start` and `end` seconds."""
    weights = [_usual_length(phoneme) for phoneme in phonemes]
    scale = (end - start) / (sum(weights) or 1)
    return [start + scale * part for part in accumulate(weights, initial=0)]


def _usual_length(phoneme: str) -> float:
    if phoneme in _PAUSES:
        return _PAUSES[phoneme]
    if phoneme == _LENGTHENER:
        return 0.5
    if _is_mark(phoneme):
        return 0.0
    return 1.2 if phoneme in _VOWELS else 0.9


def timed(sentence: Sentence, marks: Sequence[float], *, shift: float, end: float) -> list[Word]:
    """The sentence's words in seconds of a clip that was cut by `shift` seconds in front and is
    `end` seconds long."""
    positions = np.arange(len(marks))

    def second(position: float) -> float:
        return min(max(float(np.interp(position, positions, marks)) - shift, 0.0), end)

    return [Word(word.word, second(word.start), second(word.end)) for word in sentence.words]
