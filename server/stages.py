"""The three stages, standing: each plan's choice built, guarded, backed and started.

What can serve behind an engine stands behind it, so that a call goes on when the engine fails: the
recogniser and the voice that need no model, and the scripted responder. An engine that was asked
for by name has nothing behind it that would pretend to be it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from agent.context import Engines
from agent.engines.catalog import ANY_LANGUAGE, Hardware
from agent.engines.espeak import Espeak
from agent.engines.llama import Llama, LlamaSettings
from agent.engines.openai import OpenAI
from agent.engines.piper import Piper
from agent.engines.pocketsphinx import PocketSphinx
from agent.engines.protocols import LanguageModel, Synthesizer, Transcriber
from agent.engines.resilience import (
    FallbackModel,
    FallbackSynthesizer,
    FallbackTranscriber,
    GuardedModel,
    GuardedSynthesizer,
    GuardedTranscriber,
    SynthesizerByLanguage,
    TranscriberByLanguage,
)
from agent.engines.scripted import Scripted
from agent.engines.smart_turn import SmartTurn
from agent.engines.spare import SparingModel, SparingVoice
from agent.engines.tools import HttpTools, Tools
from agent.engines.toolset import Toolset
from agent.engines.watched import WatchedModel
from agent.engines.whisper import Whisper
from agent.errors import EngineError, Stage, WrongSetting
from agent.load import Load, Rung
from agent.warm import warm
from server.caches import Caches
from server.config import Settings
from server.load.gauge import Queue, Queues
from server.load.watch import load_of
from server.models import ModelStore
from server.plan import Choice, Lack, StageUnavailable, plan

logger = logging.getLogger(__name__)

STOPGAPS: dict[Stage, str] = {"stt": "pocketsphinx", "llm": "scripted", "tts": "espeak"}
"""The engine of each stage that needs no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """What serves a stage, why, and what was missing for something better, for people to read."""

    stage: Stage
    engine: str
    model: str
    device: str
    why: str
    missing: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Stages:
    """The engines that serve every call, started, and how they came to be chosen."""

    engines: Engines
    reports: tuple[StageReport, ...]
    caches: Caches | None = None
    queues: Queues = ()
    """The engines' queues, by stage: what their load is read from."""
    load: Load | None = None
    """The load that spare engines follow."""

    @property
    def later(self) -> int:
        """Bytes that engines and caches do not hold yet, and take once they are needed."""
        decoders = sum(each.later for _, each in self.queues if isinstance(each, PocketSphinx))
        return decoders + (self.caches.later if self.caches is not None else 0)

    async def aclose(self) -> None:
        """Free the engines."""
        engines = self.engines
        async with AsyncExitStack() as stack:  # each is closed, even if another's closing fails
            if self.caches is not None:
                stack.push_async_callback(self.caches.aclose)
            for engine in (
                engines.transcriber,
                engines.model,
                engines.synthesizer,
                engines.judge,
                engines.tools,
            ):
                if engine is not None:
                    stack.push_async_callback(engine.aclose)


class _Engine(Protocol):
    async def start(self) -> None: ...
    async def aclose(self) -> None: ...


E = TypeVar("E", bound=_Engine)


def _unheard(what: str) -> None:
    """Nobody waits."""


async def choose(
    settings: Settings,
    store: ModelStore,
    hardware: Hardware,
    waiting_for: Callable[[str], None] = _unheard,
) -> Stages:
    """Choose, build and start the engines. Raises StageUnavailable.

    `waiting_for` is told what takes its time, each time when that begins."""
    waiting_for("looking for models")
    stt, llm, tts = await plan(settings, store, hardware)
    if settings.server.require_models:
        _insist((stt, llm, tts))
    async with AsyncExitStack() as started:
        tools = _tools(settings, started)  # MCP servers connect while the models load
        caches = await Caches.open(settings, started)
        queues: list[tuple[Stage, Queue]] = []
        load = load_of(settings.load)

        def is_strained() -> bool:
            return load.rung >= Rung.BRIEF

        waiting_for(f"loading {_named(stt)}")
        transcriber, stt = await _stand_up(
            stt, lambda c: _transcriber(c, settings, queues), started
        )
        waiting_for(f"loading {_named(llm)}")
        model, llm = await _stand_up(
            llm, lambda c: _model(c, settings, caches, queues, is_strained), started
        )
        waiting_for(f"loading {_named(tts)}")
        synthesizer, tts = await _stand_up(
            tts, lambda c: _synthesizer(c, settings, caches, queues, is_strained), started
        )
        stt, llm = _where_it_runs(stt, queues), _where_it_runs(llm, queues)
        judge = await _judge(settings, store, started)
        if settings.server.require_models:
            _insist((stt, llm, tts))
        waiting_for("speaking the fixed phrases, to remember them")
        unspoken = await warm(synthesizer, settings.personas.values(), settings.turn)
        for language, error in unspoken.items():
            logger.warning(
                "Fixed phrases could not be made", extra={"language": language, "cause": str(error)}
            )
        started.pop_all()
    engines = Engines(transcriber, model, synthesizer, judge, tools)
    reports = tuple(report(choice) for choice in (stt, llm, tts))
    return Stages(engines, reports, caches, tuple(queues), load)


