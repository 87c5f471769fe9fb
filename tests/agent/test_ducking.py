"""The two stages of a barge-in, in virtual time: quieter at once, itself again or silent later."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from agent.events import BargedIn, FillerSpoken, ReplyDucked, ReplySpoken, TurnFinished
from agent.persona import Persona
from agent.settings import TurnSettings
from media.audio import CALLER_RATE, AudioChunk
from tests.agent.conversation import Line, line
from tests.fakes import CHUNK, FakeDetector, FakeModel, FakeTranscriber, FakeVoice, Vocabulary
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"
LONG = "The first thing is this one here. The second thing comes after that. And the third is last."


@pytest.mark.parametrize("hold", [False, True], ids=["quieter", "held"])
def test_a_cough_is_taken_back_within_1_2_seconds_and_nothing_is_lost(hold: bool) -> None:
    @virtual
    async def conversation() -> None:
        settings = TurnSettings.model_validate({"barge_in": {"hold": hold}})
        async with line(model=FakeModel(LONG), settings=settings) as it:
            await it.say(QUESTION)
            spoken = await it.wait_for(ReplySpoken)
            await asyncio.sleep(1.0)
            onset = asyncio.get_running_loop().time()
            cough = it.ear.noise(0.24)
            ducked = await it.wait_for(ReplyDucked)
            resumed = await it.wait_for(ReplyDucked)
            turn = await it.wait_for(TurnFinished)
        assert ducked.ducked and not resumed.ducked
        assert ducked.at - onset <= 0.2
        assert resumed.at - (onset + cough) <= 1.2
        assert not it.of(BargedIn)
        assert turn.reply == LONG and not turn.interrupted
        # Every second of the reply left once: a held one is that much later.
        sounded = it.heard_between(spoken.at - 0.05, turn.at + 0.05)
        assert sounded == pytest.approx(len(LONG.split()) * 0.3, abs=0.1)
        silent = 0.02 * sum(not on for at, on in it.sounding if ducked.at + 0.05 < at < resumed.at)
        assert (silent > 0.5) is hold

    conversation()


@pytest.mark.parametrize("hold", [False, True], ids=["quieter", "held"])
def test_the_reply_after_a_soft_end_begins_as_loud_as_any(hold: bool) -> None:
    @virtual
    async def conversation() -> None:
        settings = TurnSettings.model_validate({"barge_in": {"hold": hold}})
        async with line(model=FakeModel(LONG), settings=settings) as it:
            await it.say(QUESTION)
            taken_back = await it.wait_for(ReplySpoken)
            await asyncio.sleep(0.1)
            usual = it.speaker.level
            await it.say("and in tokyo")
            said = await it.wait_for(ReplySpoken)
            await asyncio.sleep(0.1)
            assert it.speaker.level == pytest.approx(usual, abs=1.0)
            turn = await it.wait_for(TurnFinished)
        assert taken_back.at < it.of(ReplyDucked)[0].at < said.at, "it was ducked before"
        assert [event.ducked for event in it.of(ReplyDucked)] == [True, False]
        assert turn.reply == LONG

    conversation()


@pytest.mark.parametrize("hold", [False, True], ids=["quieter", "held"])
def test_another_language_under_the_callers_voice_takes_the_duck_back(hold: bool) -> None:
    @virtual
    async def conversation() -> None:
        settings = TurnSettings.model_validate({"barge_in": {"hold": hold}})
        async with line(model=FakeModel(LONG), settings=settings) as it:
            await it.say(QUESTION)
            await it.wait_for(ReplySpoken)
            await asyncio.sleep(1.0)
            usual = it.speaker.level
            it.ear.noise(0.06)
            await it.wait_for(ReplyDucked)
            it.call.speak_language(Persona(language="ko", greeting=""))
            await asyncio.sleep(1.0)
            assert it.speaker.level == pytest.approx(usual, abs=1.0)
            turn = await it.wait_for(TurnFinished)
        assert [event.ducked for event in it.of(ReplyDucked)] == [True, False]
        assert turn.reply == LONG

    conversation()


@virtual
async def test_a_held_reply_was_heard_up_to_where_it_was_held_on_a_long_way_too() -> None:
    transcriber = FakeTranscriber(Vocabulary(), partials=False)
    settings = TurnSettings.model_validate({"barge_in": {"hold": True}})
    async with line(model=FakeModel(LONG), transcriber=transcriber, settings=settings) as it:
        it.speaker.hear_back(0.6)
        await it.say(QUESTION)
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(2.0)
        it.ear.say("no wait listen to me")
        barged = await it.wait_for(BargedIn)
        # Words of 0.3 s, of which those count whose middle was played.
        assert len(barged.heard.split()) == round(it.speaker.played / 0.3)


@virtual
async def test_a_voice_without_words_interrupts_by_half_a_second() -> None:
    transcriber = FakeTranscriber(Vocabulary(), partials=False)
    async with line(model=FakeModel(LONG), transcriber=transcriber) as it:
        await it.say(QUESTION)
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(1.0)
        onset = asyncio.get_running_loop().time()
        it.ear.say("no wait listen to me")
        barged = await it.wait_for(BargedIn)
        await it.wait_for(TurnFinished)
    assert 0.35 <= barged.at - onset <= 0.56


@pytest.mark.parametrize(
    ("stage", "after"),
    [
        ("hearing", 0.3),
        ("thinking", 2.4),
        ("before the first sound", 3.0),
        ("in a filler", 3.6),
        ("in the first sentence", 5.4),
        ("in a later sentence", 8.4),
    ],
)
def test_a_caller_who_speaks_at_any_stage_is_answered_once_and_last(
    stage: str, after: float
) -> None:
    @virtual
    async def conversation() -> Line:
        model = FakeModel(LONG, "All right then.", first_token=2.0)
        async with line(model=model) as it:
            it.ear.say(QUESTION)
            await asyncio.sleep(after)
            it.ear.say("no wait listen to me")
            while (await it.wait_for(TurnFinished, within=30)).interrupted:
                pass
            await asyncio.sleep(1.0)
            return it

    it = conversation()
    heard = " ".join(text for role, text in it.history if role == "user")
    assert heard == f"{QUESTION} no wait listen to me"
    assert it.history[-1][0] == "assistant"
    assert it.turns[-1].reply == it.history[-1][1]
    assert not any(filler.text in text for filler in it.of(FillerSpoken) for _, text in it.history)
    interrupted = [turn for turn in it.turns if turn.interrupted]
    assert all(LONG.startswith(turn.reply) for turn in interrupted)
    if stage.startswith("in the") or stage.startswith("in a later"):
        assert len(it.of(BargedIn)) == 1 and interrupted[0].reply


class LoudspeakerRoom:
    """The agent's own sound in the caller's microphone: later, quieter, and heard as speech."""

    def __init__(self, it: Line, delay: float, gain_db: float) -> None:
        self._it = it
        self._frames = [0] * round(delay / CHUNK)
        self._gain = 10 ** (gain_db / 20)

    async def play(self) -> None:
        size = round(CHUNK * CALLER_RATE)
        while True:
            await asyncio.sleep(CHUNK)
            level = self._it.speaker.level
            self._frames.append(0 if level is None else round(500 * self._gain))
            value = self._frames.pop(0)
            if value and not len(self._it.ear._pending):
                self._it.ear.sound(AudioChunk(np.full(size, value, np.int16)))


@pytest.mark.parametrize("delay", [0.06, 0.14, 0.24])
@pytest.mark.parametrize("gain_db", [-10.0, -20.0, -30.0])
def test_the_agent_does_not_interrupt_itself_and_the_caller_still_can(
    delay: float, gain_db: float
) -> None:
    @virtual
    async def conversation() -> None:
        model = FakeModel(LONG, LONG, "All right then.")
        async with line(model=model, detector=FakeDetector(), voice=FakeVoice()) as it:
            room = asyncio.create_task(LoudspeakerRoom(it, delay, gain_db).play())
            await it.say(QUESTION)
            first = await it.wait_for(TurnFinished)
            assert first.reply == LONG and not it.of(BargedIn)
            await asyncio.sleep(1.5)
            await it.say(QUESTION)
            await it.wait_for(ReplySpoken)
            await asyncio.sleep(1.5)
            it.ear.say("no wait listen to me")
            await it.wait_for(BargedIn)
            await it.wait_for(TurnFinished)
            last = await it.wait_for(TurnFinished)
            room.cancel()
            await asyncio.wait([room])
        assert last.reply == "All right then."
        assert len(it.of(BargedIn)) == 1

    conversation()
