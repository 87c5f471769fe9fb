"""The caller's turns, told as the input buffer's events: started, stopped, committed, transcribed.

One utterance is in the ear at a time; those before it may still wait for their transcripts. Its
moments are milliseconds of the caller's audio, and never go back. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.dialogue.history import heard_key
from signaling.realtime.commands import Fields
from signaling.realtime.config import SessionConfig
from signaling.realtime.items import Item, Items
from signaling.realtime.transcripts import completed, delta, failed

KEPT = 32
"""Utterances that may wait for their transcripts."""


@dataclass(slots=True)
class Utterance:
    """The caller's turn in the making. `begin` and `end`: seconds of the caller's audio."""

    turn: int
    item_id: str
    begin: float
    by_hand: bool = False
    """No `speech_started` is told of it by itself: a button is held."""
    is_told: bool = False
    """`speech_started` went out."""
    end: float = 0.0
    committed: Item | None = None
    transcript: str = ""
    """The part of the transcript that was told."""


class InputBuffer:
    """What is told of the caller's audio."""

    def __init__(
        self,
        items: Items,
        *,
        config: Callable[[], SessionConfig],
        new_id: Callable[[str], str],
    ) -> None:
        self.written: Callable[[float], float] = lambda position: position
        """From seconds of audio heard to seconds of audio that the client has sent."""
        self.committing = 0
        """Commits of the client's that are not told yet: the audio before them comes first."""
        self._items = items
        self._config = config
        self._new_id = new_id
        self._utterances: dict[int, Utterance] = {}
        """By turn: that in the ear last, before it those that wait for their transcripts."""
        self._position = 0
        """Milliseconds up to which the input was told."""

    @property
    def utterance(self) -> Utterance | None:
        """The one in the ear, or the last one."""
        return next(reversed(self._utterances.values()), None)

    @property
    def is_committing(self) -> bool:
        """The client has committed something, and it is not told yet."""
        return self.committing > 0

    @property
    def is_hearing(self) -> bool:
        """The caller speaks, and their turn is not committed yet."""
        return self.utterance is not None and self.utterance.committed is None

    def of(self, turn: int) -> Utterance | None:
        """The utterance of this turn, if it is known."""
        return self._utterances.get(turn)

    def open(self, turn: int, begin: float, *, by_hand: bool) -> None:
        """The caller has begun to speak; nothing is told of it yet."""
        for other in [each for each in self._utterances.values() if each.committed is None]:
            del self._utterances[other.turn]
        self._utterances.pop(turn, None)
        self._utterances[turn] = Utterance(turn, self._new_id("item"), begin, by_hand)
        if len(self._utterances) > KEPT:
            del self._utterances[next(iter(self._utterances))]

    def started(self) -> list[Fields]:
        """The utterance in the ear is told, unless it was, or is none of the detector's."""
        utterance = self.utterance
        if utterance is None or utterance.is_told or utterance.by_hand or utterance.committed:
            return []
        utterance.is_told = True
        return [
            {
                "type": "input_audio_buffer.speech_started",
                "item_id": utterance.item_id,
                "audio_start_ms": self._moment(utterance.begin - self._padding),
            }
        ]

    def stopped(self, utterance: Utterance, position: float) -> list[Fields]:
        """Its speech has stopped: told only where its start was."""
        if not utterance.is_told:
            return []
        return [
            {
                "type": "input_audio_buffer.speech_stopped",
                "item_id": utterance.item_id,
                "audio_end_ms": self._moment(position),
            }
        ]

    def commit(self, utterance: Utterance, position: float) -> list[Fields]:
        """It becomes an item of the conversation."""
        utterance.end = position
        item = Item(utterance.item_id, "user", "input_audio", key=heard_key(utterance.turn))
        utterance.committed = self._items.add(item)
        place = {"previous_item_id": item.previous}
        return [
            {"type": "input_audio_buffer.committed", "item_id": item.id, **place},
            {"type": "conversation.item.added", "item": item.render(), **place},
            {"type": "conversation.item.done", "item": item.render(), **place},
        ]

    def idle(self, turn: int, seconds: float, position: float) -> list[Fields]:
        """Nobody has spoken for so long that it is a turn of its own."""
        self.open(turn, position, by_hand=True)
        utterance = self._utterances[turn]
        told: Fields = {
            "type": "input_audio_buffer.timeout_triggered",
            "item_id": utterance.item_id,
            "audio_start_ms": self._moment(position - seconds),
            "audio_end_ms": self._moment(position),
        }
        return [told, *self.commit(utterance, position), *self.transcribed(turn, "")]

    def drop(self, utterance: Utterance, position: float, *, is_cleared: bool) -> list[Fields]:
        """It was no turn. `is_cleared`: its client said so, and has been told."""
        del self._utterances[utterance.turn]
        if utterance.committed is not None:
            return self._transcript_of(utterance, utterance.committed, "")
        told = self.stopped(utterance, position)
        if not utterance.is_told or is_cleared:
            return told
        return [*told, {"type": "input_audio_buffer.cleared"}]

    def take_back(self, utterance: Utterance) -> list[Fields]:
        """It goes on: what was committed of it is no more."""
        if utterance.committed is None or utterance.item_id not in self._items:
            return []
        self._items.remove(utterance.item_id)
        return [{"type": "conversation.item.deleted", "item_id": utterance.item_id}]

    # -- transcripts ----------------------------------------------------------------------------

    def partly_transcribed(self, turn: int, stable: str) -> list[Fields]:
        """The leading part of the transcript that will not change."""
        utterance = self.of(turn)
        if utterance is None or not utterance.is_told:
            return []
        if not stable.startswith(utterance.transcript) or not self._transcribes:
            return []
        more = stable[len(utterance.transcript) :]
        utterance.transcript = stable
        return [delta(utterance.item_id, more)] if more else []

    def transcribed(self, turn: int, text: str) -> list[Fields]:
        """The whole transcript; nothing for a turn that was typed."""
        utterance = self.of(turn)
        if utterance is None or utterance.committed is None:
            return []
        told: list[Fields] = []
        rest = text.removeprefix(utterance.transcript)
        if rest != text or not utterance.transcript:
            told = [delta(utterance.item_id, rest)] if rest and self._transcribes else []
        utterance.transcript = text
        return told + self._transcript_of(utterance, utterance.committed, text)

    def not_transcribed(self, turn: int, why: str) -> list[Fields]:
        """The recogniser failed."""
        utterance = self.of(turn)
        if utterance is None or utterance.committed is None or not self._transcribes:
            return []
        return [failed(utterance.item_id, why)]

    def _transcript_of(self, utterance: Utterance, item: Item, text: str) -> list[Fields]:
        item.text = text
        if not self._transcribes:
            return []
        seconds = max(0.0, self.written(utterance.end) - self.written(utterance.begin))
        return [completed(item.id, text, seconds)]

    # -- small change ---------------------------------------------------------------------------

    @property
    def _transcribes(self) -> bool:
        """The client wants to read what was said, too."""
        return self._config().audio.input.transcription is not None

    @property
    def _padding(self) -> float:
        """Seconds before the speech that belong to it, as the client has set them."""
        return self._config().padding

    def _moment(self, position: float) -> int:
        """Milliseconds of the audio that the client has sent; never before one that was told."""
        self._position = max(self._position, round(self.written(position) * 1000))
        return self._position
