"""HTTP tools against a server on loopback: right, slow, failing, huge, garbage, elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import ValidationError

from agent.engines.tools import HttpTools, HttpToolSettings, check_parameters
from agent.messages import ToolCall

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 3}},
    "required": ["city"],
}


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def echo(request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        key = request.headers.get("Authorization")
        return web.json_response({"query": dict(request.query), "body": body, "key": key})

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=500, text="out of order")

    async def huge(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 5_000_000)

    async def garbage(request: web.Request) -> web.Response:
        return web.Response(body=b"\xff\xfe\x00{")

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://169.254.169.254/secrets")

    app = web.Application()
    for handler in (echo, slow, broken, huge, garbage, elsewhere):
        app.router.add_route("*", f"/{handler.__name__}", handler)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def used(
    server: TestServer, path: str, arguments: str = '{"city": "서울"}', **more: object
) -> str:
    block = {"name": "it", "description": "d", "parameters": PARAMETERS, "timeout": 0.5}
    settings = HttpToolSettings.model_validate(
        {**block, "url": str(server.make_url(f"/{path}")), **more}
    )
    tools = HttpTools([settings], {"WEATHER_KEY": "s3cret"})
    try:
        return await tools.use(ToolCall("1", "it", arguments))
    finally:
        await tools.aclose()


async def test_arguments_go_as_json(server: TestServer) -> None:
    assert json.loads(await used(server, "echo"))["body"] == {"city": "서울"}


async def test_arguments_of_a_get_go_as_the_query(server: TestServer) -> None:
    told = json.loads(await used(server, "echo", '{"city": "a b", "days": 2}', method="GET"))

    assert told["query"] == {"city": "a b", "days": "2"} and told["body"] is None


async def test_a_secret_comes_from_the_environment(server: TestServer) -> None:
    told = json.loads(
        await used(server, "echo", headers={"Authorization": "Bearer ${WEATHER_KEY}"})
    )

    assert told["key"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("slow", "did not answer within 0.5 seconds"),
        ("broken", "answered 500: out of order"),
        ("elsewhere", "answered 302"),
    ],
)
async def test_what_goes_wrong_is_the_result(server: TestServer, path: str, says: str) -> None:
    assert says in json.loads(await used(server, path))["error"]


async def test_a_huge_answer_is_cut(server: TestServer) -> None:
    assert len(await used(server, "huge", longest=500)) == 500


async def test_garbage_is_text_all_the_same(server: TestServer) -> None:
    assert "{" in await used(server, "garbage")


async def test_a_server_that_is_not_there_is_told() -> None:
    block = {"name": "it", "description": "d", "url": "http://127.0.0.1:9/"}
    tools = HttpTools([HttpToolSettings.model_validate(block)], {})

    told = json.loads(await tools.use(ToolCall("1", "it", "{}")))
    await tools.aclose()

    assert "cannot be reached" in told["error"]


@pytest.mark.parametrize("arguments", ["{}", '{"city": 3}', '{"city": "a", "days": 9}', "no json"])
async def test_wrong_arguments_never_leave(server: TestServer, arguments: str) -> None:
    assert "are wrong" in json.loads(await used(server, "echo", arguments))["error"]


@pytest.mark.parametrize(
    ("block", "names"),
    [
        ({"parameters": {"type": "objekt"}}, "type"),
        ({"parameters": {"type": "array"}}, "array"),
        ({"name": "two words"}, "name"),
        ({"url": "file:///etc/passwd"}, "url"),
    ],
)
def test_a_bad_block_is_refused_with_what_is_wrong(block: dict[str, object], names: str) -> None:
    good: dict[str, object] = {"name": "it", "description": "d", "url": "http://localhost/"}

    with pytest.raises(ValidationError, match=names):
        HttpToolSettings.model_validate({**good, **block})


def test_a_tool_whose_schema_is_too_deep_to_be_checked_is_refused() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(300):
        schema = {"type": "object", "properties": {"more": schema}}
    with pytest.raises(ValueError, match="too deeply"):
        check_parameters(schema)
