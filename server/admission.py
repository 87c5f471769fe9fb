"""Who is let in: by the places, by the load, and by whether the server is about to stop."""

from __future__ import annotations

from collections.abc import Callable

from agent.load import Load
from server.capacity import capacity
from server.settings import ServerSettings
from signaling.errors import CallRefused


class Admission:
    """A server's. Every room that holds calls appends to `counts` how many it holds."""

    def __init__(
        self, settings: ServerSettings, load: Load | None = None, *, later: int = 0
    ) -> None:
        """`later`: bytes that engines and caches take once they are needed."""
        self._settings = settings
        self.load = load or Load()
        self.capacity = capacity(settings, later)
        self.counts: list[Callable[[], int]] = []
        self.is_draining = False
        """No call is let in any more: the server stops."""

    @property
    def calls(self) -> int:
        """Calls now, in all rooms."""
        return sum(count() for count in self.counts)

    @property
    def limit(self) -> int:
        """Calls at the same time."""
        return self.capacity.places

    def check(self) -> None:
        """Raises CallRefused when no further call can be let in."""
        retry = self._settings.retry_after
        if self.is_draining:
            raise CallRefused("stopping", "the server is stopping", retry_after=retry)
        if self.calls >= self.limit:
            why = f"all {self.limit} lines are busy; try again in {retry} seconds"
            raise CallRefused("busy", why, retry_after=retry)
        if not self.load.admits(self.calls):
            why = f"the server has all it can do well; try again in {retry} seconds"
            raise CallRefused("overloaded", why, retry_after=retry)
