"""The end of a turn on recordings of people, with pauses put between their words."""

from __future__ import annotations

import pytest

from bench import endpointing
from tests.conftest import TestData

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def scenes(testdata: TestData) -> dict[str, list[endpointing.Scene]]:
    return endpointing.calls((0.4, 0.8), 1, None)


def test_every_preset_cuts_off_fewer_turns_than_silence_alone_at_the_same_wait(
    scenes: dict[str, list[endpointing.Scene]],
) -> None:
    sweep = [
        endpointing.score(endpointing.plain(timeout), scenes, full_stop="")["all"]
        for timeout in endpointing.SWEEP
    ]

    for policy in endpointing.policies()[:3]:
        scored = endpointing.score(policy, scenes, full_stop="")["all"]
        silence = endpointing.plain_at(scored.wait, sweep)
        print(
            f"{policy.name}: {scored.cut_share:.1%} cut off, {scored.wait * 1000:.0f} ms waited; "
            f"silence alone, as long: {silence:.1%}"
        )
        assert scored.cut_share < silence


def test_every_turn_is_ended(scenes: dict[str, list[endpointing.Scene]]) -> None:
    turns = sum(len(each) for each in scenes.values())

    for policy in endpointing.policies():
        scored = endpointing.score(policy, scenes, full_stop="")["all"]
        assert scored.turns == turns
        assert len(scored.waits) == turns
