"""JSON as RFC 8259 has it, read at the border. Pure.

Python reads more than that: numbers that are none, halves of surrogate pairs, nesting up to its own
recursion limit. Each of it would come out again, where a client's parser breaks at it or no UTF-8
can be made of it, long after the one who sent it could be told.
"""

from __future__ import annotations

import json
import math
from typing import Any

from signaling.realtime.refusal import Refused

DEEPEST = 64
"""Levels of values in each other."""


def read(text: str | bytes, what: str = "this") -> Any:
    """The value; `what` names it where it is refused. Raises Refused."""
    try:
        value = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            parse_constant=_no_number,
            parse_float=_finite,
        )
        _check(value)
    except (ValueError, RecursionError) as error:
        raise Refused("invalid_json", f"{what} is not JSON: {error}") from error
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text[:32]} is too large")
    return number


def _check(value: Any) -> None:
    """Raises ValueError for text that is none, and for what is nested too deeply."""
    level, depth = [value], 0
    while level:
        if (depth := depth + 1) > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels are in each other")
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                each.encode()  # Raises where it has half a surrogate pair.
            elif isinstance(each, dict):
                below += (*each, *each.values())
            elif isinstance(each, list):
                below += each
        level = below
