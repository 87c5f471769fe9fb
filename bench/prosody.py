"""Does the sound of a pause tell whether the turn is over? By the evidence that costs no model.

    python -m bench.prosody

For every pause and every end of `bench.endpointing`'s turns, and for the pauses that people made
themselves in the recordings: the pitch of the last 60 ms of voice against the caller's usual one,
the loudness of the last 100 ms, the length of the last voiced stretch, and how much was said so
far. Each alone scales a wait, `base * exp(k * evidence)`; its one parameter `k` is fitted on all
other speakers and held against a plain timeout of the same mean wait on the one left out. Printed
are percentage points of pauses cut off; less than nothing is better than plain.

None of it serves in the agent. Pitch helps with one speaker and harms with the next. Loudness and
length help where a pause was cut into fluent speech, which ends louder than a turn and earlier than
its recording; where people paused by themselves (the last column) they tell no more than chance.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from agent.dialogue.endpointer import Endpointer, Paused, Resumed
from bench.endpointing import PAUSES, Scene, calls, plain
from bench.endpointing import scene as whole_scene
from bench.recordings import TESTDATA, frame_levels, read
from media.audio import CALLER_RATE, AudioChunk
from media.voice import VoiceSettings, load_voice_model

Floats = npt.NDArray[np.float64]

EVIDENCE = ("pitch", "loudness", "last stretch", "said so far")
BASES = (0.6, 0.75, 0.9)
"""Seconds: the presets' waits where nothing is understood."""
STEPS = np.linspace(-0.3, 0.3, 25)
"""What `k` is chosen from, for evidence in standard deviations."""
FEWEST = 10
"""Pauses that a speaker must have made to be one of the table."""
PITCH_RATE, FRAME, HOP = CALLER_RATE // 4, 160, 40
"""Pitch is looked for at 4 kHz, in 40 ms every 10."""
LOWEST, HIGHEST, VOICED = 70, 400, 0.6
"""Hertz, and the autocorrelation from which a frame has a pitch."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A silence of `seconds` (None: the turn was over), and the evidence before it."""

    seconds: float | None
    evidence: tuple[float, ...]


