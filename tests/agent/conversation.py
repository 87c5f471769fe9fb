"""A whole call in virtual time: a scripted caller, scripted engines, the real mouth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from agent.call import Call
from agent.context import Detector, Engines
from agent.dialogue.forecast import Forecast
from agent.engines.protocols import TurnJudge
from agent.engines.tools import Tools
from agent.events import (
    Event,
    FillerSpoken,
    HistoryChanged,
    PhaseChanged,
    ReplySpoken,
    TurnFinished,
)
from agent.load import Load
from agent.persona import Persona
from agent.settings import TurnSettings
from media.audio import AudioChunk
from media.speaker import Speaker
from tests.fakes import FakeDetector, FakeEar, FakeModel, FakeTranscriber, FakeVoice, Vocabulary

E = TypeVar("E", bound=Event)

QUIET = Persona(instructions="Be brief.", greeting="")


@dataclass
class Placed:
    """Audio in the mouth, and the position up to which it reached the caller."""

    position: float
    audio: AudioChunk
    until: float = float("inf")


class Mouth(Speaker):
    """The real one, which remembers what lay where and how much of it was heard."""

    def __init__(self) -> None:
        super().__init__()
        self.placed: list[Placed] = []

    async def play(self, audio: AudioChunk) -> float:
        position = await super().play(audio)
        self.placed.append(Placed(position, audio))
        return position

    def clear(self) -> None:
        for each in self.placed:
            each.until = min(each.until, max(self.heard, 0.0))
        super().clear()


@dataclass
class Line:
    """Both ends of a call, and everything that happened in it."""

    call: Call
    ear: FakeEar
    speaker: Mouth
    transcriber: FakeTranscriber
    model: FakeModel
    voice: FakeVoice
    events: list[Event] = field(default_factory=list)
    sounding: list[tuple[float, bool]] = field(default_factory=list)
    """Per 20 ms: when, and whether the agent's audio left."""
    others: set[asyncio.Task[object]] = field(default_factory=asyncio.all_tasks)
    """Tasks that are not the call's own: they were there before it."""
    running: asyncio.Task[None] = field(init=False)
    """The call, as a task."""

    async def say(self, text: str, then: float = 0.0) -> None:
        """The caller says `text`, and is silent for `then` seconds."""
        await asyncio.sleep(self.ear.say(text) + then)

    async def wait_for(self, kind: type[E], within: float = 20.0) -> E:
        """The next event of a kind that has not been waited for."""
        async with asyncio.timeout(within):
            while True:
                for event in self.events[self._seen :]:
                    self._seen += 1
                    if isinstance(event, kind):
                        return event
                await asyncio.sleep(0.01)

    _seen: int = 0

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def said(self) -> list[str]:
        """The sentences that became audible."""
        return [event.text for event in self.of(ReplySpoken)]

    @property
    def history(self) -> list[tuple[str, str]]:
        """The last history, without the system message."""
        changes = self.of(HistoryChanged)
        messages = changes[-1].messages if changes else ()
        return [(m.role, m.text) for m in messages if m.role != "system"]

    @property
    def heard(self) -> str:
        """All the words that reached the caller's ear, fillers left out."""
        made = {id(speech.audio): speech.words for speech in self.voice.made}
        fillers = {each.text.split()[0] for each in self.of(FillerSpoken)}
        clips = [(each, made.get(id(each.audio), ())) for each in self.speaker.placed]
        return " ".join(
            word.text
            for clip, words in clips
            if words and words[0].text not in fillers
            for word in words
            if clip.position + (word.start + word.end) / 2 <= clip.until
        )

    @property
    def phase(self) -> str:
        changes = self.of(PhaseChanged)
        return changes[-1].phase if changes else "listening"

    @property
    def turns(self) -> list[TurnFinished]:
        return self.of(TurnFinished)

    def heard_between(self, start: float, stop: float) -> float:
        """Seconds of agent audio that left between two loop times."""
        return 0.02 * sum(on for at, on in self.sounding if start <= at < stop)


@asynccontextmanager
async def line(
    *,
    persona: Persona = QUIET,
    settings: TurnSettings | None = None,
    model: FakeModel | None = None,
    voice: FakeVoice | None = None,
    transcriber: FakeTranscriber | None = None,
    judge: TurnJudge | None = None,
    tools: Tools | None = None,
    detector: Detector | None = None,
    load: Load | None = None,
    forecast: Forecast | None = None,
) -> AsyncGenerator[Line, None]:
    """A call that is going on; hung up at the end, and then nothing may be left of it."""
    vocabulary = transcriber.vocabulary if transcriber else Vocabulary()
    transcriber = transcriber or FakeTranscriber(vocabulary)
    model, voice = model or FakeModel(), voice or FakeVoice()
    ear, speaker = FakeEar(vocabulary), Mouth()
    events: list[Event] = []
    call = Call(
        call_id="c1",
        persona=persona,
        engines=Engines(transcriber, model, voice, judge, tools, forecast or Forecast()),
        detector=detector or FakeDetector(),
        microphone=ear,
        speaker=speaker,
        settings=settings or TurnSettings(),
        emit=events.append,
        load=load,
    )
    it = Line(call, ear, speaker, transcriber, model, voice, events)
    async with asyncio.TaskGroup() as tasks:
        pacing = tasks.create_task(_pace(it))
        it.running = tasks.create_task(call.run(), name="the call")
        yield it
        ear.hang_up()
        await asyncio.wait([it.running])
        pacing.cancel()
    assert_nothing_is_left(it)


def assert_nothing_is_left(it: Line) -> None:
    """No engine works, no audio waits, no recognition is open, nobody is awaited."""
    assert it.model.running == 0, "a reply is still being made"
    assert it.voice.running == 0, "a sentence is still being synthesized"
    assert it.transcriber.open_now == 0, "a recognition was left open"
    assert it.speaker.queued == 0, "audio is still queued"
    assert it.phase == "ended"
    known = {"c1", *(request.conversation for request in it.model.requests)}
    assert set(it.model.forgotten) >= known and it.model.forgotten.count("c1") == 1
    others = asyncio.all_tasks() - it.others - {asyncio.current_task()}
    assert not others, f"tasks are left: {others}"


async def _pace(it: Line) -> None:
    """Stand in for the pacer: 20 ms leave every 20 ms."""
    loop = asyncio.get_running_loop()
    tick = loop.time()
    while True:
        tick += 0.02
        await asyncio.sleep(tick - loop.time())
        before = it.speaker.played
        it.speaker.leave()
        it.sounding.append((loop.time(), it.speaker.played > before))
