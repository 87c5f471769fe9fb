"""Tools of several sources as one: a name belongs to the first source that offers it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

from agent.engines.tools import Tools, failed
from agent.messages import Tool, ToolCall

logger = logging.getLogger(__name__)


class Toolset:
    """What all sources offer now. A name that is taken is left out, and the log says so once."""

    def __init__(self, sources: Sequence[Tools]) -> None:
        self._sources = tuple(sources)
        self._told: set[str] = set()

    @property
    def offered(self) -> tuple[Tool, ...]:
        return tuple(tool for tool, _ in self._owned())

    def is_safe(self, name: str) -> bool:
        source = self._source(name)
        return source is not None and source.is_safe(name)

    async def use(self, call: ToolCall) -> str:
        source = self._source(call.name)
        if source is None:
            return failed(f"there is no tool {call.name!r} now")
        return await source.use(call)

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:  # each is closed, even if another's closing fails
            for source in self._sources:
                stack.push_async_callback(source.aclose)

    def _source(self, name: str) -> Tools | None:
        return next((source for tool, source in self._owned() if tool.name == name), None)

    def _owned(self) -> Iterator[tuple[Tool, Tools]]:
        taken: set[str] = set()
        for source in self._sources:
            for tool in source.offered:
                if tool.name not in taken:
                    taken.add(tool.name)
                    yield tool, source
                elif tool.name not in self._told:
                    self._told.add(tool.name)
                    logger.warning(
                        "A tool's name is taken: give its MCP server a prefix",
                        extra={"tool": tool.name},
                    )
