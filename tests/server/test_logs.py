"""What a log line says."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from server import logs
from server.logs import LogSettings


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], _ = before[0], root.setLevel(before[1])


def written(settings: LogSettings) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(settings, stream)
    return stream


async def test_a_line_has_its_sentence_its_fields_and_the_call_of_its_task(restored: None) -> None:
    stream = written(LogSettings())

    async def later() -> None:
        logging.getLogger("agent.call").info("Turn over", extra={"turn": 3, "said": "so so"})

    with logs.of_call("3f2a"):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(later())
    logging.getLogger("server").info("Stopped")
    first, second = stream.getvalue().splitlines()
    assert first.endswith('INFO    agent.call: Turn over call=3f2a turn=3 said="so so"')
    assert second.endswith("INFO    server: Stopped")


def test_json_is_one_object_a_line_with_the_trace_inside(restored: None) -> None:
    stream = written(LogSettings(format="json"))
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("x").exception("A call failed", extra={"seconds": 1.5, "말": "네"})
    line = json.loads(stream.getvalue())
    assert line["message"] == "A call failed" and line["level"] == "error" and line["logger"] == "x"
    assert line["seconds"] == 1.5 and line["말"] == "네"
    assert "ValueError: no" in line["trace"]


def test_what_is_less_important_than_the_level_is_left_out(restored: None) -> None:
    stream = written(LogSettings(level="warning"))
    logging.getLogger("x").info("Little")
    logging.getLogger("aioice.ice").info("Chatter")
    assert stream.getvalue() == ""


def test_libraries_that_chatter_are_heard_from_warnings_on(restored: None) -> None:
    stream = written(LogSettings(level="info"))
    logging.getLogger("aioice").info("Chatter")
    logging.getLogger("aioice").warning("Trouble")
    assert "Chatter" not in stream.getvalue() and "Trouble" in stream.getvalue()


def test_a_request_that_is_no_http_leaves_no_trace(restored: None) -> None:
    stream = written(LogSettings())
    log = logging.getLogger("aiohttp.server")
    try:
        raise BadHttpMessage("Invalid character in Content-Length")
    except BadHttpMessage:
        log.exception("Error handling request from %s", "10.0.0.1")
    assert stream.getvalue() == ""
    try:
        raise ValueError("a bug of ours")
    except ValueError:
        log.exception("Error handling request from %s", "10.0.0.1")
    assert "a bug of ours" in stream.getvalue()
