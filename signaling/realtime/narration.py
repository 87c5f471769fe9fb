"""What happens in a call, told in the protocol's events. Pure: facts in, server events out.

The caller's turns become items: speech started, stopped, committed, transcribed. What the agent
says becomes responses, one at a time. Three things differ from a plain translation:

- Speech over the agent's voice is told only when it has interrupted it: clients stop their
  playback at `speech_started`, and an "uh-huh" is to stop nothing.
- A caller who goes on after a soft end takes the turn back: the item committed too early is
  deleted, and the next one carries the whole turn.
- Audio that leaves before anything is known of its words opens the response all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatchmethod

from agent import events
from agent.events import Event
from signaling.realtime.commands import Fields
from signaling.realtime.config import SessionConfig
from signaling.realtime.input_buffer import InputBuffer, Utterance
from signaling.realtime.items import Item, Items
from signaling.realtime.response import Ending, Response

COMPLETED = Ending("completed")


class Narration:
    """One call's story. `config()` is the session's present configuration."""

    def __init__(
        self,
        items: Items,
        *,
        config: Callable[[], SessionConfig],
        new_id: Callable[[str], str],
        buffered: bool,
    ) -> None:
        """`buffered`: the audio leaves by itself (WebRTC), and its buffer's events are told."""
        self.response: Response | None = None
        """The one that is going on."""
        self.metadata: Fields | None = None
        """What the client wants the next response to be labelled with."""
        self._items = items
        self._config = config
        self._new_id = new_id
        self._buffered = buffered
        self._input = InputBuffer(items, transcribes=lambda: self._transcribes, new_id=new_id)
        self._unanswered: int | None = None
        """The turn whose answer is being made or spoken."""
        self._cancelled_by_client = False
        self._failure: str | None = None
        self._cut: Item | None = None
        """The message that was cut off last, until it is known what was heard of it."""
        self._is_over = False

    @property
    def is_hearing(self) -> bool:
        """The caller speaks, and their turn is not committed yet."""
        return self._input.is_hearing

    def cancel(self) -> None:
        """The client has asked for the end of the response; it comes from the conversation."""
        self._cancelled_by_client = True

    def sound(self, audio: str, *, fresh: bool) -> list[Fields]:
        """Audio left. Only `fresh` words open a response, not the fading end of what was cut."""
        if self._is_over or (self.response is None and not fresh):
            return []
        told = self._begin_content()
        assert self.response is not None
        return told + self.response.sound(audio)

    def tell(self, event: Event) -> list[Fields]:
        """The server events that tell of a fact; none for one that is not the client's business."""
        return [] if self._is_over else self._tell(event)

    @singledispatchmethod
    def _tell(self, event: Event) -> list[Fields]:
        return []

    # -- the caller -----------------------------------------------------------------------------

    @_tell.register
    def _(self, event: events.CallStarted) -> list[Fields]:
        self._input.began = event.at
        return []

    @_tell.register
    def _(self, event: events.SpeechStarted) -> list[Fields]:
        before = self._input.of(event.turn)
        told = self._take_back(before) if before is not None else []
        self._input.open(event.turn, event.onset)
        if self.response is None or not self.response.has_content:
            told += self._input.started()
        return told

    @_tell.register
    def _(self, event: events.SpeechStopped) -> list[Fields]:
        utterance = self._input.of(event.turn)
        if utterance is None or utterance.committed:
            return []
        told = self._input.started()
        # A barge-in cancels before the new item is committed.
        told += self._finish(Ending("cancelled", "turn_detected"))
        told += self._input.stopped(utterance, event.speech_end)
        self._unanswered = event.turn
        return told + self._input.commit(utterance, event.speech_end)

    @_tell.register
    def _(self, event: events.PartialTranscript) -> list[Fields]:
        return self._input.partly_transcribed(event.turn, event.stable)

    @_tell.register
    def _(self, event: events.FinalTranscript) -> list[Fields]:
        told = self._input.transcribed(event.turn, event.text)
        self._unanswered = event.turn
        return told + self._open()

    @_tell.register
    def _(self, event: events.TurnDropped) -> list[Fields]:
        told: list[Fields] = []
        if self._unanswered == event.turn:
            self._unanswered = None
            told += self._finish(COMPLETED)
        utterance = self._input.of(event.turn)
        return told + (self._input.drop(utterance, event.at) if utterance is not None else [])

    # -- the agent ------------------------------------------------------------------------------

    @_tell.register
    def _(self, event: events.FillerSpoken) -> list[Fields]:
        return self._begin_content()

    @_tell.register
    def _(self, event: events.ReplySpoken) -> list[Fields]:
        told = self._begin_content()
        assert self.response is not None
        return told + self.response.say(event.text)

    @_tell.register
    def _(self, event: events.BargedIn) -> list[Fields]:
        by_client = self._cancelled_by_client and self.response is not None
        told = [] if by_client else self._input.started()
        told += self._finish(
            Ending("cancelled", "client_cancelled" if by_client else "turn_detected")
        )
        if self._unanswered == event.turn:
            self._unanswered = None
        if self._cut is not None:
            # Asked for later, the item has the words that were heard.
            self._cut.text = event.heard
            self._cut = None
        return told

    @_tell.register
    def _(self, event: events.HistoryChanged) -> list[Fields]:
        # An answer's end is told by TurnFinished; a greeting has nothing else.
        return self._finish(COMPLETED) if self._unanswered is None else []

    @_tell.register
    def _(self, event: events.TurnFinished) -> list[Fields]:
        if self._unanswered != event.turn:
            return []
        self._unanswered = None
        if event.interrupted:
            return self._finish(Ending("cancelled"))
        return self._finish(COMPLETED)

    @_tell.register
    def _(self, event: events.StageFailed) -> list[Fields]:
        told = [failure("stage_failed", event.message)]
        if event.recovered:
            return told
        self._failure = event.message
        if event.stage == "stt":
            told += self._input.not_transcribed(event.turn, event.message)
        return told

    @_tell.register
    def _(self, event: events.CallEnded) -> list[Fields]:
        self._is_over = True
        return self._finish(Ending("cancelled"))

    def _take_back(self, utterance: Utterance) -> list[Fields]:
        """The turn goes on: what was committed of it, and the answer to that, are no more."""
        told = self._finish(Ending("cancelled", "turn_detected"))
        self._unanswered = None
        return told + self._input.take_back(utterance)

    @property
    def _transcribes(self) -> bool:
        return self._config().audio.input.transcription is not None

    # -- responses ------------------------------------------------------------------------------

    def _open(self) -> list[Fields]:
        """A response is going on, from now on at the latest."""
        if self.response is not None:
            return []
        item = Item(self._new_id("item"), "assistant", "output_audio", status="in_progress")
        metadata, self.metadata = self.metadata, None
        self.response = Response(self._new_id("resp"), item, self._config(), metadata)
        self._cancelled_by_client = False
        self._failure = None
        limits: list[Fields] = [{"type": "rate_limits.updated", "rate_limits": []}]
        return self.response.created() + limits

    def _begin_content(self) -> list[Fields]:
        told = self._open()
        response = self.response
        assert response is not None
        if not response.has_content:
            self._items.add(response.item)
            told += response.begin(response.item.previous)
        if self._buffered and not response.is_buffered:
            response.is_buffered = True
            told.append({"type": "output_audio_buffer.started", "response_id": response.id})
        return told

    def _finish(self, ending: Ending) -> list[Fields]:
        """The one terminal event of the response that is going on, if one is."""
        response, self.response = self.response, None
        if response is None:
            return []
        if ending.status == "cancelled" and response.has_content:
            self._cut = response.item
        if ending is COMPLETED and self._failure is not None and not response.item.text:
            ending = Ending("failed", error=self._failure)
        told = response.done(ending)
        if response.is_buffered:
            end = "cleared" if ending.status == "cancelled" else "stopped"
            told.append({"type": f"output_audio_buffer.{end}", "response_id": response.id})
        return told


def failure(
    code: str,
    message: str,
    *,
    kind: str = "server_error",
    param: str | None = None,
    event_id: str | None = None,
) -> Fields:
    """An `error`; `event_id` is that of the client's event which caused it."""
    error = {
        "type": kind,
        "code": code,
        "message": message,
        "param": param,
        "event_id": event_id,
    }
    return {"type": "error", "error": error}
