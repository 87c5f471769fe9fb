"""Server-sent events, cut anywhere."""

from __future__ import annotations

import pytest

from agent.engines.sse import LONGEST, EventStream, EventTooLong

STREAM = (
    ': hello\r\n\r\nevent: x\r\ndata: {"a": "안녕"}\r\n\r\ndata:one\ndata: two\n\ndata: [DONE]\n\n'
)
EVENTS = ['{"a": "안녕"}', "one\ntwo", "[DONE]"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_whole_however_the_bytes_are_cut(size: int) -> None:
    data, stream = STREAM.encode(), EventStream()

    events = [e for i in range(0, len(data), size) for e in stream.feed(data[i : i + size])]

    assert events == EVENTS


def test_an_event_that_never_ends_is_refused() -> None:
    stream = EventStream()

    with pytest.raises(EventTooLong):
        for _ in range(LONGEST // 65536 + 1):
            stream.feed(b"x" * 65536)


def test_data_lines_that_never_end_an_event_are_refused() -> None:
    stream = EventStream()

    with pytest.raises(EventTooLong):
        for _ in range(LONGEST // 65536 + 1):
            stream.feed(b"data: " + b"x" * 65536 + b"\n")
