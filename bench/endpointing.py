"""Turns cut off and seconds waited, by the endpointer's presets and by plain silence timeouts.

    python -m bench.endpointing [--quick] [--punctuated] [--snr DB]

Recordings of people, with pauses of 300 to 1000 ms put between two of their words (where, is known
from an alignment of the known text), and beginnings of one speaker followed by a pause and the
rest. A call is all of one speaker's turns through one endpointer, so that it may learn the
speaker's rhythm; a turn that was cut off is reopened when the speaker goes on, as in a real call.

What a recogniser would have understood is taken from the known text: every 300 ms of speech what
ended 150 ms ago, and 100 ms after a pause is noticed all that was said. `no text` gives it nothing.
A turn is *cut off* when it is ended before its last word; its *wait* is from the end of the last
word (by energy) to the end of the turn.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import mean

import numpy as np

from agent.dialogue.endpointer import Ended, Endpointer, EndpointSettings, Paused, Started
from agent.dialogue.rhythm import RhythmSettings
from agent.dialogue.words import words
from bench.alignment import Aligned, align
from bench.recordings import (
    Spoken,
    frame_levels,
    joined,
    mixed,
    noises,
    room_tone,
    utterances,
    with_pause,
)
from media.audio import CALLER_RATE, AudioChunk, level_db
from media.voice import VoiceModel, VoiceSettings, load_voice_model

PAUSES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
LEAD, TAIL = 0.5, 3.0
"""Seconds of room tone before and after a turn."""
PIECE = CALLER_RATE // 50
PARTIAL_EVERY, PARTIAL_LAG, FINAL_LAG = 0.3, 0.15, 0.1
TIMEOUTS = (0.3, 0.5, 0.7, 1.0)
SWEEP = tuple(round(0.2 + 0.05 * step, 2) for step in range(29))
"""Seconds; so fine that each wait of a preset without text is one of them: the shares are steps."""

BEGINNINGS = frozenset(
    """if-this-is-correct current-time-is current_account_balance dir-multi2 call-requres
    please-enter-the you-can-press save-announce-press to-redial-the-last-number-you-called
    to-hear-callerid for-qc-and-training-purposes to-reach-operator in-your-zip-code
    """.split()
)
"""Recordings that nobody would end a turn with; the rest is put after them."""
PARTS = frozenset(
    """advised-to-seek-shelter unidentified-no-callback temp-disconnected not-yet-connected
    teletubbie-murder TTS__LJ001-0002 TTS__LJ001-0004 TTS__LJ001-0008 press-6-to-eject
    vm-savemessage gmt bombsquad watson vm-msginstruct vm-opts-full conf-adminmenu demo-abouttotry
    """.split()
)
"""No turns of a caller's either: ends of sentences, and announcements of several sentences."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One turn: what is heard, and where its words end."""

    kind: str
    audio: AudioChunk
    said: tuple[tuple[str, float], ...]
    """Words and where they end, in seconds of `audio`."""
    end: float
    probabilities: tuple[float, ...]
    levels: tuple[float, ...]
    """dBFS, beside the probabilities: a pair for every 20 ms."""


@dataclass(frozen=True, slots=True)
class Policy:
    name: str
    settings: EndpointSettings
    reads: bool = True


@dataclass(slots=True)
class Score:
    turns: int = 0
    paused: int = 0
    """Turns with a pause inside."""
    cut: int = 0
    waits: list[float] = field(default_factory=list)
    """Seconds from the end of the last word to the end of each turn."""

    @property
    def cut_share(self) -> float:
        return self.cut / max(1, self.paused)

    @property
    def wait(self) -> float:
        return mean(self.waits) if self.waits else 0.0


def plain(timeout: float) -> Policy:
    """Silence alone, as voice agents do that have nothing better."""
    same = dict.fromkeys(("complete", "unsure", "unfinished", "spelling", "unread"), timeout)
    settings = EndpointSettings.model_validate(
        {**same, "shortest": min(0.2, timeout), "rhythm": RhythmSettings(rate=0)}
    )
    return Policy(f"silence {timeout * 1000:.0f} ms", settings, reads=False)


