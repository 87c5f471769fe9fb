"""What is JSON to Python alone comes in by no door."""

from __future__ import annotations

import json

import pytest

from signaling.realtime.refusal import Refused
from signaling.realtime.strict_json import DEEPEST, read


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "NaN",
        '{"a": [-Infinity]}',
        '{"a": 1e999}',
        r'{"event_id": "\ud800"}',
        r'{"\udfff": 1}',
        b'{"a": "\xed\xa0\x80"}',
        b"\xff",
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
        "[" * 5000,
    ],
)
def test_what_no_other_parser_takes_is_refused(text: str | bytes) -> None:
    with pytest.raises(Refused) as refused:
        read(text, "the event")
    assert refused.value.code == "invalid_json" and str(refused.value).startswith("the event ")


@pytest.mark.parametrize(
    "text",
    [
        "null",
        '{"a": [1, 2.5, "b"]}',
        r'{"a": "\ud83d\ude00 얼쑤"}',
        b'{"a": 1}',
        "[" * DEEPEST + "]" * DEEPEST,
    ],
)
def test_what_is_json_is_read(text: str | bytes) -> None:
    assert read(text) == json.loads(text)
