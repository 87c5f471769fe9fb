"""What a call may do next."""

from __future__ import annotations

from typing import get_args

import pytest

from agent.dialogue.phase import TRANSITIONS, Phase, UndefinedTransition, move
from agent.events import PhaseName


@pytest.mark.parametrize(
    "path",
    [
        "speaking listening hearing thinking speaking listening ended",  # greeting, turn, hang-up
        "hearing thinking hearing thinking speaking",  # a soft end
        "hearing thinking speaking hearing",  # a barge-in
        "hearing listening",  # a noise
        "hearing thinking speaking thinking speaking",  # a filler, then the reply
        "hearing thinking listening",  # nothing to say
        "hearing speaking ended",  # goodbye into the caller's words
    ],
)
def test_a_call_goes_its_ways(path: str) -> None:
    phase = Phase.LISTENING
    for name in path.split():
        phase = move(phase, Phase(name))
        assert phase.value == name


@pytest.mark.parametrize("phase", Phase)
def test_any_call_can_end_and_none_comes_back(phase: Phase) -> None:
    if phase is not Phase.ENDED:
        assert move(phase, Phase.ENDED) is Phase.ENDED
    with pytest.raises(UndefinedTransition, match="what may follow: nothing"):
        move(Phase.ENDED, phase)


def test_an_undefined_transition_names_what_may_follow() -> None:
    with pytest.raises(
        UndefinedTransition,
        match="a call that is listening cannot become thinking; what may follow: ended, hearing",
    ):
        move(Phase.LISTENING, Phase.THINKING)


def test_staying_is_no_transition() -> None:
    for phase in Phase:
        assert phase not in TRANSITIONS[phase]


def test_the_events_know_the_same_names() -> None:
    assert {phase.value for phase in Phase} == set(get_args(PhaseName))