def policies() -> list[Policy]:
    presets = [EndpointSettings.model_validate({"preset": p}) for p in ("eager", "balanced")]
    presets.append(EndpointSettings(preset="patient"))
    return (
        [Policy(settings.preset, settings) for settings in presets]
        + [Policy(f"{settings.preset}, no text", settings, reads=False) for settings in presets]
        + [plain(timeout) for timeout in TIMEOUTS]
    )


# -- the turns ----------------------------------------------------------------------------------


def calls(pauses: Sequence[float], cuts: int, snr: float | None) -> dict[str, list[Scene]]:
    """Scenes by speaker, shuffled as always the same."""
    model = load_voice_model(VoiceSettings())
    noise = noises()["speechbrain__noise1"] if snr is not None else None
    scenes: dict[str, list[Scene]] = defaultdict(list)
    aligned = [(each, align(each.audio, each.text)) for each in utterances() if _is_turn(each)]
    follow = [(each, ws) for each, ws in aligned if ws and not _named(each, BEGINNINGS)]
    for each, ws in aligned:
        if not ws:
            continue
        for kind, audio, said in _versions(each, ws, follow, pauses, cuts):
            if noise is not None and snr is not None:
                audio = mixed(audio, noise, snr_db=snr)
            scenes[_speaker(each)].append(scene(kind, audio, said, model))
    for each_call in scenes.values():
        random.Random(7).shuffle(each_call)
    return scenes


Version = tuple[str, AudioChunk, tuple[Aligned, ...]]


def _versions(
    each: Spoken,
    ws: tuple[Aligned, ...],
    follow: Sequence[tuple[Spoken, tuple[Aligned, ...]]],
    pauses: Sequence[float],
    cuts: int,
) -> Iterable[Version]:
    """The turn as it is, and with each pause at its quietest word gaps."""
    spelled = "spelled" if "an4" in each.name else "sentence"
    if _named(each, BEGINNINGS):
        rest = [pair for pair in follow if _speaker(pair[0]) == _speaker(each)]
        for index, pause in enumerate(pauses):
            yield _continued(each, ws, *rest[(len(each.name) + 7 * index) % len(rest)], pause)
        return
    yield f"{spelled}", each.audio, ws
    levels = frame_levels(each.audio)
    gaps = sorted(
        ((one.end + other.begin) / 2 for one, other in pairwise(ws)),
        key=lambda at: float(np.mean(levels[max(0, round(at * 100) - 3) : round(at * 100) + 3])),
    )
    for at in gaps[:cuts]:
        for pause in pauses:
            later = tuple(w if w.end <= at else w.moved(pause) for w in ws)
            yield f"{spelled}, paused", with_pause(each.audio, at, pause), later


def _continued(
    each: Spoken,
    ws: tuple[Aligned, ...],
    rest: Spoken,
    rest_ws: tuple[Aligned, ...],
    pause: float,
) -> Version:
    head = round((each.end + 0.03) * CALLER_RATE)
    skip = max(0.0, rest.begin - 0.03)
    tone = AudioChunk(room_tone(rest.audio, pause))
    audio = joined(
        [
            AudioChunk(each.audio.samples[:head]),
            tone,
            AudioChunk(rest.audio.samples[round(skip * CALLER_RATE) :]),
        ]
    )
    moved = tuple(w.moved(head / CALLER_RATE + pause - skip) for w in rest_ws)
    return "sentence, paused", audio, ws + moved


def scene(kind: str, audio: AudioChunk, said: tuple[Aligned, ...], model: VoiceModel) -> Scene:
    voice_end = max(np.flatnonzero(frame_levels(audio) > frame_levels(audio).max() - 30)) / 100
    whole = AudioChunk(
        np.concatenate([room_tone(audio, LEAD), audio.samples, room_tone(audio, TAIL)])
    )
    detector = model.detector()
    pieces = [
        AudioChunk(whole.samples[at : at + PIECE]) for at in range(0, len(whole) - PIECE + 1, PIECE)
    ]
    probabilities = tuple(detector.probability(piece) for piece in pieces)
    levels = tuple(level_db(piece.samples) for piece in pieces)
    ends = tuple((word.text, word.end + LEAD) for word in said)
    return Scene(kind, whole, ends, float(voice_end) + 0.01 + LEAD, probabilities, levels)


def _is_turn(each: Spoken) -> bool:
    return len(words(each.text)) >= 2 and not _named(each, PARTS) and "fsdd" not in each.name


def _named(each: Spoken, names: frozenset[str]) -> bool:
    return Path(each.name).stem in names


