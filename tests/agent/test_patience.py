"""How long a caller is made to wait: by a filler that makes way, and by an engine that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent.dialogue.forecast import STAGES, Forecast
from agent.engines.protocols import Priority, Recognition, ReplyRequest, Speech, Transcript
from agent.events import FillerSpoken, StageFailed, TurnFinished
from agent.settings import TurnSettings
from tests.agent.conversation import line
from tests.fakes import FakeModel, FakeTranscriber, FakeVoice, Vocabulary
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"


@virtual
async def test_a_reply_that_comes_as_a_filler_ends_is_not_kept_waiting() -> None:
    """At every moment of the filler's last word, its end included."""
    for step in range(30):
        model = FakeModel("It is noon.", first_token=1.75 + 0.02 * step)
        async with line(model=model) as it:
            await it.say(QUESTION)
            turn = await it.wait_for(TurnFinished, within=6)
        assert turn.reply == "It is noon."


@pytest.mark.parametrize("thinks", [0.5, 0.9, 1.1, 1.3, 1.5, 2.0, 3.0, 3.9, 4.1, 4.3, 5.0])
def test_a_filler_makes_way_for_the_reply(thinks: float) -> None:
    """It ends with its word (0.3 s here at most), and a breath."""

    async def audible(fillers: bool) -> tuple[float, int]:
        settings = TurnSettings.model_validate({"fillers": {"enabled": fillers}})
        async with line(
            model=FakeModel("It is noon.", first_token=thinks), settings=settings
        ) as it:
            await it.say(QUESTION)
            turn = await it.wait_for(TurnFinished)
        assert turn.reply == "It is noon."
        assert turn.timeline.audible is not None
        return turn.timeline.audible - turn.timeline.speech_end, len(it.of(FillerSpoken))

    without, none = virtual(audible)(False)
    with_fillers, said = virtual(audible)(True)
    assert none == 0
    assert said >= (thinks > 1.9)
    assert with_fillers - without <= 0.3 + 0.08 + 0.04


@pytest.mark.parametrize("thinks", [1.5, 2.0, 3.0, 4.0, 4.5, 5.0])
def test_a_filler_keeps_no_reply_back_that_was_foreseen(thinks: float) -> None:
    """The model takes as long as it always does, and its voice a moment."""

    async def waited(fillers: bool) -> tuple[float, list[str]]:
        settings = TurnSettings.model_validate({"fillers": {"enabled": fillers}})
        model, voice = FakeModel("It is noon.", first_token=thinks), FakeVoice(seconds=0.15)
        async with line(model=model, voice=voice, settings=settings, forecast=knows(thinks)) as it:
            await it.say(QUESTION)
            turn = await it.wait_for(TurnFinished)
        assert turn.timeline.audible is not None
        return turn.timeline.audible - turn.timeline.speech_end, [
            filler.text for filler in it.of(FillerSpoken)
        ]

    without, _ = virtual(waited)(False)
    with_fillers, said = virtual(waited)(True)
    assert len(said) == 1 + (thinks > 3.5)
    assert with_fillers - without <= 0.1


@virtual
async def test_a_filler_begins_no_word_once_the_reply_is_about_to_sound() -> None:
    """The model is quicker than it ever was: its first words end the filler, not their sound."""
    model, voice = FakeModel("It is noon.", first_token=1.5), FakeVoice(seconds=0.35, pace=0.4)
    async with line(model=model, voice=voice, forecast=knows(6.0, sounds=0.35)) as it:
        await it.say(QUESTION)
        filler = await it.wait_for(FillerSpoken)
        turn = await it.wait_for(TurnFinished)
        end = turn.timeline.audible
        begin, token = turn.timeline.filler, turn.timeline.first_token
    assert end is not None and begin is not None and token is not None
    assert begin < token < begin + 0.4 * len(filler.text.split()), "the reply came into it"
    assert it.heard_between(token + 0.4, end - 0.1) == 0, "a word was begun"


def knows(thinks: float, sounds: float = 0.15) -> Forecast:
    """What a server knows after some turns with a model that takes `thinks` seconds."""
    forecast = Forecast()
    for _ in range(40):
        for stage, seconds in zip(STAGES, (0.02, thinks, sounds), strict=True):
            forecast.observe(stage, seconds)
    return forecast


@virtual
async def test_a_call_knows_how_fast_the_engines_were_in_the_one_before() -> None:
    """A model of a second: too quick for a filler, which only the first call does not know."""
    forecast = Forecast()
    said = []
    for _ in range(2):
        model = FakeModel("It is noon.", first_token=1.0)
        async with line(model=model, forecast=forecast) as it:
            await it.say(QUESTION)
            await it.wait_for(TurnFinished)
        said.append(len(it.of(FillerSpoken)))

    assert said == [1, 0]


class HangingTranscriber(FakeTranscriber):
    """Understands nothing from now on, and does not say so."""

    hangs = True

    def open(self, *, language: str) -> Recognition:  # type: ignore[override]  # a Recognition too
        inner = super().open(language=language)
        finals = inner.final

        async def final(*, priority: Priority = Priority.COMMITTED) -> Transcript:
            if self.hangs:
                await asyncio.sleep(1e6)
            return await finals(priority=priority)

        inner.final = final  # type: ignore[method-assign]
        return inner


class HangingModel(FakeModel):
    hangs = True
    after = ""

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        if not self.hangs:
            async for piece in super().reply(request):
                yield piece
            return
        if self.after:
            yield self.after
        await asyncio.sleep(1e6)


class HangingVoice(FakeVoice):
    hangs = True

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Priority = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        if self.hangs and "noon" in text:
            await asyncio.sleep(1e6)
        async for piece in super().speak(text, language=language, voice=voice, priority=priority):
            yield piece


@pytest.mark.parametrize("stage", ["stt", "llm", "llm, after a sentence", "tts"])
def test_a_stage_that_hangs_is_given_up_and_the_call_goes_on(stage: str) -> None:
    @virtual
    async def conversation() -> None:
        transcriber = HangingTranscriber(Vocabulary(), partials=False)
        model, voice = HangingModel("It is noon."), HangingVoice()
        transcriber.hangs = stage == "stt"
        model.hangs = stage.startswith("llm")
        model.after = "Let me see. It is " if "after" in stage else ""
        voice.hangs = stage == "tts"
        settings = TurnSettings.model_validate(
            {"reply": {"longest_wait": 5.0}, "fillers": {"enabled": False}}
        )
        async with line(transcriber=transcriber, model=model, voice=voice, settings=settings) as it:
            await it.say(QUESTION)
            begun = asyncio.get_running_loop().time()
            failed = await it.wait_for(StageFailed)
            await it.wait_for(TurnFinished)
            transcriber.hangs = model.hangs = voice.hangs = False
            await it.say(QUESTION)
            turn = await it.wait_for(TurnFinished)
        assert "has waited 5 s" in failed.message and not failed.recovered
        assert failed.stage == ("tts" if "after" in stage else stage)
        assert 5.0 < failed.at - begun < 9.0
        assert any(text.startswith("Sorry, something went wrong") for text in it.said)
        assert turn.reply == "It is noon."

    conversation()


@virtual
async def test_a_long_reply_is_no_wait() -> None:
    settings = TurnSettings.model_validate({"reply": {"longest_wait": 2.0}})
    long = " ".join(f"This is the sentence of number {n}." for n in range(8))
    async with line(model=FakeModel(long), settings=settings) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == long
    assert not it.of(StageFailed)
