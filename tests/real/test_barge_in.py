"""Recordings of people, backchannels and noises over the agent: whom it stops for."""

from __future__ import annotations

import asyncio

import pytest

from bench.conversation import decisions
from bench.conversation.over_the_agent import many
from tests.conftest import TestData

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def outcomes(testdata: TestData) -> decisions.Outcomes:
    async def replayed() -> decisions.Outcomes:
        return await decisions.outcomes((await many())[::3])

    return asyncio.run(replayed())


def test_people_stop_the_agent_by_their_voice_and_nearly_nothing_else_does(
    outcomes: decisions.Outcomes,
) -> None:
    right = len(decisions.stopped(outcomes, "interruption"))
    wrong = decisions.stopped(outcomes, "backchannel", "noise")

    print(f"stopped by {right} people, and by {wrong}")
    assert right >= 0.95 * sum(over.kind == "interruption" for over, _ in outcomes)
    assert right >= 0.9 * (right + len(wrong))


def test_whoever_speaks_makes_the_agent_quieter_first(outcomes: decisions.Outcomes) -> None:
    for over, replayed in outcomes:
        if over.kind == "interruption":
            assert replayed.verdicts, over.name
            assert replayed.verdicts[0][1].value == "duck", over.name


def test_a_replay_gives_the_same_verdicts_again(outcomes: decisions.Outcomes) -> None:
    sounds = [over for over, _ in outcomes[:10]]

    again = asyncio.run(decisions.outcomes(sounds))

    assert [replayed for _, replayed in again] == [replayed for _, replayed in outcomes[:10]]
