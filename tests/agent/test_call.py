"""Whole conversations, in virtual time."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from agent.errors import EngineFailed
from agent.events import (
    BargedIn,
    CallEnded,
    FillerSpoken,
    FinalTranscript,
    PartialTranscript,
    PhaseChanged,
    SpeculationEnded,
    SpeechStopped,
    StageFailed,
    TurnDropped,
    TurnFinished,
)
from agent.persona import Persona, english, korean
from agent.settings import HearingSettings, TurnSettings
from media.audio import AudioChunk
from tests.agent.conversation import QUIET, line
from tests.fakes import FakeModel, FakeTranscriber, FakeVoice, Vocabulary
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"
QUESTION_PART = "one two three four five six seven eight nine ten"
LONG = "The first thing is this one here. The second thing comes after that. And the third is last."


@virtual
async def test_a_question_is_answered() -> None:
    async with line(model=FakeModel("It is noon. Anything else?")) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.transcript == QUESTION
    assert turn.reply == "It is noon. Anything else?"
    assert it.history == [("user", QUESTION), ("assistant", turn.reply)]
    assert it.model.committed == ["c1"], "the model may hurry"
    assert [event.phase for event in it.of(PhaseChanged)] == [
        "hearing",
        "thinking",
        "speaking",
        "listening",
        "ended",
    ]


@virtual
async def test_the_timeline_runs_in_order() -> None:
    async with line(model=FakeModel("It is noon.")) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
        speech_end = it.ear.last_speech
    line_ = turn.timeline
    assert line_.speech_end == pytest.approx(speech_end, abs=0.03)
    marks = (line_.transcript, line_.first_token, line_.first_sound, line_.audible, line_.end)
    assert all(mark is not None for mark in marks)
    assert list(marks) == sorted(marks)  # type: ignore[type-var]  # none of them is None


@virtual
async def test_a_prepared_reply_is_audible_as_soon_as_the_turn_is_over() -> None:
    async with line(model=FakeModel("It is noon.")) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.speculated
    assert [event.outcome for event in it.of(SpeculationEnded)] == ["played"]
    assert turn.timeline.audible is not None and turn.timeline.endpoint is not None
    assert turn.timeline.audible - turn.timeline.endpoint <= 0.04


@virtual
async def test_without_speculation_the_engines_begin_at_the_endpoint() -> None:
    settings = TurnSettings.model_validate({"speculation": {"enabled": False}})
    async with line(settings=settings) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert not turn.speculated
    assert turn.timeline.transcript is not None and turn.timeline.endpoint is not None
    assert turn.timeline.transcript > turn.timeline.endpoint


@virtual
async def test_a_hesitation_does_not_end_the_turn() -> None:
    async with line(model=FakeModel("Noted.")) as it:
        await it.say("i would like to book a table for", then=0.6)
        await it.say("two people tomorrow evening")
        turn = await it.wait_for(TurnFinished)
    assert turn.transcript == "i would like to book a table for two people tomorrow evening"
    assert len(it.turns) == 1
    assert it.said == ["Noted."]


@virtual
async def test_a_discarded_speculation_is_never_heard() -> None:
    model = FakeModel("Stale words.", "Fresh words.", first_token=0.02)
    async with line(model=model) as it:
        await it.say("please book a table", then=0.26)
        await it.say("for tomorrow evening")
        await it.wait_for(TurnFinished)
    assert model.asked[0] == "please book a table"
    assert it.said == ["Fresh words."]
    assert it.of(SpeculationEnded)[0].outcome == "discarded"


@virtual
async def test_a_caller_who_goes_on_after_the_end_continues_the_turn() -> None:
    model = FakeModel("First reply is this.", "Second reply is that.", first_token=0.8)
    async with line(model=model) as it:
        await it.say("what time is it", then=0.9)
        await it.say("in seoul right now")
        turn = await it.wait_for(TurnFinished)
    assert turn.transcript == "what time is it in seoul right now"
    assert it.said == ["Second reply is that."]
    assert it.history[0] == ("user", "what time is it in seoul right now")
    assert len(it.turns) == 1


@virtual
async def test_the_first_word_is_not_lost() -> None:
    async with line() as it:
        await asyncio.sleep(1.3)
        await it.say("stop everything right now")
        turn = await it.wait_for(TurnFinished)
    assert turn.transcript == "stop everything right now"


@virtual
async def test_partials_are_told_and_grow() -> None:
    async with line() as it:
        await it.say("one two three four five six seven eight nine ten")
        await it.wait_for(FinalTranscript)
    partials = [event.text for event in it.of(PartialTranscript)]
    assert len(partials) >= 4
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(partials))
    assert all(event.text.startswith(event.stable) for event in it.of(PartialTranscript))


@virtual
async def test_the_model_reads_the_stable_words_along() -> None:
    async with line() as it:
        await it.say("one two three four five six seven eight nine ten")
        await it.wait_for(TurnFinished)
    assert it.model.prefilled
    assert all(QUESTION_PART.startswith(words) for words in it.model.prefilled)


@virtual
async def test_the_model_reads_along_and_answers_with_the_personas_adapter() -> None:
    polite = Persona(instructions="Be brief.", greeting="", adapter="polite")
    async with line(persona=polite) as it:
        await it.say("one two three four five six seven eight nine ten")
        await it.wait_for(TurnFinished)
        assert it.model.prefilled and it.model.requests
        assert it.model.adapters == {"polite"}
        it.call.speak_language(Persona(instructions="Be brief."))
        await it.say("one two three")
        await it.wait_for(TurnFinished)
    assert it.model.adapters == {"polite", ""}


@virtual
async def test_a_slow_model_is_covered_by_a_filler() -> None:
    async with line(model=FakeModel("Here it is.", first_token=3.0)) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    fillers = it.of(FillerSpoken)
    assert fillers
    assert turn.reply == "Here it is."
    assert turn.timeline.filler is not None and turn.timeline.endpoint is not None
    assert turn.timeline.filler - turn.timeline.endpoint < 1.5
    assert all(filler.text not in text for filler in fillers for _, text in it.history)


@virtual
async def test_a_fast_model_needs_no_filler() -> None:
    async with line(model=FakeModel("Here it is.", first_token=0.1)) as it:
        for _ in range(3):
            await it.say(QUESTION)
            await it.wait_for(TurnFinished)
    assert not it.of(FillerSpoken)


@virtual
async def test_a_filler_ends_when_the_caller_goes_on() -> None:
    model = FakeModel("Too late.", "Here it is.", first_token=4.0)
    async with line(model=model, voice=FakeVoice(pace=0.6)) as it:
        await it.say(QUESTION)
        await it.wait_for(FillerSpoken)
        model.first_token = 0.1
        start = asyncio.get_running_loop().time()
        await it.say("and also what is the weather like")
        await it.wait_for(TurnFinished)
        assert it.heard_between(start + 0.3, start + 1.0) == 0
    assert it.said == ["Here it is."]
    assert len(it.turns) == 1


@virtual
async def test_a_greeting_opens_the_call_and_is_remembered() -> None:
    async with line(persona=english()) as it:
        await asyncio.sleep(4)
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
    assert it.said[0].startswith("Hello!")
    assert it.model.requests[0].messages[1].role == "assistant"


@virtual
async def test_a_silent_caller_is_asked_twice_and_then_let_go() -> None:
    async with line(persona=QUIET.model_copy(update={"greeting": ""})) as it:
        ended = await it.wait_for(CallEnded, within=120)
    assert ended.reason == "silence"
    assert [text for text in it.said if text] == [
        "Are you still there?",
        "I can't hear you.",
        "Shall we end the call?",
        "Goodbye!",
    ]


@virtual
async def test_a_noise_is_no_turn() -> None:
    async with line() as it:
        it.ear.noise(0.1)
        await asyncio.sleep(3)
    assert not it.turns
    assert not it.said


@virtual
async def test_speech_without_words_gets_a_word_of_regret() -> None:
    async with line(persona=QUIET.model_copy(update={"not_understood": "Pardon?"})) as it:
        it.ear.noise(1.2)
        await asyncio.sleep(4)
    assert it.said == ["Pardon?"]
    assert [event.reason for event in it.of(TurnDropped)] == ["empty"]


@pytest.mark.parametrize("stage", ["stt", "llm"])
def test_a_failing_stage_is_apologised_for(stage: str) -> None:
    @virtual
    async def conversation() -> None:
        vocabulary = Vocabulary()
        transcriber, model = FakeTranscriber(vocabulary), FakeModel("All right.")
        failing = transcriber if stage == "stt" else model
        failing.error = EngineFailed(stage, "it broke")  # type: ignore[arg-type]  # a Stage
        async with line(transcriber=transcriber, model=model) as it:
            await it.say(QUESTION)
            await it.wait_for(StageFailed)
            await it.wait_for(TurnFinished)
            failing.error = None
            await it.say(QUESTION)
            turn = await it.wait_for(TurnFinished)
        assert it.said[0].startswith("Sorry, something went wrong")
        assert turn.reply == "All right."

    conversation()


@virtual
async def test_a_voice_that_fails_does_not_end_the_call() -> None:
    voice = FakeVoice(error=EngineFailed("tts", "no voice"))
    async with line(voice=voice) as it:
        await it.say(QUESTION)
        failed = await it.wait_for(StageFailed)
        await it.wait_for(TurnFinished)
        voice.error = None
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert failed.stage == "tts"
    assert turn.reply == "All right."


@virtual
async def test_a_model_that_breaks_off_leaves_what_was_said() -> None:
    error = EngineFailed("llm", "cut off")
    model = FakeModel("This much was said already. And more", error=error, error_after=6)
    async with line(model=model) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert turn.reply.startswith("This much was said")


@virtual
async def test_a_farewell_is_spoken_before_the_call_ends() -> None:
    async with line() as it:
        await asyncio.sleep(1)
        await it.call.farewell("shutdown")
        ended = await it.wait_for(CallEnded)
    assert it.said == ["Goodbye!"]
    assert ended.reason == "shutdown"


@virtual
async def test_the_language_changes_in_the_middle_of_a_call() -> None:
    async with line(model=FakeModel("네.")) as it:
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
        it.call.speak_language(Persona(language="ko", instructions=korean().instructions))
        await it.say("지금 몇 시예요")
        await it.wait_for(TurnFinished)
    assert it.transcriber.language == "ko"
    assert it.model.requests[-1].messages[0].text == korean().instructions


def test_hanging_up_at_any_moment_leaves_nothing_behind() -> None:
    """From hearing to speaking, in steps of a few frames: `line` checks that nothing is left."""

    async def conversation(length: float) -> None:
        async with line(model=FakeModel(LONG, first_token=0.3)) as it:
            it.ear.say(QUESTION)
            await asyncio.sleep(length)

    for step in range(60):
        virtual(conversation)(0.11 * step)


@virtual
async def test_partials_can_be_switched_off() -> None:
    settings = TurnSettings(hearing=HearingSettings(partials=False))
    async with line(settings=settings) as it:
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert not it.of(PartialTranscript)
    assert turn.transcript == QUESTION


@pytest.mark.parametrize(("complete", "sooner"), [(0.97, True), (0.03, False)])
def test_how_the_pause_sounds_moves_the_end_of_the_turn(complete: float, sooner: bool) -> None:
    class Judge:
        async def complete(self, audio: AudioChunk) -> float:
            assert audio.seconds > 1.0
            return complete

        async def aclose(self) -> None: ...

    by_sound_alone = TurnSettings.model_validate(
        {"hearing": {"partials": False}, "speculation": {"enabled": False}}
    )

    @virtual
    async def waited(judge: Judge | None) -> float:
        async with line(judge=judge, settings=by_sound_alone) as it:
            await it.say("i was thinking of the blue one")
            stopped = await it.wait_for(SpeechStopped)
        return stopped.at - stopped.speech_end

    assert (waited(Judge()) < waited(None)) is sooner


@virtual
async def test_a_language_that_nobody_understands_is_told_so() -> None:
    async with line() as it:
        it.transcriber.languages = ("ko",)
        for _ in range(2):
            await it.say(QUESTION)
            failed = await it.wait_for(StageFailed)
            await asyncio.sleep(6)
    assert failed.stage == "stt"
    told = [text for text in it.said if text.startswith("Sorry, I can't understand this language")]
    assert len(told) == 2
    assert not it.of(BargedIn)


@virtual
async def test_an_apology_that_cannot_be_spoken_does_not_end_the_call() -> None:
    model = FakeModel("All right.", error=EngineFailed("llm", "it broke"))
    voice = FakeVoice(error=EngineFailed("tts", "no voice"))
    async with line(model=model, voice=voice) as it:
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
        model.error = voice.error = None
        await it.say(QUESTION)
        turn = await it.wait_for(TurnFinished)
    assert {event.stage for event in it.of(StageFailed)} == {"llm", "tts"}
    assert turn.reply == "All right."


@virtual
async def test_a_second_filler_that_could_not_be_made_is_not_told_as_spoken() -> None:
    voice = FakeVoice()
    async with line(model=FakeModel("Here it is.", first_token=6.0), voice=voice) as it:
        await it.say(QUESTION)
        await it.wait_for(FillerSpoken)
        voice.error = EngineFailed("tts", "no voice")
        await it.wait_for(StageFailed)
    assert len(it.of(FillerSpoken)) == 1