def _speaker(each: Spoken) -> str:
    found = re.search(r"an4_test/\w+-(\w+)-b", each.name)
    if found:
        return found[1]
    return "asterisk" if "asterisk" in each.name else Path(each.name).stem


# -- the calls ----------------------------------------------------------------------------------


def score(policy: Policy, scenes: dict[str, list[Scene]], *, full_stop: str) -> dict[str, Score]:
    """By kind of turn, and `all`."""
    scores: dict[str, Score] = defaultdict(Score)
    for turns in scenes.values():
        endpointer = Endpointer(policy.settings, "en")
        for scene in turns:
            ends = _play(endpointer, scene, policy.reads, full_stop)
            final = [end for end in ends if end >= scene.end - 0.3]
            # Ended with the last word still to come: somebody was interrupted.
            cut = any(end < scene.said[-1][1] - 0.1 for end in ends)
            kind = scene.kind.removesuffix(", paused")
            for each in (kind, "all"):
                scores[each].turns += 1
                if scene.kind.endswith("paused"):
                    scores[each].paused += 1
                    scores[each].cut += cut
                if final:
                    scores[each].waits.append(final[-1] - scene.end)
    return dict(scores)


def _play(endpointer: Endpointer, scene: Scene, reads: bool, full_stop: str) -> list[float]:
    """Where the turn was ended, in seconds of the scene."""
    start = endpointer.position
    ends: list[float] = []
    partial, final = 0.0, None
    for index, probability in enumerate(scene.probabilities):
        now = (index + 1) / 50
        match endpointer.feed(probability, 1 / 50, scene.levels[index]):
            case Started():
                if ends:
                    endpointer.reopen()
                partial, final = now, None
            case Paused():
                final = now + FINAL_LAG
            case Ended():
                ends.append(endpointer.position - start)
                final = None
        if not reads or not endpointer.speaking:
            continue
        if final is not None and now >= final - 1e-9:
            _read(endpointer, scene, now, start, full_stop)
            final = None
        elif final is None and now - partial >= PARTIAL_EVERY:
            _read(endpointer, scene, now - PARTIAL_LAG, start, "")
            partial = now
    return ends


def _read(endpointer: Endpointer, scene: Scene, at: float, start: float, full_stop: str) -> None:
    said = " ".join(word for word, end in scene.said if end <= at + 0.02)
    if said:
        endpointer.read(said + full_stop, until=start + at)


# -- the figures --------------------------------------------------------------------------------


def plain_at(wait: float, sweep: Sequence[Score]) -> float:
    """The share that a plain timeout of the same mean wait cuts off (between two of the sweep)."""
    points = sorted((each.wait, each.cut_share) for each in sweep)
    return float(np.interp(wait, [at for at, _ in points], [share for _, share in points]))


def report(scenes: dict[str, list[Scene]], full_stop: str) -> list[dict[str, object]]:
    sweep = [score(plain(timeout), scenes, full_stop=full_stop) for timeout in SWEEP]
    rows: list[dict[str, object]] = []
    print(f"{'':20}{'turns':>18}{'cut off':>9}{'mean wait':>11}{'plain, same wait':>18}")
    for policy in policies():
        for kind, each in sorted(score(policy, scenes, full_stop=full_stop).items()):
            same = plain_at(each.wait, [one[kind] for one in sweep])
            print(
                f"{policy.name if kind == 'all' else '':20}{kind:>12}{each.turns:>6}"
                f"{each.cut_share:>9.1%}{each.wait * 1000:>8.0f} ms{same:>18.1%}"
            )
            row = asdict(each) | {"policy": policy.name, "kind": kind, "plain_same_wait": same}
            del row["waits"]
            rows.append(row | {"cut_share": each.cut_share, "mean_wait": each.wait})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer pauses at fewer places")
    parser.add_argument("--punctuated", action="store_true", help="a full stop at every pause")
    parser.add_argument("--snr", type=float, help="dB of noise mixed in")
    parser.add_argument("--out", type=Path, default=Path("bench/results/endpointing.json"))
    chosen = parser.parse_args()
    scenes = calls(PAUSES[::3] if chosen.quick else PAUSES, 1 if chosen.quick else 2, chosen.snr)
    rows = report(scenes, "." if chosen.punctuated else "")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
