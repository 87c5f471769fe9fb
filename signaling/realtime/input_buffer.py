"""The caller's turns, told as the input buffer's events: started, stopped, committed, transcribed.

One utterance at a time. Its moments are milliseconds of the call, and never go back. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from signaling.realtime.commands import Fields
from signaling.realtime.items import Item, Items


@dataclass(slots=True)
class Utterance:
    """The caller's turn in the making."""

    turn: int
    item_id: str
    onset: float
    is_told: bool = False
    """`speech_started` went out."""
    committed: Item | None = None
    transcript: str = ""
    """The part of the transcript that was told."""
    seconds: float = 0.0


class InputBuffer:
    """What is told of the caller's audio. `transcribes()`: the client wants to read it, too."""

    def __init__(
        self,
        items: Items,
        *,
        transcribes: Callable[[], bool],
        new_id: Callable[[str], str],
    ) -> None:
        self.utterance: Utterance | None = None
        """The one in the ear, or the last one while its answer is being made."""
        self.began = 0.0
        """Loop time at which the call began."""
        self._items = items
        self._transcribes = transcribes
        self._new_id = new_id
        self._position = 0
        """Milliseconds up to which the input was told."""

    @property
    def is_hearing(self) -> bool:
        """The caller speaks, and their turn is not committed yet."""
        return self.utterance is not None and self.utterance.committed is None

    def of(self, turn: int) -> Utterance | None:
        """The utterance, when it is this turn's."""
        utterance = self.utterance
        return utterance if utterance is not None and utterance.turn == turn else None

    def open(self, turn: int, onset: float) -> None:
        """The caller has begun to speak; nothing is told of it yet."""
        self.utterance = Utterance(turn, self._new_id("item"), onset)

    def started(self) -> list[Fields]:
        """The utterance in the ear is told, unless it was."""
        utterance = self.utterance
        if utterance is None or utterance.is_told:
            return []
        utterance.is_told = True
        return [
            {
                "type": "input_audio_buffer.speech_started",
                "item_id": utterance.item_id,
                "audio_start_ms": self._moment(utterance.onset),
            }
        ]

    def stopped(self, utterance: Utterance, at: float) -> list[Fields]:
        return [
            {
                "type": "input_audio_buffer.speech_stopped",
                "item_id": utterance.item_id,
                "audio_end_ms": self._moment(at),
            }
        ]

    def commit(self, utterance: Utterance, speech_end: float) -> list[Fields]:
        """It becomes an item of the conversation."""
        utterance.seconds = max(0.0, speech_end - utterance.onset)
        utterance.committed = item = self._items.add(Item(utterance.item_id, "user", "input_audio"))
        place = {"previous_item_id": item.previous}
        return [
            {"type": "input_audio_buffer.committed", "item_id": item.id, **place},
            {"type": "conversation.item.added", "item": item.render(), **place},
            {"type": "conversation.item.done", "item": item.render(), **place},
        ]

    def drop(self, utterance: Utterance, at: float) -> list[Fields]:
        """It was no turn."""
        self.utterance = None
        if utterance.committed is not None:
            return self._transcript_of(utterance, utterance.committed, "")
        if not utterance.is_told:
            return []
        return [*self.stopped(utterance, at), {"type": "input_audio_buffer.cleared"}]

    def take_back(self, utterance: Utterance) -> list[Fields]:
        """It goes on: what was committed of it is no more."""
        if utterance.committed is None:
            return []
        self._items.remove(utterance.item_id)
        return [{"type": "conversation.item.deleted", "item_id": utterance.item_id}]

    # -- transcripts ----------------------------------------------------------------------------

    def partly_transcribed(self, turn: int, stable: str) -> list[Fields]:
        """The leading part of the transcript that will not change."""
        utterance = self.of(turn)
        if utterance is None or not utterance.is_told:
            return []
        if not stable.startswith(utterance.transcript) or not self._transcribes():
            return []
        delta = stable[len(utterance.transcript) :]
        utterance.transcript = stable
        return [self._delta(utterance.item_id, delta)] if delta else []

    def transcribed(self, turn: int, text: str) -> list[Fields]:
        """The whole transcript; nothing for a turn that was typed."""
        utterance = self.of(turn)
        if utterance is None or utterance.committed is None:
            return []
        told: list[Fields] = []
        rest = text.removeprefix(utterance.transcript)
        if rest != text or not utterance.transcript:
            told = [self._delta(utterance.item_id, rest)] if rest and self._transcribes() else []
        utterance.transcript = text
        return told + self._transcript_of(utterance, utterance.committed, text)

    def not_transcribed(self, turn: int, why: str) -> list[Fields]:
        """The recogniser failed."""
        utterance = self.of(turn)
        if utterance is None or not self._transcribes():
            return []
        error = {"type": "server_error", "code": "stage_failed", "message": why}
        return [
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "item_id": utterance.item_id,
                "content_index": 0,
                "error": error,
            }
        ]

    def _delta(self, item_id: str, delta: str) -> Fields:
        return {
            "type": "conversation.item.input_audio_transcription.delta",
            "item_id": item_id,
            "content_index": 0,
            "delta": delta,
        }

    def _transcript_of(self, utterance: Utterance, item: Item, text: str) -> list[Fields]:
        item.text = text
        if not self._transcribes():
            return []
        return [
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": item.id,
                "content_index": 0,
                "transcript": text,
                "usage": {"type": "duration", "seconds": round(utterance.seconds, 3)},
            }
        ]

    def _moment(self, at: float) -> int:
        """Milliseconds since the call began; never earlier than one that was told."""
        self._position = max(self._position, round((at - self.began) * 1000))
        return self._position
