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

from collections import deque
from collections.abc import Callable
from functools import singledispatchmethod

from agent import events
from agent.dialogue.history import said_key
from agent.events import Event
from signaling.access.roster import RateLimits
from signaling.realtime.asides import AsideResponses
from signaling.realtime.commands import Fields
from signaling.realtime.config import SessionConfig
from signaling.realtime.input_buffer import InputBuffer, Utterance
from signaling.realtime.items import Item, Items
from signaling.realtime.limits import updated
from signaling.realtime.recordings import Recordings
from signaling.realtime.refusal import Refused
from signaling.realtime.response import COMPLETED, Ending, Response


class Narration:
    """One call's story. `config()` is the session's present configuration."""

    def __init__(
        self,
        items: Items,
        *,
        config: Callable[[], SessionConfig],
        new_id: Callable[[str], str],
        limits: RateLimits,
        buffered: bool,
    ) -> None:
        """`buffered`: the audio leaves by itself (WebRTC), and its buffer's events are told."""
        self.response: Response | None = None
        """The one that is going on."""
        self.conversation = new_id("conv")
        """The id of the default conversation."""
        self.input = InputBuffer(items, config=config, new_id=new_id)
        self.asides = AsideResponses(new_id, limits)
        self.recordings = Recordings(items, config)
        self._items = items
        self._config = config
        self._new_id = new_id
        self._limits = limits
        self._buffered = buffered
        self._wanted: Callable[[], Response] | None = None
        """What the client has asked for, until it is going on."""
        self._is_awaited = False
        """The response was asked for by the client, and the call has not begun with it."""
        self._unanswered: int | None = None
        """The turn whose answer is being made or spoken."""
        self._cancelled_by_client = False
        self._failure: str | None = None
        self._cut: Item | None = None
        """The message that was cut off last, until it is known what was heard of it."""
        self._truncating: deque[tuple[str, int]] = deque()
        """What the client has cut, item and milliseconds, and the call has yet to."""
        self._is_over = False

    def truncate(self, item: Item, milliseconds: int) -> None:
        """The client cuts what was said of an item; told when the call has done it."""
        self._truncating.append((item.id, milliseconds))
        if item.status == "in_progress":
            self._cancelled_by_client = True

    def ask(
        self, config: SessionConfig, *, metadata: Fields | None, is_apart: bool
    ) -> list[Fields]:
        """The client has asked for a response of this configuration: it is going on.

        `is_apart`: it is no part of the conversation, though it takes the floor."""
        conversation = None if is_apart else self.conversation
        self._wanted = lambda: Response(
            self._new_id("resp"),
            self._new_id("item"),
            config,
            metadata=metadata,
            conversation=conversation,
        )
        self._cancelled_by_client = False
        if self.input.is_committing:
            return []  # What it answers is told first.
        self._is_awaited = True
        return self._open()

    @property
    def is_busy(self) -> bool:
        """A response has the floor, or is about to."""
        return self.response is not None or self._wanted is not None

    def cancel(self) -> None:
        """The client has asked for the end of the response; it comes from the conversation."""
        self._cancelled_by_client = True

    def sound(self, audio: str, *, fresh: bool) -> list[Fields]:
        """Audio left. Only `fresh` words open a response, not the fading end of what was cut."""
        writes = self._config().is_written if self.response is None else self.response.is_written
        if self._is_over or writes or (self.response is None and not fresh):
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
    def _(self, event: events.SpeechStarted) -> list[Fields]:
        before = self.input.of(event.turn)
        told = self._take_back(before) if before is not None else []
        self.input.open(event.turn, event.position, by_hand=event.by_hand)
        if self.response is None or not self.response.has_content:
            told += self.input.started()
        return told

    @_tell.register
    def _(self, event: events.SpeechStopped) -> list[Fields]:
        utterance = self.input.of(event.turn)
        if event.by_hand:
            self.input.committing = max(0, self.input.committing - 1)
        if utterance is None or utterance.committed:
            return []
        told = self.input.started() if utterance is self.input.utterance else []
        if event.answered:
            # A barge-in cancels before the new item is committed.
            told += self._finish(Ending("cancelled", "turn_detected"))
            self._unanswered = event.turn
        told += self.input.stopped(utterance, event.position)
        return told + self.input.commit(utterance, event.position)

    @_tell.register
    def _(self, event: events.CallerIdle) -> list[Fields]:
        told = self._finish(COMPLETED)
        return told + self.input.idle(event.turn, event.seconds, event.position)

    @_tell.register
    def _(self, event: events.PartialTranscript) -> list[Fields]:
        return self.input.partly_transcribed(event.turn, event.stable)

    @_tell.register
    def _(self, event: events.FinalTranscript) -> list[Fields]:
        told = self.input.transcribed(event.turn, event.text)
        if not event.answered:
            return told
        self._unanswered = event.turn
        told += self._open()
        self._is_awaited = False
        return told

    @_tell.register
    def _(self, event: events.TurnDropped) -> list[Fields]:
        told: list[Fields] = []
        if self._unanswered == event.turn:
            told += self._finish(COMPLETED)
        utterance = self.input.of(event.turn)
        if utterance is None:
            return told
        is_cleared = event.reason == "cleared"
        return told + self.input.drop(utterance, event.position, is_cleared=is_cleared)

    @_tell.register
    def _(self, event: events.RecordingRead) -> list[Fields]:
        return self.recordings.read(event)

    # -- the agent ------------------------------------------------------------------------------

    @_tell.register
    def _(self, event: events.AnswerBegun) -> list[Fields]:
        told = self._open()
        self._is_awaited = False
        # What was committed before has been told, or there was nothing left of it.
        self.input.committing = 0
        self._unanswered = event.turn or None
        return told

    @_tell.register
    def _(self, event: events.HistoryRead) -> list[Fields]:
        self._items.hold_place()
        return []

    @_tell.register
    def _(self, event: events.FillerSpoken) -> list[Fields]:
        return self._begin_content(event.turn)

    @_tell.register
    def _(self, event: events.ReplySpoken) -> list[Fields]:
        told = self._begin_content(event.turn)
        assert self.response is not None
        return told + self.response.say(event.text)

    @_tell.register
    def _(self, event: events.ReplyWritten) -> list[Fields]:
        told = self._begin_content(event.turn)
        assert self.response is not None
        return told + self.response.write(event.text)

    @_tell.register
    def _(self, event: events.FunctionCalled) -> list[Fields]:
        # What is said before a call is before it in the response too.
        told = self._begin_content(event.turn) if event.after_words else self._open()
        assert self.response is not None
        item = Item(self._new_id("item"), "assistant", "function_call", call=event.call)
        if self.response.conversation is not None:
            self._items.add_reply(item)
        return told + self.response.call(item)

    @_tell.register
    def _(self, event: events.ReplyCounted) -> list[Fields]:
        if self.response is not None and not self._is_awaited:
            self.response.usage = event.usage
        return []

    @_tell.register
    def _(self, event: events.BargedIn) -> list[Fields]:
        by_client = self._cancelled_by_client and self.response is not None
        told = [] if by_client else self.input.started()
        if not self._is_awaited:
            reason = Ending("cancelled", "client_cancelled" if by_client else "turn_detected")
            told += self._finish(reason)
        if self._cut is not None:
            # Asked for later, the item has the words that were heard.
            self._cut.text = event.heard
            self._cut = None
        return told

    @_tell.register
    def _(self, event: events.ReplyTruncated) -> list[Fields]:
        return self._truncated(event.heard)

    @_tell.register
    def _(self, event: events.HistoryChanged) -> list[Fields]:
        # An answer's end is told by TurnFinished; a greeting has nothing else.
        is_over = self._unanswered is None and not self._is_awaited
        return self._finish(COMPLETED) if is_over else []

    @_tell.register
    def _(self, event: events.TurnFinished) -> list[Fields]:
        if self._unanswered != event.turn:
            return []
        return self._finish(Ending("cancelled") if event.interrupted else COMPLETED)

    @_tell.register
    def _(self, event: events.StageFailed) -> list[Fields]:
        told = [failure("stage_failed", event.message)]
        if event.recovered:
            return told
        self._failure = event.message
        if event.stage == "stt":
            told += self.input.not_transcribed(event.turn, event.message)
        return told

    @_tell.register
    def _(self, event: events.CallEnded) -> list[Fields]:
        self._is_over = True
        return self._finish(Ending("cancelled")) + self.asides.close()

    @_tell.register
    def _(self, event: events.AsideWritten) -> list[Fields]:
        return self.asides.written(event)

    @_tell.register
    def _(self, event: events.AsideCalled) -> list[Fields]:
        return self.asides.called(event)

    @_tell.register
    def _(self, event: events.AsideEnded) -> list[Fields]:
        return self.asides.ended(event)

    def _take_back(self, utterance: Utterance) -> list[Fields]:
        """The turn goes on: what was committed of it, and the answer to that, are no more."""
        told: list[Fields] = []
        if self._unanswered == utterance.turn:
            told = self._finish(Ending("cancelled", "turn_detected"))
            if self._cut is not None and self._cut.id in self._items:
                self._items.remove(self._cut.id)
                told.append({"type": "conversation.item.deleted", "item_id": self._cut.id})
            self._cut = None
        return told + self.input.take_back(utterance)

    # -- responses ------------------------------------------------------------------------------

    def _open(self) -> list[Fields]:
        """A response is going on, from now on at the latest."""
        if self.response is not None:
            return []
        if self._wanted is None:
            self._wanted = self._usual
            self._cancelled_by_client = False
        self.response, self._wanted = self._wanted(), None
        self._failure = None
        return self.response.created() + updated(self._limits)

    def _usual(self) -> Response:
        ids = self._new_id("resp"), self._new_id("item")
        return Response(*ids, self._config(), conversation=self.conversation)

    def _begin_content(self, turn: int | None = None) -> list[Fields]:
        told = self._open()
        response = self.response
        assert response is not None
        if turn is not None:
            response.item.turn = turn
        if not response.has_content:
            if response.conversation is not None:
                self._items.add_reply(response.item)
            told += response.begin(response.item.previous)
        if self._buffered and not response.is_buffered and not response.is_written:
            response.is_buffered = True
            told.append({"type": "output_audio_buffer.started", "response_id": response.id})
        return told

    def _finish(self, ending: Ending) -> list[Fields]:
        """The one terminal event of the response that is going on, if one is."""
        response, self.response = self.response, None
        self._unanswered, self._is_awaited = None, False
        self._items.give_up_place()
        if response is None:
            return []
        if response.conversation is not None and response.item.turn is not None:
            response.item.key = said_key(response.item.turn)
        if ending.status == "cancelled" and response.has_content:
            self._cut = response.item
        if ending is COMPLETED and self._failure is not None and not response.item.text:
            ending = Ending("failed", error=self._failure)
        told = response.done(ending)
        if response.is_buffered:
            end = "cleared" if ending.status == "cancelled" else "stopped"
            told.append({"type": f"output_audio_buffer.{end}", "response_id": response.id})
        return told

    def _truncated(self, heard: str | None) -> list[Fields]:
        if not self._truncating:
            return []
        item_id, milliseconds = self._truncating.popleft()
        if item_id in self._items and heard is not None:
            self._items.get(item_id).text = heard
        return [
            {
                "type": "conversation.item.truncated",
                "item_id": item_id,
                "content_index": 0,
                "audio_end_ms": milliseconds,
            }
        ]


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


def refusal(refused: Refused, event_id: str | None) -> Fields:
    """The `error` that says why the client's event is not obeyed."""
    return failure(
        refused.code,
        str(refused),
        kind="invalid_request_error",
        param=refused.param,
        event_id=event_id,
    )
