"""A call that is cancelled at any await of a turn leaves nothing behind."""

from __future__ import annotations

import asyncio

from agent.settings import TurnSettings
from tests.agent.conversation import Line, assert_nothing_is_left, line
from tests.fakes import FakeModel
from tests.virtual_time import VirtualLoop

REPLY = "The first thing is this. The second thing comes after it."
SETTINGS = TurnSettings.model_validate({"fillers": {"begin": 0.1, "late": 0.2, "margin": 0.0}})


class _Countdown(VirtualLoop):
    """Calls back in the middle of its `steps`-th round."""

    steps = 0

    def _run_once(self) -> None:
        type(self).steps -= 1
        if type(self).steps == 0:
            self.call_soon(self.cancel_now)
        super()._run_once()  # type: ignore[misc]  # a private method of BaseEventLoop

    def cancel_now(self) -> None:
        for task in asyncio.all_tasks(self):
            if task.get_name() == "the call":
                task.cancel()


async def _conversation(rounds: list[int]) -> None:
    """A turn with a filler, a reply of two sentences and a barge-in; cancelled somewhere."""
    kept: list[Line] = []
    async with line(model=FakeModel(REPLY, first_token=0.7), settings=SETTINGS) as it:
        kept.append(it)
        it.ear.say("what time is it please")
        await asyncio.sleep(3.6)
        it.ear.say("no wait stop")
        await asyncio.sleep(3)
    rounds.append(_Countdown.steps)
    assert_nothing_is_left(kept[0])


def _run(cancel_in_round: int) -> int:
    """How many rounds the loop took beyond the one in which the call was cancelled."""
    _Countdown.steps = cancel_in_round
    rounds: list[int] = []
    with asyncio.Runner(loop_factory=_Countdown) as runner:
        runner.run(_conversation(rounds))
    return cancel_in_round - rounds[0]


def test_a_call_can_be_cancelled_in_every_round_of_the_loop() -> None:
    """Every await of the turn is left by a cancellation once, wherever it stands."""
    rounds = _run(cancel_in_round=10**9)
    assert rounds > 500
    for step in range(4, rounds):
        _run(step)