def _tools(settings: Settings, started: AsyncExitStack) -> Tools | None:
    """The tools of the configuration; those of MCP servers appear when these are there."""
    sources: list[Tools] = []
    if settings.tools:
        sources.append(HttpTools(settings.tools, settings.secrets))
    if settings.mcp:
        # Imported only here: its package takes most of a second, and most servers have no use.
        from agent.engines.mcp.server import McpServer

        for each in settings.mcp:
            server = McpServer(each, settings.secrets)
            server.start()
            sources.append(server)
    if not sources:
        return None
    tools = Toolset(sources)
    started.push_async_callback(tools.aclose)
    return tools


def _named(choice: Choice) -> str:
    return f"{choice.engine}, {choice.model}" if choice.model else choice.engine


def report(choice: Choice) -> StageReport:
    """A choice as people read it."""
    return StageReport(
        stage=choice.stage,
        engine=choice.engine,
        model=choice.model,
        device=choice.device,
        why=choice.why,
        missing="; ".join(_by_cause(choice.lacks)),
        mend="; ".join(_commands(choice.lacks)),
    )


def _by_cause(lacks: tuple[Lack, ...]) -> Iterator[str]:
    for why in dict.fromkeys(lack.why for lack in lacks):
        yield f"{', '.join(lack.what for lack in lacks if lack.why == why)}: {why}"


def _commands(lacks: tuple[Lack, ...]) -> Iterator[str]:
    """What mends them, several downloads as one command."""
    pull = "python run.py models pull"
    pulled = [lack.mend.removeprefix(pull) for lack in lacks if lack.mend.startswith(pull)]
    if pulled:
        yield pull + "".join(pulled)
    yield from dict.fromkeys(lack.mend for lack in lacks if not lack.mend.startswith(pull))


def _insist(choices: tuple[Choice, ...]) -> None:
    """Raises StageUnavailable for the first stage that had to do without a model."""
    for choice in choices:
        for lack in choice.lacks:
            raise StageUnavailable(choice.stage, f"models are required; {lack}", lack.mend)


async def _stand_up(
    choice: Choice, build: Callable[[Choice], E], started: AsyncExitStack
) -> tuple[E, Choice]:
    """Build and start what was chosen; if it can't, what needs no model, saying so."""
    engine = build(choice)
    try:
        await engine.start()
    except EngineError as error:
        await engine.aclose()
        stopgap = STOPGAPS[choice.stage]
        if isinstance(error, WrongSetting):
            mend = "mend the setting, or leave it out"
            raise StageUnavailable(choice.stage, str(error), mend) from error
        if choice.forced or choice.engine == stopgap:
            mend = "python run.py check tells what is installed"
            raise StageUnavailable(choice.stage, str(error), mend) from error
        lack = Lack(what=choice.engine, why=str(error), mend="python run.py check")
        poorer = replace(
            choice,
            engine=stopgap,
            why=f"{choice.engine} did not start",
            device="cpu",
            models={},
            lacks=(*choice.lacks, lack),
        )
        return await _stand_up(poorer, build, started)
    except asyncio.CancelledError:
        await engine.aclose()
        raise
    started.push_async_callback(engine.aclose)
    return engine, choice


async def _judge(
    settings: Settings, store: ModelStore, started: AsyncExitStack
) -> SmartTurn | None:
    """Smart Turn, where its model is configured or lies in the models folder.

    One that was only found and does not start is left out; one that was named is an error."""
    wanted = settings.turn.smart_turn
    path = Path(wanted.path) if wanted.path else store.lying_there("**/smart-turn*.onnx")
    if not wanted.enabled or path is None:
        return None
    judge = SmartTurn(wanted, path)
    try:
        await judge.start()
    except EngineError as error:
        await judge.aclose()
        if wanted.path:
            mend = "set turn.smart_turn.path to Smart Turn v3's ONNX file, or leave it empty"
            raise StageUnavailable("stt", str(error), mend) from error
        logger.warning("Smart Turn is left out", extra={"cause": str(error)})
        return None
    started.push_async_callback(judge.aclose)
    return judge


