"""`run.py warm FILE`: frequent questions answered into the cache that servers share."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

from server.commands.waiting import Waiting
from server.config import ConfigurationError, Settings
from server.hardware import probe
from server.models import open_store
from server.rehearsal import read_questions, rehearsed
from server.stages import choose

NOWHERE = (
    "nothing is shared between servers, so that what is made here would be lost: set cache.url "
    "to a Redis or Memcached, or cache.questions to this file, and each server warms itself"
)


async def warm(settings: Settings, file: Path, language: str, waiting: Waiting) -> int:
    """Answer every question and print the replies; 1 if one could not be kept.

    Raises ConfigurationError, StageUnavailable."""
    questions = read_questions(file, settings.personas, language or settings.language)
    if not settings.cache.url:
        raise ConfigurationError(NOWHERE)
    stages = await choose(settings, open_store(settings.models), probe(), waiting.for_)
    waiting.over()
    failed = 0
    async with aclosing(stages):
        shared = stages.caches.shared if stages.caches is not None else None
        if shared is None or not shared.is_up:
            raise ConfigurationError(f"the store of cache.url does not answer: {_place(settings)}")
        if stages.caches is None or stages.caches.model is None:
            raise ConfigurationError(
                "there is no model whose replies could be kept: run.py check tells why"
            )
        answers = rehearsed(questions, settings, stages)
        async with aclosing(answers):
            async for each in answers:
                failed += bool(each.problem)
                print(f"{each.question.text}\n  {each.reply or f'not kept: {each.problem}'}")
    print(f"{len(questions) - failed} of {len(questions)} replies are kept in {_place(settings)}")
    return 1 if failed else 0


def _place(settings: Settings) -> str:
    """The store's address, without its password."""
    scheme, _, rest = settings.cache.url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
