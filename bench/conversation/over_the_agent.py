"""What is said over the agent, labelled: interruptions, and what is none.

Interruptions are recordings of people: commands, questions, digits, names. No recording of a
backchannel is at hand but a "yes", so that most are spoken by Piper's small voice. Noises are
recorded ones, near and in the room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bench.alignment import align
from bench.conversation.reply_words import say
from bench.conversation.sounds import breath, music, siren, steady
from bench.recordings import Spoken, named, noises, orders, utterances, voice_bounds
from media.audio import CALLER_RATE, AudioChunk, Resampler, Samples, level_db

INTERRUPTIONS = (
    "an4_test/an440-mjgm-b", "an4_test/an443-mmxg-b", "whatstheweatherlike",
    "what-time-it-is.flac", "an4_test/an422-menk-b", "an4_test/an441-mmxg-b",
    "an4_test/cen3-fvap-b", "an4_test/cen2-menk-b",
    "please-hang-up-and-try-again", "who-would-you-like-to-call", "an4_test/cen8-mjgm-b",
    "an4_test/an438-mjgm-b", "an4_test/cen7-menk-b", "press-or-say-1", "an4_test/cen1-fvap-b",
    "sense_and_sensibility", "an4_test/an426-fvap-b", "please-enter-first-three",
    "an4_test/cen6-mmxg-b", "leopard__test.wav", "an4_test/an436-mjgm-b", "nobody-but-chickens",
    "an4_test/cen4-fvap-b", "an4_test/an445-mmxg-b",
)  # fmt: skip
BACKCHANNELS = ("Uh-huh.", "Yeah.", "Okay.", "Right.", "Mm-hm.", "I see.", "Oh.", "Sure.")
MORE_BACKCHANNELS = (
    *BACKCHANNELS, "Uh-huh, uh-huh.", "Yeah, yeah.", "Hmm.", "Ah.", "Yes.", "Yep.", "Of course.",
    "Really?", "Wow.", "Got it.", "Great.", "Okay, okay.",
    # Korean ones, spelled for an English voice: 네, 음, 응, 예 예.
    "Neh.", "Um.", "Eung.", "Yeh, yeh.",
)  # fmt: skip
THROATS = (0.85, 1.0, 1.15)
"""How much faster one voice is played, to be several: lower and slower, higher and faster."""
NOISE_SECONDS = 2.0
NOISE_LEVELS = (-25.0, -38.0)


@dataclass(frozen=True, slots=True, eq=False)
class Over:
    """Something that is said over the agent. `onset`: where its first word begins, in seconds."""

    kind: str
    name: str
    audio: AudioChunk
    onset: float

    @property
    def interrupts(self) -> bool:
        return self.kind == "interruption"


async def labelled() -> list[Over]:
    """All of it, the kinds mixed."""
    wanted = [_recorded("interruption", named(part)) for part in INTERRUPTIONS]
    others = [_recorded("backchannel", named("an4_test/an442-mmxg-b"))]
    others += [_over("backchannel", text, _heard_near(await say(text))) for text in BACKCHANNELS]
    for name, audio in noises().items():
        others += [
            _over("noise", f"{name} at {each:.0f} dBFS", _at(audio, each)) for each in NOISE_LEVELS
        ]
    order = np.random.default_rng(3).permutation(len(wanted) + len(others))
    return [[*wanted, *others][index] for index in order]


async def many() -> list[Over]:
    """A larger set, for decisions that are replayed: every recorded sentence and order interrupts;
    single digits, said alone, do so once they are understood."""
    found = [_over(_kind(each), each.text, each.voice) for each in utterances()]
    found += [_over("interruption", "an order", each.voice) for each in orders()]
    for text in MORE_BACKCHANNELS:
        said = await say(text)
        for faster in THROATS:
            voice = _heard_near(AudioChunk(said.samples, round(said.rate * faster)))
            found.append(_over("backchannel", f"{text} at {faster:g}", voice))
    made = {each.__name__: each(6.0) for each in (breath, music, siren, steady)}
    for name, audio in {**noises(), **made}.items():
        for begin, part in _parts(audio):
            for level in NOISE_LEVELS:
                what = f"{name} from {begin:.0f} s at {level:.0f} dBFS"
                found.append(Over("noise", what, _scaled(part, level), 0.0))
    return found


def _kind(spoken: Spoken) -> str:
    if "fsdd" in spoken.name:
        return "single digit"
    return "backchannel" if "an442-mmxg" in spoken.name else "interruption"


def _parts(audio: AudioChunk) -> Iterator[tuple[float, Samples]]:
    """Where each whole stretch of `NOISE_SECONDS` begins, and the stretch."""
    size = round(NOISE_SECONDS * CALLER_RATE)
    for begin in range(0, len(audio) - size + 1, size):
        yield begin / CALLER_RATE, audio.samples[begin : begin + size]


def _recorded(kind: str, spoken: Spoken) -> Over:
    """Some recordings begin with a click or a breath; where the first word is, is known."""
    over = _over(kind, spoken.text, spoken.voice)
    words = align(over.audio, spoken.text)
    return replace(over, onset=max(over.onset, words[0].begin)) if words else over


def _over(kind: str, name: str, audio: AudioChunk) -> Over:
    return Over(kind, name, audio, voice_bounds(audio)[0])


def _heard_near(audio: AudioChunk) -> AudioChunk:
    """As a caller's voice comes: 16 kHz, at -23 dBFS."""
    resampler = Resampler(audio.rate, CALLER_RATE)
    samples = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
    return _scaled(samples, -23.0)


def _at(audio: AudioChunk, level: float) -> AudioChunk:
    return _scaled(np.resize(audio.samples, round(NOISE_SECONDS * CALLER_RATE)), level)


def _scaled(samples: Samples, level: float) -> AudioChunk:
    gain = 10 ** ((level - level_db(samples)) / 20)
    return AudioChunk(np.clip(samples * gain, -32768, 32767).astype(np.int16))