def _where_it_runs(choice: Choice, queues: Queues) -> Choice:
    """The choice with the device that its engine came to: perhaps not the planned one."""
    native = {"whisper": Whisper, "llama": Llama}.get(choice.engine)
    for _, engine in queues:
        if isinstance(engine, Whisper | Llama) and type(engine) is native:
            return replace(choice, device=engine.device)
    return choice


Waiting = list[tuple[Stage, Queue]]
IsStrained = Callable[[], bool]


def _transcriber(choice: Choice, settings: Settings, queues: Waiting) -> Transcriber:
    stt = settings.stt
    pocketsphinx = PocketSphinx(stt.pocketsphinx)
    queues.append(("stt", pocketsphinx))
    sphinx = GuardedTranscriber(pocketsphinx, stt.guard)
    if choice.engine == "pocketsphinx":
        return sphinx
    native = Whisper(stt.whisper, choice.models)
    queues.append(("stt", native))
    whisper = GuardedTranscriber(native, stt.guard)
    if choice.forced or "en" not in settings.personas:
        return whisper
    english = FallbackTranscriber(whisper, sphinx, _tell) if "en" in choice.models else sphinx
    return TranscriberByLanguage({"en": english, ANY_LANGUAGE: whisper})


def _model(
    choice: Choice, settings: Settings, caches: Caches, queues: Waiting, is_strained: IsStrained
) -> LanguageModel:
    llm = settings.llm

    def guarded(model: LanguageModel) -> LanguageModel:
        watched = WatchedModel(model)
        queues.append(("llm", watched))
        return GuardedModel(watched, llm.guard)

    def watched_llama(model: Path, llama: LlamaSettings) -> LanguageModel:
        native = Llama(llama, model, prefixes=settings.server.state / "prefixes")
        queues.append(("llm", native))
        return guarded(native)

    match choice.engine:
        case "scripted":
            return Scripted(llm.scripted)
        case "openai":
            mark = f"openai {llm.openai.base_url} {llm.openai.model}"
            return caches.over_model(guarded(OpenAI(llm.openai)), mark)
        case _:
            llama = watched_llama(choice.models[ANY_LANGUAGE], llm.llama)
            if choice.spare is not None:
                plain = llm.llama.model_copy(update={"adapters": {}})
                llama = SparingModel(llama, watched_llama(choice.spare, plain), is_strained)
            # What is known costs nothing under load either. What a spare model or a stopgap says is
            # not remembered as the model's.
            remembering = caches.over_model(
                llama,
                _mark(choice, llm.llama),
                keeps=lambda: choice.spare is None or not is_strained(),
            )
            stand_in = Scripted(llm.scripted, stands_in=True)
            return remembering if choice.forced else FallbackModel(remembering, stand_in, _tell)


def _mark(choice: Choice, llama: LlamaSettings) -> str:
    """What the replies of a model and its adapters are remembered under."""
    adapters = "".join(f" {name}={one.path}*{one.scale}" for name, one in llama.adapters.items())
    return f"llama {choice.model}{adapters}"


def _synthesizer(
    choice: Choice, settings: Settings, caches: Caches, queues: Waiting, is_strained: IsStrained
) -> Synthesizer:
    tts = settings.tts
    native = Espeak(tts.espeak)
    queues.append(("tts", native))
    # Each remembers its own: what stood in for a voice is not remembered as that voice.
    espeak = caches.over_voice(
        GuardedSynthesizer(native, tts.guard), f"espeak {tts.espeak.model_dump_json()}"
    )
    if choice.engine == "espeak":
        return espeak
    neural = Piper(tts.piper, choice.models)
    queues.append(("tts", neural))
    guarded: Synthesizer = GuardedSynthesizer(neural, tts.guard)
    piper = caches.over_voice(
        SparingVoice(guarded, espeak, is_strained) if tts.spare else guarded,
        f"piper {choice.model} {tts.piper.model_dump_json()}",
        keeps=lambda: not tts.spare or not is_strained(),
    )
    voice = piper if choice.forced else FallbackSynthesizer(piper, espeak, _tell)
    voices = {language: voice for language in choice.models}
    return SynthesizerByLanguage({**voices, ANY_LANGUAGE: espeak})


def _tell(error: EngineError) -> None:
    logger.warning("Fallback served", extra={"stage": error.stage, "cause": str(error)})
