"""The OpenAPI document tells every door, and schemathesis finds each as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import aiohttp
import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from signaling.openapi import document
from signaling.realtime.routes import SIP, NoTelephone
from signaling.whip import CALL
from tests.signaling.realtime.test_websocket import home

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PAGE = {"/", "/static", "/static/{name}"}


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def as_text(_: object, value: object) -> bytes:
    return str(value).encode(errors="replace")


schema = schemathesis.openapi.from_dict(document("0"))


@pytest.fixture(scope="module")
def house() -> Iterator[str]:
    """The address of a server that lives in a thread."""
    url: list[str] = []
    is_up, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with home("hello", ice={"bind": ["127.0.0.1"], "connect_timeout": 1}) as (address, _):
            url.append(address)
            is_up.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert is_up.wait(60)
    yield url[0]
    loop.call_soon_threadsafe(over.set)
    thread.join(60)
    loop.close()


@schema.exclude(path="/v1/realtime", method="GET").parametrize()
@hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_door_does_what_is_told(case: schemathesis.Case, house: str) -> None:
    case.call_and_validate(base_url=house, checks=CHECKS, timeout=20)


async def test_every_door_is_told() -> None:
    async with home("hello") as (url, app), aiohttp.ClientSession() as http:
        async with http.get(f"{url}/openapi.json") as reply:
            told = await reply.json()
        paths = {path: {*operations} for path, operations in told["paths"].items()}
        doors: dict[str, set[str]] = {}
        for route in app.router.routes():
            path = route.resource.canonical if route.resource else ""
            if path not in PAGE and route.method != "HEAD":
                doors.setdefault(path, set()).add(route.method.lower())
        assert paths == doors


def test_what_a_telephone_call_is_asked_is_told_to_be_refused() -> None:
    paths = document("0")["paths"]
    for verb in SIP:
        answers = paths[f"{CALL}/{verb}"]["post"]["responses"]
        assert str(NoTelephone.status) in answers and not [each for each in answers if each < "400"]
