"""Tools of real MCP servers, over stdio and loopback HTTP: used, slow, failing, gone and back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from agent.engines.mcp.server import McpServer, McpUnavailable, look
from agent.engines.mcp.settings import McpSettings
from agent.engines.toolset import Toolset
from agent.events import TurnFinished
from agent.messages import ToolCall
from tests.agent.conversation import line
from tests.agent.test_using import ToolModel

SERVER = Path(__file__).with_name("mcp_tools.py")
NAMES = {"weather", "several", "slow", "broken", "quit_now", "process", "secret"}
PATIENCE = 60.0


def stdio(**more: object) -> McpSettings:
    block = {"name": "it", "command": sys.executable, "args": [str(SERVER)], "retry": 0.1}
    return McpSettings.model_validate({**block, **more})


@asynccontextmanager
async def over_http(port: int = 0) -> AsyncGenerator[tuple[McpSettings, int], None]:
    """A server in a process of its own; killed at the end."""
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, str(SERVER), str(port))
    try:
        block = {"name": "it", "url": f"http://127.0.0.1:{port}/mcp", "retry": 0.1, "refresh": 0.2}
        yield McpSettings.model_validate(block), port
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def connected(settings: McpSettings, **environment: str) -> AsyncGenerator[McpServer, None]:
    """A server's tools, once they are there; nothing is left of the connection afterwards."""
    before = asyncio.all_tasks()
    server = McpServer(settings, environment)
    server.start()
    try:
        await until(lambda: bool(server.offered))
        yield server
    finally:
        await server.aclose()
    assert not asyncio.all_tasks() - before, "tasks are left"


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.02)


def call(name: str, **arguments: object) -> ToolCall:
    return ToolCall("1", name, json.dumps(arguments))


async def test_tools_are_listed_with_names_that_models_take() -> None:
    async with connected(stdio()) as server:
        offered = {tool.name: tool for tool in server.offered}

    assert set(offered) == NAMES
    assert offered["weather"].description == "The weather of a city."
    assert offered["weather"].parameters["required"] == ["city"]


async def test_a_tool_is_used_on_stdio() -> None:
    async with connected(stdio(env={"TOKEN": "${KEY}"}), KEY="s3cret") as server:
        assert await server.use(call("weather", city="서울")) == "서울: 21 degrees, 1 day"
        assert await server.use(call("several")) == "one\ntwo"
        assert await server.use(call("secret")) == "s3cret"


async def test_a_tool_is_used_over_http() -> None:
    async with over_http() as (settings, _), connected(settings) as server:
        assert await server.use(call("weather", city="서울", days=2)) == "서울: 21 degrees, 2 day"


async def test_only_tools_of_the_list_are_offered_under_the_prefix() -> None:
    settings = stdio(tools=["weather", "quit.now"], prefix="my_", safe=True)
    async with connected(settings) as server:
        names = {tool.name for tool in server.offered}
        safe = server.is_safe("my_weather"), server.is_safe("weather")

    assert names == {"my_weather", "my_quit_now"} == set(settings.promised)
    assert safe == (True, False)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (call("weather"), "arguments of weather are wrong"),
        (call("weather", city=3), "arguments of weather are wrong"),
        (call("broken"), "broken failed"),
        (call("unheard_of"), "out of reach"),
    ],
)
async def test_what_goes_wrong_is_the_result(asked: ToolCall, says: str) -> None:
    async with connected(stdio()) as server:
        assert says in json.loads(await server.use(asked))["error"]


async def test_a_slow_tool_is_given_up_and_the_server_goes_on(tmp_path: Path) -> None:
    async with connected(stdio(timeout=0.5)) as server:
        told = json.loads(await server.use(call("slow", mark=str(tmp_path / "mark"))))
        after = await server.use(call("weather", city="Seoul"))

    assert "did not answer within 0.5 seconds" in told["error"]
    assert after.startswith("Seoul")


