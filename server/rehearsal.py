"""A list of frequent questions, answered before anybody asks them.

A question a line; `ko:` in front of one names its language, `#` begins a comment. Only what the
cache of replies would keep is worth a line: what anybody might ask first.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from agent.engines.caches.general import is_general
from agent.errors import EngineError
from agent.persona import Persona
from agent.warm import rehearse
from server.config import Settings
from server.sources import ConfigurationError
from server.stages import Stages

log = logging.getLogger(__name__)

_LINE = re.compile(r"(?:(?P<language>[a-z]{2}):)?\s*(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Question:
    """A line of the list."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of a question: its reply, or why there is none that could be kept."""

    question: Question
    reply: str = ""
    problem: str = ""


def read_questions(path: Path, personas: Mapping[str, Persona], language: str) -> list[Question]:
    """The list at `path`; `language` is that of the lines that name none.

    Raises ConfigurationError: the file cannot be read, or a line names no persona's language."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: the questions cannot be read ({error})") from error
    questions = []
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line.strip())
        if found is None or not found["text"] or line.lstrip().startswith("#"):
            continue
        spoken = found["language"] or language
        if spoken not in personas:
            known = ", ".join(sorted(personas))
            raise ConfigurationError(
                f"{path}, line {number}: nobody speaks {spoken!r}; there are: {known}"
            )
        questions.append(Question(spoken, found["text"]))
    return questions


async def rehearsed(
    questions: Sequence[Question], settings: Settings, stages: Stages
) -> AsyncGenerator[Rehearsed, None]:
    """Each question answered and spoken, one after the other: calls come first."""
    for question in questions:
        if not is_general(question.text):
            yield Rehearsed(question, problem="it speaks of one caller or moment: never kept")
            continue
        persona = settings.personas[question.language]
        try:
            reply = await rehearse(stages.engines, persona, settings.turn, question.text)
        except EngineError as error:
            yield Rehearsed(question, problem=str(error))
        else:
            if reply is None:
                yield Rehearsed(question, problem="it takes a tool to answer: never kept")
            else:
                yield Rehearsed(question, reply)


class Rehearsal:
    """The list of `cache.questions`, answered in the background while the server serves."""

    def __init__(self, settings: Settings, stages: Stages) -> None:
        """Raises ConfigurationError when there is a list that cannot be used."""
        self._settings = settings
        self._stages = stages
        path = settings.cache.questions
        self._questions = (
            read_questions(Path(path), settings.personas, settings.language) if path else []
        )

    async def beside(self, _app: web.Application) -> AsyncGenerator[None, None]:
        """For `Application.cleanup_ctx`."""
        task = asyncio.create_task(self._run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        async with aclosing(rehearsed(self._questions, self._settings, self._stages)) as answers:
            async for each in answers:
                if each.problem:
                    told = {"question": each.question.text, "cause": each.problem}
                    log.warning("A question was not rehearsed", extra=told)
        if self._questions:
            log.info("Questions rehearsed", extra={"questions": len(self._questions)})
