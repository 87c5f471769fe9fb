"""What a client is told when it asks for something that cannot be done."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from signaling.errors import SignalingError


class Refused(SignalingError):
    """A client's event is not obeyed. `param` is the path of what is wrong with it."""

    def __init__(self, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(code, message)
        self.param = param
        self.event_id: str | None = None
        """The client's name for its event, where it gave one."""


def unsupported(what: str, param: str) -> Refused:
    """A part of the protocol that this server does not have."""
    return Refused("unsupported_value", f"{what} is not supported by this server", param=param)


def invalid(error: ValidationError, given: Any, prefix: str = "") -> Refused:
    """The first thing that is wrong with what was `given`, in words."""
    first = error.errors(include_url=False, include_input=False)[0]
    parts = _path(first["loc"], given, is_missing=first["type"] == "missing")
    path = ".".join([prefix, *parts] if prefix else parts)
    match first["type"]:
        case "missing":
            code, message = "missing_required_parameter", f"{path or 'a parameter'} is missing"
        case "extra_forbidden":
            code, message = "unknown_parameter", f"there is no parameter {path}"
        case _:
            code, message = "invalid_value", f"{path or 'the event'}: {first['msg']}"
    return Refused(code, message, param=path or None)


def _path(places: tuple[int | str, ...], given: Any, *, is_missing: bool) -> list[str]:
    """Where in what was given. Pydantic also names the kinds between which it had to choose: those
    are places in our types, and none in the client's JSON."""
    path: list[str] = []
    for place in places:
        inside = given if isinstance(given, dict | list) else ()
        is_there = place in inside if isinstance(inside, dict) else isinstance(place, int)
        if is_there:
            given = given[place]
            path.append(str(place))
    return [*path, str(places[-1])] if is_missing else path
