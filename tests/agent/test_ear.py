"""Whose voice is in the ear while the agent begins to speak."""

from __future__ import annotations

from collections import deque

import numpy as np

from agent.ear import ECHO_PROBABILITY, FIRST, CallersVoice
from agent.settings import TurnSettings
from media.audio import AudioChunk, Samples, level_db
from tests.agent.dialogue.test_likeness import COUNT, FRAME, echo, sound
from tests.fakes import FakeDetector
from tests.virtual_time import virtual


class Agent:
    """Says `wave` (48 kHz), 20 ms at a time."""

    def __init__(self, wave: Samples) -> None:
        self._wave = wave
        self.recent: deque[Samples] = deque(maxlen=45)
        self.level: float | None = None
        self.forgotten = 0

    def leave(self, number: int) -> None:
        frame = self._wave[number * FRAME : (number + 1) * FRAME]
        self.recent.append(frame)
        self.level = level_db(frame)

    def forget_recent(self) -> None:
        self.forgotten += 1


async def heard(came: Samples, agent: Agent) -> list[float]:
    """The probability of the caller's voice, for each 20 ms."""
    ear = CallersVoice(FakeDetector(), agent, TurnSettings())
    found = []
    for number in range(len(came) // FRAME):
        agent.leave(number)
        frame = came[number * FRAME : (number + 1) * FRAME]
        found.append(await ear.hear(AudioChunk(frame.reshape(-1, 3).mean(axis=1).astype(np.int16))))
    return found


def quieter(wave: Samples) -> Samples:
    """6 dB less: no louder than an echo can be."""
    return (wave // 2).astype(np.int16)


@virtual
async def test_a_caller_over_the_first_words_of_the_agent_is_heard() -> None:
    found = await heard(quieter(sound(2)), Agent(sound(1)))

    assert found[:5] == [ECHO_PROBABILITY] * 5, "it could be the agent as well"
    assert sum(each > 0.9 for each in found[16:]) > 0.9 * (COUNT - 16)


@virtual
async def test_the_agents_own_first_words_are_not_heard() -> None:
    found = await heard(quieter(echo(sound(1), 0.12, 1.0)), Agent(sound(1)))

    assert max(found[6:]) <= ECHO_PROBABILITY


@virtual
async def test_what_was_sent_is_not_kept_for_longer_than_it_is_needed() -> None:
    long = np.concatenate([sound(1), sound(3)])
    agent = Agent(long)

    await heard(quieter(echo(long, 0.12, 1.0)), agent)

    assert len(long) / 48_000 > FIRST
    assert agent.forgotten == 1


class Saying:
    """A detector that says what it is told to."""

    probability = 0.0

    async def hear(self, chunk: AudioChunk) -> float:
        return self.probability


@virtual
async def test_sound_may_come_late_mid_word_or_while_nobody_speaks_and_not_between() -> None:
    detector, agent = Saying(), Agent(sound(1))
    ear = CallersVoice(detector, agent, TurnSettings())
    chunk = AudioChunk(np.zeros(320, np.int16))
    found = {}
    for probability in (0.0, 0.5, 0.95):
        detector.probability = probability
        await ear.hear(chunk)
        found[probability] = ear.may_come_late(in_turn=False), ear.may_come_late(in_turn=True)
    assert found == {0.0: (True, False), 0.5: (False, False), 0.95: (False, True)}


@virtual
async def test_no_sound_may_come_late_while_the_agents_own_may_be_in_it() -> None:
    detector, agent = Saying(), Agent(sound(1))
    ear = CallersVoice(detector, agent, TurnSettings())
    chunk = AudioChunk(np.zeros(320, np.int16))
    agent.leave(0)
    await ear.hear(chunk)
    assert not ear.may_come_late(in_turn=False)
    agent.level = None
    await ear.hear(chunk)
    assert not ear.may_come_late(in_turn=False), "its last sound may still come back"
    for _ in range(50):
        await ear.hear(chunk)
    assert ear.may_come_late(in_turn=False)
