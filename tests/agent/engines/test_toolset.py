"""Tools of several sources as one."""

from __future__ import annotations

import pytest

from agent.engines.toolset import Toolset
from agent.messages import Tool, ToolCall


class Source:
    def __init__(self, says: str, *names: str, safe: bool = False) -> None:
        self.offered = tuple(Tool(name, says) for name in names)
        self.says = says
        self.safe = safe
        self.closed = False

    def is_safe(self, name: str) -> bool:
        return self.safe

    async def use(self, call: ToolCall) -> str:
        return f"{self.says} {call.name}"

    async def aclose(self) -> None:
        self.closed = True
        if self.says == "bad":
            raise OSError("it does not close")


async def test_each_call_goes_to_its_source() -> None:
    tools = Toolset([Source("one", "a"), Source("two", "b", safe=True)])

    assert [tool.name for tool in tools.offered] == ["a", "b"]
    assert await tools.use(ToolCall("1", "b", "{}")) == "two b"
    assert (tools.is_safe("a"), tools.is_safe("b"), tools.is_safe("c")) == (False, True, False)
    assert "no tool 'c'" in await tools.use(ToolCall("1", "c", "{}"))


async def test_a_name_stays_with_the_first_that_offers_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = Source("one", "a")
    tools = Toolset([first, Source("two", "a", "b")])

    assert [(tool.name, tool.description) for tool in tools.offered] == [("a", "one"), ("b", "two")]
    assert await tools.use(ToolCall("1", "a", "{}")) == "one a"
    assert [record.message for record in caplog.records] == [
        "A tool's name is taken: give its MCP server a prefix"
    ]
    first.offered = ()
    assert await tools.use(ToolCall("1", "a", "{}")) == "two a"


async def test_all_are_closed_even_if_one_cannot() -> None:
    sources = [Source("one"), Source("bad"), Source("two")]
    with pytest.raises(OSError, match="does not close"):
        await Toolset(sources).aclose()
    assert all(source.closed for source in sources)
