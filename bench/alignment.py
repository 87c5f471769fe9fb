"""Where the words of a known text lie in its recording.

PocketSphinx aligns; it recognises nothing here. A text with a word that its dictionary lacks
has no alignment, and neither has any language but English.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from num2words import num2words
from pocketsphinx import Decoder

from agent.dialogue.words import words
from media.audio import CALLER_RATE, AudioChunk


@dataclass(frozen=True, slots=True)
class Aligned:
    """A word, in seconds of its recording."""

    text: str
    begin: float
    end: float

    def moved(self, seconds: float) -> Aligned:
        return Aligned(self.text, self.begin + seconds, self.end + seconds)


def align(audio: AudioChunk, text: str) -> tuple[Aligned, ...] | None:
    """The words of `text` in `audio` (16 kHz); None when they can't be aligned."""
    plain = re.sub(r"<[^>]*>", " ", text)
    said = words(re.sub(r"\d+", lambda number: f" {num2words(int(number[0]))} ", plain))
    decoder = _decoder()
    try:
        decoder.set_align_text(" ".join(said))
    except RuntimeError:
        return None
    decoder.start_utt()
    decoder.process_raw(audio.samples.tobytes(), full_utt=True)
    decoder.end_utt()
    try:
        found = [each for each in decoder.seg() or () if not each.word.startswith(("<", "("))]
    except RuntimeError:
        return None
    if len(found) != len(said):
        return None
    frames = [(each.start_frame / 100, (each.end_frame + 1) / 100) for each in found]
    return tuple(Aligned(word, *at) for word, at in zip(said, frames, strict=True))


@cache
def _decoder() -> Decoder:
    return Decoder(samprate=CALLER_RATE, loglevel="FATAL", lm=None)
