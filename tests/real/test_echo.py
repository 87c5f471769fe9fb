"""The agent's own voice from a loudspeaker, in made rooms, with people speaking over it."""

from __future__ import annotations

import asyncio

import pytest

from bench.conversation import rooms
from bench.conversation.reply_words import told
from media.voice import VoiceSettings, load_voice_model
from tests.conftest import TestData

pytestmark = pytest.mark.real

PLACE = ((0.2, 0.3),)
"""A room that rings, 200 ms away."""


@pytest.fixture(scope="module")
def outcomes(testdata: TestData) -> dict[float, rooms.Outcome]:
    async def replayed() -> dict[float, rooms.Outcome]:
        model, agent = load_voice_model(VoiceSettings()), await told(4)
        return {level: await rooms.at(level, PLACE, agent, model) for level in (-6.0, -15.0)}

    return asyncio.run(replayed())


def test_the_agent_does_not_interrupt_itself(outcomes: dict[float, rooms.Outcome]) -> None:
    for outcome in outcomes.values():
        assert outcome.alone == 0
        assert outcome.ducked < 0.05 * outcome.seconds


def test_a_loudspeaker_switched_on_late_is_known_soon(outcomes: dict[float, rooms.Outcome]) -> None:
    for outcome in outcomes.values():
        assert outcome.switched <= 2


def test_people_are_heard_over_the_echo(outcomes: dict[float, rooms.Outcome]) -> None:
    loud, usual = outcomes[-6.0], outcomes[-15.0]

    assert loud.recognised[-20.0] >= 0.6 * loud.spoke
    assert usual.recognised[-20.0] == usual.spoke
    assert usual.recognised[-26.0] >= 0.8 * usual.spoke
