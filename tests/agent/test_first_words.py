"""What is said before anybody can know that someone speaks: it is heard all the same."""

from __future__ import annotations

import pytest

from agent.events import TurnFinished
from agent.settings import TurnSettings
from media.audio import AudioChunk
from tests.agent.conversation import line
from tests.fakes import FakeDetector
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul"


class SlowDetector(FakeDetector):
    """Takes each sound for speech `late` seconds after it began, as after a soft consonant."""

    def __init__(self, late: float) -> None:
        self._late = late
        self._sounding = 0.0

    def probability(self, chunk: AudioChunk) -> float:
        probability = super().probability(chunk)
        self._sounding = self._sounding + chunk.seconds if probability > 0.5 else 0.0
        return probability if self._sounding > self._late else 0.02


@pytest.mark.parametrize(
    ("margin", "transcript"),
    [(None, QUESTION), (0.0, "time is it in seoul")],
    ids=["as it ships", "without a margin"],
)
def test_a_word_before_the_detector_fired_is_heard(margin: float | None, transcript: str) -> None:
    chosen = {} if margin is None else {"hearing": {"margin": margin}}

    @virtual
    async def conversation() -> None:
        settings = TurnSettings.model_validate(chosen)
        async with line(settings=settings, detector=SlowDetector(0.26)) as it:
            await it.say(QUESTION)
            assert (await it.wait_for(TurnFinished)).transcript == transcript

    conversation()
