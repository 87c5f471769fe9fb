"""The endpointer, whatever is said: what holds for every script of voice and silence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialogue.endpointer import (
    Ended,
    Endpointer,
    EndpointSettings,
    Paused,
    Resumed,
    Signal,
    Started,
)
from agent.dialogue.rhythm import RhythmSettings

stretches = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), st.integers(1, 20)), max_size=30
)
"""(probability, length in 160 ms): a length that 10, 20, 32 and 40 ms all divide."""


def run(script: list[tuple[float, int]], piece: float) -> list[Signal]:
    endpointer = Endpointer(EndpointSettings(), "en")
    signals = []
    for probability, length in script:
        for _ in range(round(length * 0.16 / piece)):
            if signal := endpointer.feed(probability, piece):
                signals.append(signal)
    return signals


def blurred(signals: list[Signal]) -> list[Signal]:
    """Rounded to what pieces of different length may differ by."""
    coarse: list[Signal] = []
    for signal in signals:
        match signal:
            case Started(onset):
                coarse.append(Started(round(onset, 3)))
            case Paused(end):
                coarse.append(Paused(round(end, 3)))
            case Ended(end, _, voiced):
                coarse.append(Ended(round(end, 3), 0.0, round(voiced, 3)))
            case Resumed():
                coarse.append(signal)
    return coarse


@given(stretches)
def test_the_length_of_the_pieces_does_not_matter(script: list[tuple[float, int]]) -> None:
    by_ten = blurred(run(script, 0.01))

    assert blurred(run(script, 0.02)) == by_ten
    assert blurred(run(script, 0.032)) == by_ten


@given(stretches)
def test_signals_come_in_their_order(script: list[tuple[float, int]]) -> None:
    follows: dict[type[Signal] | None, set[type[Signal]]] = {
        None: {Started},
        Started: {Paused, Ended},
        Paused: {Resumed, Ended},
        Resumed: {Paused, Ended},
        Ended: {Started},
    }
    last: type[Signal] | None = None
    for signal in run(script, 0.02):
        assert type(signal) in follows[last]
        last = type(signal)


texts = st.sampled_from([None, "i would like to", "what is it", "coffee", "b r e", "네", "했는데"])


@settings(max_examples=60)
@given(stretches, texts, st.none() | st.floats(0, 1), st.sampled_from(["en", "ko"]))
def test_a_turn_ends_only_after_the_wait_in_silence(
    script: list[tuple[float, int]], text: str | None, judged: float | None, language: str
) -> None:
    endpointer = Endpointer(EndpointSettings(), language)
    for probability, length in script:
        for _ in range(length * 8):
            wait = endpointer.wait
            signal = endpointer.feed(probability, 0.02)
            if isinstance(signal, Started | Resumed):
                if text:
                    endpointer.read(text)
                if judged is not None:
                    endpointer.judge(judged)
            if isinstance(signal, Ended):
                silence = endpointer.position - signal.speech_end
                assert silence == pytest.approx(signal.waited, abs=1e-3)
                assert signal.waited >= min(wait, endpointer.wait) - 1e-3
                assert 0 < signal.speech <= signal.speech_end + 1e-3


@given(st.lists(st.floats(0.05, 5), max_size=50), st.lists(st.booleans(), max_size=50))
def test_the_rhythm_stays_within_its_bounds(pauses: list[float], cut: list[bool]) -> None:
    from agent.dialogue.rhythm import Rhythm

    limits = RhythmSettings()
    rhythm = Rhythm(limits)
    for pause, was_cut in zip(pauses, cut, strict=False):
        (rhythm.cut_off if was_cut else rhythm.paused)(pause)
        assert limits.fastest - 1e-9 <= rhythm.scale(1.0) <= limits.slowest + 1e-9
