"""A long reply, and when each of its words sounds: the server's own voice, run here without chance.

With `SETTINGS` Piper's output depends on nothing but the text, so that what the server plays is
what is synthesized here, sample for sample.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from agent.dialogue.sentences import SentenceSplitter
from agent.dialogue.spoken import to_speech
from agent.engines.piper import Piper, PiperSettings
from bench.recordings import TESTDATA
from media.audio import AudioChunk, join

VOICE = TESTDATA / "models" / "piper" / "en_US-moonmicro-low.onnx"
SETTINGS = ["tts.piper.variation=0", "tts.piper.rhythm_variation=0", "turn.reply.max_tokens=1024"]

REPLY = (
    "Well, let me tell you about the garden behind the old house. "
    "In spring the apple trees are full of white flowers and the bees come early in the morning. "
    "My grandmother used to sit under the largest tree and read her letters there. "
    "She kept a little dog that slept beside her and barked at every stranger. "
    "In summer we picked cherries until our fingers were dark and our baskets were heavy. "
    "The neighbours came over in the evening and brought bread and cheese and music. "
    "When autumn came the leaves turned yellow and the paths were covered with them. "
    "We made small fires at the end of the field and told each other stories. "
    "Winter was quiet and the snow lay on the roof for many weeks. "
    "Then the birds came back and everything began again from the beginning. "
    "I still remember the smell of the kitchen and the sound of the clock on the wall. "
    "Every room had a window from which you could see the hills and the river below."
)


@dataclass(frozen=True, slots=True)
class Told:
    """A word of the reply, in seconds of its sound."""

    text: str
    begin: float
    end: float


async def words_of(reply: str) -> tuple[Told, ...]:
    """The words as written, in order, when the pieces are played without a gap."""
    voice = Piper(PiperSettings(variation=0, rhythm_variation=0), {"en": Path(VOICE)})
    await voice.start()
    told: list[Told] = []
    begin = 0.0
    try:
        splitter = SentenceSplitter("en")
        for sentence in [*splitter.feed(reply), *splitter.flush()]:
            spoken = to_speech(sentence.strip(), "en", {})
            async with aclosing(voice.speak(spoken.text, language="en")) as pieces:
                async for piece in pieces:
                    for text, start, end in spoken.written(piece.words):
                        told.append(Told(text, begin + start, begin + end))
                    begin += piece.audio.seconds
    finally:
        await voice.aclose()
    return tuple(told)


async def say(text: str) -> AudioChunk:
    """`text` in that voice, always alike: for what no recording says."""
    voice = Piper(PiperSettings(variation=0, rhythm_variation=0), {"en": Path(VOICE)})
    await voice.start()
    try:
        async with aclosing(voice.speak(text, language="en")) as pieces:
            return [piece.audio async for piece in pieces][0]
    finally:
        await voice.aclose()


async def told(sentences: int | None = None) -> AudioChunk:
    """The sound of the reply, or of its first sentences."""
    voice = Piper(PiperSettings(variation=0, rhythm_variation=0), {"en": Path(VOICE)})
    await voice.start()
    splitter = SentenceSplitter("en")
    sounds: list[AudioChunk] = []
    try:
        for sentence in [*splitter.feed(REPLY), *splitter.flush()][:sentences]:
            spoken = to_speech(sentence.strip(), "en", {})
            async with aclosing(voice.speak(spoken.text, language="en")) as pieces:
                sounds += [piece.audio async for piece in pieces]
    finally:
        await voice.aclose()
    return join(sounds)
