"""Responses out of band: made beside the conversation, in text, several at once. Pure."""

from __future__ import annotations

from collections.abc import Callable

from agent.events import AsideCalled, AsideEnded, AsideWritten
from signaling.access.roster import RateLimits
from signaling.realtime.commands import Fields
from signaling.realtime.config import SessionConfig
from signaling.realtime.items import Item
from signaling.realtime.limits import updated
from signaling.realtime.refusal import Refused
from signaling.realtime.response import COMPLETED, Ending, Response

MOST = 4
"""Responses out of band at the same time."""


class AsideResponses:
    """One session's. A response's id is what the call knows it by."""

    def __init__(self, new_id: Callable[[str], str], limits: RateLimits) -> None:
        self._new_id = new_id
        self._limits = limits
        self._going_on: dict[str, Response] = {}

    def __contains__(self, response_id: object) -> bool:
        return response_id in self._going_on

    def open(self, config: SessionConfig, metadata: Fields | None) -> tuple[str, list[Fields]]:
        """A response begins: its id, and what is told. Raises Refused when there are too many."""
        if len(self._going_on) >= MOST:
            raise Refused(
                "too_many_responses", f"{MOST} responses out of band are still being made"
            )
        response = Response(self._new_id("resp"), self._new_id("item"), config, metadata=metadata)
        self._going_on[response.id] = response
        return response.id, response.created() + updated(self._limits)

    def written(self, event: AsideWritten) -> list[Fields]:
        """More of one."""
        response = self._going_on.get(event.aside)
        if response is None:
            return []
        told = [] if response.has_content else response.begin(None)
        return told + response.write(event.text)

    def called(self, event: AsideCalled) -> list[Fields]:
        """One asks the client for something."""
        response = self._going_on.get(event.aside)
        if response is None:
            return []
        item_id = self._new_id("item")
        return response.call(Item(item_id, "assistant", "function_call", call=event.call))

    def ended(self, event: AsideEnded) -> list[Fields]:
        """One is over."""
        response = self._going_on.pop(event.aside, None)
        if response is None:
            return []
        response.usage = event.usage
        match event.outcome:
            case "completed":
                return response.done(COMPLETED)
            case "cancelled":
                return response.done(Ending("cancelled", "client_cancelled"))
            case "failed":
                return response.done(Ending("failed", error=event.error))

    def close(self) -> list[Fields]:
        """The call is over."""
        told: list[Fields] = []
        for response in self._going_on.values():
            told += response.done(Ending("cancelled"))
        self._going_on.clear()
        return told