async def test_a_call_that_is_cancelled_is_cancelled_at_the_server(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with connected(stdio(timeout=60)) as server:
        using = asyncio.create_task(server.use(call("slow", mark=str(mark))))
        await until(lambda: mark.exists() and mark.read_text() == "begun")
        using.cancel()
        await asyncio.wait([using])
        await until(lambda: mark.read_text() == "cancelled")

    assert using.cancelled()


async def test_a_program_that_dies_half_way_is_told_and_started_again() -> None:
    async with connected(stdio()) as server:
        told = json.loads(await server.use(call("quit_now")))
        await until(lambda: not server.offered)
        await until(lambda: bool(server.offered))
        after = await server.use(call("weather", city="Seoul"))

    assert "could not be used" in told["error"] and after.startswith("Seoul")


async def test_a_program_that_hangs_holds_nobody_up() -> None:
    async with connected(stdio(connect_timeout=8, timeout=1)) as server:
        frozen = int(await server.use(call("process")))
        os.kill(frozen, signal.SIGSTOP)
        # More than a pipe holds: it cannot even be told that the caller has gone on.
        using = asyncio.create_task(server.use(call("weather", city="x" * 500_000)))
        await asyncio.sleep(0.2)
        using.cancel()
        done, _ = await asyncio.wait([using], timeout=3)
        told = json.loads(await server.use(call("weather", city="Seoul")))
        await until(lambda: not server.offered)

    assert done and "did not answer within 1 seconds" in told["error"]


async def test_a_whole_turn_uses_it() -> None:
    model = ToolModel("It is warm.")
    async with connected(stdio()) as server, line(model=model, tools=Toolset([server])) as talk:
        await talk.say("is it warm")
        turn = await talk.wait_for(TurnFinished)

    assert turn.reply == "It is warm."
    assert model.requests[-1].messages[-1].text == "Seoul: 21 degrees, 1 day"
    assert {tool.name for tool in model.requests[0].tools.offered} == NAMES


async def test_a_server_that_goes_and_comes_back_is_found_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with over_http() as (settings, port):
        server = McpServer(settings, {})
        server.start()
        await until(lambda: bool(server.offered))
    try:
        await until(lambda: not server.offered)
        told = json.loads(await server.use(call("weather", city="Seoul")))
        async with over_http(port):
            await until(lambda: bool(server.offered))
            after = await server.use(call("weather", city="Seoul"))
    finally:
        await server.aclose()

    assert "out of reach" in told["error"] and after.startswith("Seoul")
    assert any("out of reach" in record.message for record in caplog.records)


async def test_a_server_that_never_answers_blocks_nothing() -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/mcp", silent)
    http = TestServer(app)
    await http.start_server()
    block = {"name": "it", "url": str(http.make_url("/mcp")), "connect_timeout": 0.3}
    settings = McpSettings.model_validate(block)
    try:
        with pytest.raises(McpUnavailable, match=r"no answer within 0.3 seconds"):
            await look(settings, {})
        server = McpServer(settings, {})
        server.start()
        assert server.offered == ()
        assert "out of reach" in await server.use(call("weather", city="Seoul"))
        await server.aclose()
    finally:
        await http.close()


@pytest.mark.parametrize(
    "block",
    [
        {"command": "/no/such/program"},
        {"command": sys.executable, "args": ["-c", "print('no protocol')"]},
        {"url": "http://127.0.0.1:9/mcp"},
    ],
)
async def test_a_server_that_cannot_be_had_says_why(block: dict[str, object]) -> None:
    settings = McpSettings.model_validate({"name": "it", "connect_timeout": 20, **block})
    with pytest.raises(McpUnavailable) as raised:
        await look(settings, {})
    assert str(raised.value)


@pytest.mark.parametrize(
    ("block", "names"),
    [
        ({}, "either a url or a command"),
        ({"url": "http://localhost/", "command": "it"}, "either a url or a command"),
        ({"url": "http://localhost/", "args": ["a"]}, "args"),
        ({"command": "it", "headers": {"a": "b"}}, "headers"),
        ({"url": "file:///etc/passwd"}, "url"),
    ],
)
def test_a_bad_block_is_refused_with_what_is_wrong(block: dict[str, object], names: str) -> None:
    with pytest.raises(ValidationError, match=names):
        McpSettings.model_validate({"name": "it", **block})