def pitches(samples: npt.NDArray[np.int16]) -> Floats:
    """Hertz every 10 ms, NaN where there is no voice: by autocorrelation (Rabiner 1977)."""
    slow = samples[: len(samples) // 4 * 4].reshape(-1, 4).mean(axis=1)
    if len(slow) < FRAME:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(slow, FRAME)[::HOP]
    spectra = np.abs(np.fft.rfft(frames - frames.mean(axis=1, keepdims=True), 512, axis=1)) ** 2
    alike = np.fft.irfft(spectra, axis=1)[:, :FRAME]
    alike = alike / np.maximum(alike[:, :1], 1e-9) / (1 - np.arange(FRAME) / FRAME)
    first, last = PITCH_RATE // HIGHEST, PITCH_RATE // LOWEST
    lag = alike[:, first:last].argmax(axis=1) + first
    rows = np.arange(len(lag))
    return np.where(alike[rows, lag] > VOICED, PITCH_RATE / lag, np.nan)


def evidence(samples: npt.NDArray[np.int16], levels: Floats, said: float) -> tuple[float, ...]:
    """Of what ends with a pause: the last four seconds, their dBFS every 10 ms, and how many
    seconds of speech there were."""
    found = pitches(samples)
    voiced = np.flatnonzero(~np.isnan(found))
    fall = stretch = 0.0
    if len(voiced) > 5:
        usual = np.median(found[voiced])
        recent = found[voiced[voiced > len(found) - 50]][-6:]
        fall = float(np.mean(12 * np.log2(recent / usual))) if len(recent) else 0.0
        stretch = float(
            voiced[-1] - voiced[np.flatnonzero(np.diff(voiced) > 3)[-1:] + 1].max(initial=voiced[0])
        )
    usual_level = np.median(levels[levels > levels.max() - 25])
    loudness = float(levels[-10:].mean() - usual_level)
    return float(np.clip(fall, -6, 6)), loudness, stretch, float(np.log(max(said, 0.1)))


def pauses(scene: Scene) -> Iterator[Pause]:
    """Those of 200 ms and more in a turn, and its end."""
    endpointer = Endpointer(plain(3.0).settings, "en")
    levels = frame_levels(scene.audio)
    told: tuple[float, tuple[float, ...]] | None = None
    for index, probability in enumerate(scene.probabilities):
        match endpointer.feed(probability, 1 / 50, scene.levels[index]):
            case Paused(at):
                begin = max(0.0, at - 4.0)
                heard = scene.audio.samples[round(begin * CALLER_RATE) : round(at * CALLER_RATE)]
                past = levels[round(begin * 100) : round(at * 100)]
                told = at, evidence(heard, past, endpointer.speech)
            case Resumed() if told is not None:
                # Certain after 80 ms of speech, which are no part of the pause.
                seconds = endpointer.position - 0.08 - told[0]
                if seconds >= 0.2:
                    yield Pause(seconds, told[1])
                told = None
    if told is not None and told[0] > scene.end - 0.5:
        yield Pause(None, told[1])


def natural() -> list[Pause]:
    """Pauses that people made themselves, and their ends, in all recordings as they are."""
    model = load_voice_model(VoiceSettings())
    rows = [json.loads(line) for line in (TESTDATA / "speech.jsonl").open()]
    whole = (read(TESTDATA / row["audio"]) for row in rows if "fsdd" not in row["audio"])
    return [pause for audio in whole for pause in pauses(whole_scene("", audio, (), model))]


# -- the figures --------------------------------------------------------------------------------


def outcome(those: Sequence[Pause], waits: Floats) -> tuple[float, float]:
    """The share of pauses cut off and the mean wait at ends, with a wait for each."""
    lengths = np.array([np.inf if each.seconds is None else each.seconds for each in those])
    ends = np.isinf(lengths)
    return float(np.mean(waits[~ends] < lengths[~ends])), float(np.mean(waits[ends]))


def gain(those: Sequence[Pause], values: Floats, base: float, k: float) -> float:
    """Pauses cut off, less those of a plain timeout with the same mean wait."""
    cut, wait = outcome(those, base * np.exp(k * np.clip(values, -2, 2)))
    return cut - outcome(those, np.full(len(those), wait))[0]


def held_out(by_speaker: dict[str, list[Pause]], which: int) -> dict[str, float]:
    """By speaker: the mean gain over the presets' waits, `k` fitted on all the others."""
    found = {}
    for speaker, those in by_speaker.items():
        others = [each for name, rest in by_speaker.items() if name != speaker for each in rest]
        seen = np.array([each.evidence[which] for each in others])
        centre, spread = seen.mean(), seen.std() + 1e-9
        scaled = (seen - centre) / spread
        best = min(STEPS, key=lambda k: sum(gain(others, scaled, base, k) for base in BASES))
        values = (np.array([each.evidence[which] for each in those]) - centre) / spread
        found[speaker] = float(np.mean([gain(those, values, base, best) for base in BASES]))
    return found


def tells_apart(those: Sequence[Pause], which: int) -> float:
    """How often evidence is higher at an end than at a pause (area under the ROC); 0.5: never
    more than by chance."""
    ends = np.array([each.evidence[which] for each in those if each.seconds is None])
    inside = np.array([each.evidence[which] for each in those if each.seconds is not None])
    higher = ends[:, None] > inside[None]
    return float(np.mean(higher + 0.5 * (ends[:, None] == inside[None])))


def main() -> None:
    by_speaker: dict[str, list[Pause]] = defaultdict(list)
    for speaker, scenes in calls(PAUSES, 2, None).items():
        by_speaker[speaker] = [pause for scene in scenes for pause in pauses(scene)]
    by_speaker = {
        name: those
        for name, those in by_speaker.items()
        if sum(each.seconds is not None for each in those) >= FEWEST
        and any(each.seconds is None for each in those)
    }
    own = natural()
    print(f"{'':14}" + "".join(f"{name[:10]:>11}" for name in by_speaker) + "   own pauses (ROC)")
    for which, name in enumerate(EVIDENCE):
        gains = held_out(by_speaker, which)
        cells = "".join(f"{100 * gains[speaker]:>+11.1f}" for speaker in by_speaker)
        print(f"{name:14}{cells}{tells_apart(own, which):>19.2f}")
    inside = sum(each.seconds is not None for each in own)
    print(f"Pauses that speakers made themselves: {inside}, and {len(own) - inside} ends.")
    print(f"Of a processor, a pause: {cost() * 1000:.2f} ms")


def cost() -> float:
    """Seconds of CPU of one pause's evidence, at the median."""
    noise = np.random.default_rng(1).integers(-9000, 9000, 4 * CALLER_RATE).astype(np.int16)
    levels = frame_levels(AudioChunk(noise))
    took = []
    for _ in range(50):
        begin = time.process_time()
        evidence(noise, levels, 4.0)
        took.append(time.process_time() - begin)
    return median(took)


if __name__ == "__main__":
    main()
