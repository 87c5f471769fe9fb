"""What a client brings as sound instead of as words: `input_audio` in an item. Pure.

Its words come from the recogniser, as those of a spoken turn do, and are told by the same events.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence

from agent.events import RecordingRead
from media.audio import AudioChunk
from signaling.realtime.client import NewItem, Part
from signaling.realtime.commands import Fields
from signaling.realtime.config import Format, SessionConfig
from signaling.realtime.incoming import BYTES_PER_SAMPLE, decoder, seconds_of
from signaling.realtime.items import Item, Items
from signaling.realtime.refusal import Refused, unsupported
from signaling.realtime.transcripts import completed, delta, failed

SHORTEST, LONGEST = 0.1, 60.0
"""Seconds that a recording lasts."""
MOST = 8
"""Recordings of a session that may wait for their words."""


def is_recording(new: NewItem) -> bool:
    """A message of the user's with audio in it."""
    is_theirs = new.type == "message" and new.role == "user"
    return is_theirs and any(part.type == "input_audio" for part in new.content)


def sound_of(content: Sequence[Part], spoken: Format) -> tuple[AudioChunk, float]:
    """A recording's audio at 16 kHz, and its seconds. Raises Refused."""
    if len(content) != 1:
        told = "audio is the only part of its message: send text as another item"
        raise Refused("invalid_value", told, param="item.content")
    where = "item.content.0.audio"
    if content[0].audio is None:
        raise Refused("missing_required_parameter", f"{where} is missing", param=where)
    if spoken.type == "audio/opus":
        raise unsupported("a recording as Opus, which has no container here,", where)
    try:
        payload = base64.b64decode(content[0].audio, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("invalid_value", f"audio is not base64: {error}", param=where) from error
    if len(payload) % BYTES_PER_SAMPLE[spoken.type]:
        told = f"{len(payload)} bytes are no whole samples: {spoken.type} has two bytes each"
        raise Refused("invalid_value", told, param=where)
    seconds = seconds_of(spoken, payload)
    if not SHORTEST <= seconds <= LONGEST:
        told = f"a recording lasts {SHORTEST:g} to {LONGEST:g} seconds, this one {seconds:.3g}"
        raise Refused("invalid_value", told, param=where)
    return AudioChunk(decoder(spoken).decode(payload)), seconds


class Recordings:
    """One session's, until their words are known."""

    def __init__(self, items: Items, config: Callable[[], SessionConfig]) -> None:
        self._items = items
        self._config = config
        self._waiting: dict[str, tuple[Item, float]] = {}

    def check(self) -> None:
        """Raises Refused when no more can wait."""
        if len(self._waiting) >= MOST:
            raise Refused("too_many_recordings", f"{MOST} recordings still wait for their words")

    def take(self, item: Item, seconds: float) -> None:
        """A recording is being understood."""
        self._waiting[item.key] = item, seconds

    def read(self, event: RecordingRead) -> list[Fields]:
        """What is told of its words; nothing of one that was deleted meanwhile."""
        item, seconds = self._waiting.pop(event.key, (None, 0.0))
        if item is None:
            return []
        item.text, item.is_awaited = event.text, False
        is_told = self._config().audio.input.transcription is not None
        if not is_told or not self._items.holds(item):
            return []
        if event.error:
            return [failed(item.id, event.error)]
        told = [delta(item.id, event.text)] if event.text else []
        return [*told, completed(item.id, event.text, seconds)]
