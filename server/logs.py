"""What the process writes down: a fixed sentence, then its fields, then the call it belongs to.

Modules log with the standard library: `logger.info("Call started", extra={"language": "en"})`. The
sentence never changes, so that it can be searched for and counted; what varies is in the fields.
What callers say is logged at DEBUG only. The call is known from `of_call`, also inside the tasks
that are started within it, and need not be handed around.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel

_call: ContextVar[str | None] = ContextVar("call", default=None)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# At INFO these tell about every packet, request or download; a warning of theirs still matters.
_CHATTY = ("aioice", "aiortc", "aiohttp.access", "asyncio", "faster_whisper", "httpcore2",
           "httpx2", "huggingface_hub", "numba", "piper")  # fmt: skip


class LogSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `log`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important that is written. `debug` also writes what callers say."""
    format: Literal["text", "json"] = "text"
    """`text` for people, `json` (one object a line) for machines."""


@contextmanager
def of_call(call_id: str) -> Iterator[None]:
    """All that is logged in this block, and in the tasks started in it, names the call."""
    token = _call.set(call_id)
    try:
        yield
    finally:
        _call.reset(token)


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send every logger's records to `stream` (standard error) in the chosen form."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))
    logging.getLogger("aiohttp.server").addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    """False for a request that is no HTTP: it was answered 400, and anyone can send one."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What the record carries beside its sentence: its `extra`, and the call's id if in one."""
    found = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    call = _call.get()
    return {"call": call, **found} if call is not None else found


class TextFormatter(logging.Formatter):
    """`12:31:07.250 INFO  server.calls: Call started call=3f2a language=en`."""

    default_msec_format = "%s.%03d"
    default_time_format = "%H:%M:%S"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        return " ".join([line, *(f"{key}={_text(value)}" for key, value in fields(record).items())])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `at` (UTC, ISO 8601), `level`, `logger`, `message`, the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": _iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "=\n') else text
