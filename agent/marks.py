"""When each thing of a turn happens."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from agent.events import Timeline


@dataclass(slots=True)
class Marks:
    """The turn's timeline while it is being made; loop time."""

    speech_end: float
    endpoint: float | None = None
    transcript: float | None = None
    first_token: float | None = None
    first_sound: float | None = None
    audible: float | None = None
    filler: float | None = None
    end: float | None = None

    def timeline(self) -> Timeline:
        return Timeline(**asdict(self))
