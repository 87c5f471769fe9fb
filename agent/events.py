"""What happened in a call, as frozen facts. Metrics, logs and the control channel observe them.

`at` is always the loop's clock, in seconds (`loop.time()`); `turn` counts the caller's turns of a
call from 1 (0: before the first, as in the greeting).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from agent.errors import Stage
from agent.messages import Message, ToolCall, Usage

PhaseName = Literal["listening", "hearing", "thinking", "speaking", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact, and when it became one."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Event):
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """`reason`: a short word for machines, such as `hangup`, `silence`, `failed`, `shutdown`."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerAway(Event):
    """Nothing is heard of the caller's connection any more: the call waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerBack(Event):
    """The caller is heard again, or goes on by another connection, after `away` seconds."""

    away: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseChanged(Event):
    phase: PhaseName


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    """The caller's speech began at `onset` (loop time; earlier than `at`).

    `by_hand`: turns are committed by the caller's client, so nothing follows from it alone.
    `position`: where in the caller's audio it began, in seconds since the call did."""

    turn: int
    onset: float
    by_hand: bool = False
    position: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped(Event):
    """The caller's turn is over: their last speech was at `speech_end` (loop time).

    `answered`: the agent answers it by itself. `by_hand`: the caller's client said so.
    `position`: how much of the caller's audio had been heard, in seconds."""

    turn: int
    speech_end: float
    answered: bool = True
    by_hand: bool = False
    position: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerIdle(Event):
    """The caller said nothing for `seconds`, as long as is waited for it: the agent speaks into the
    silence, as turn `turn`. `position`: how much of their audio had been heard, in seconds."""

    turn: int
    seconds: float
    position: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBegun(Event):
    """An answer that was asked for by another way than the caller's voice is being made."""

    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRead(Event):
    """What the agent says next is made from the history as it is: what is added to that from now
    on comes after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialTranscript(Event):
    """What is understood so far; `stable` is the leading part not expected to change."""

    turn: int
    text: str
    stable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTranscript(Event):
    turn: int
    text: str
    language: str
    confidence: float
    answered: bool = True
    """The agent answers it by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRead(Event):
    """A recording that the caller's client brought under `key` was understood as `text`, empty:
    nobody speaks in it; or it was not, and `error` says why, fit for a person."""

    key: str
    text: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDropped(Event):
    """What was heard is no turn; `reason`: `noise`, `backchannel`, `echo`, `empty`, or
    `cleared` by the caller's client."""

    turn: int
    reason: str
    position: float = 0.0
    """How much of the caller's audio had been heard, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySpoken(Event):
    """A sentence of the reply begins to be audible; it lasts `seconds`."""

    turn: int
    text: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWritten(Event):
    """A piece of a reply that is text alone."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCalled(Event):
    """The model asks the caller's client for something; the reply ends with it.

    `after_words`: the reply has words before it, which may still be on their way."""

    turn: int
    call: ToolCall
    after_words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCounted(Event):
    """What a reply cost, in the language model's tokens; told before the end of its turn."""

    turn: int
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTruncated(Event):
    """The caller's client says that less was heard of a reply: `heard`, exact to the word. None:
    nothing is known of that reply any more."""

    turn: int
    heard: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideWritten(Event):
    """A piece of an answer that is made beside the conversation."""

    aside: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideCalled(Event):
    """An answer beside the conversation asks the caller's client for something."""

    aside: str
    call: ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class AsideEnded(Event):
    """An answer beside the conversation is over; `error` is fit for a person, empty: none."""

    aside: str
    outcome: Literal["completed", "cancelled", "failed"]
    error: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillerSpoken(Event):
    turn: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BargedIn(Event):
    """The caller spoke over the reply, which stopped. `heard` is what had reached them of it."""

    turn: int
    heard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDucked(Event):
    """The caller may be interrupting: the agent is quieter (`ducked`) or goes on (not `ducked`)."""

    turn: int
    ducked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeculationEnded(Event):
    """A reply prepared during the pause was `played`, or `discarded` because the caller went on."""

    turn: int
    outcome: Literal["played", "discarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFailed(Event):
    """A stage failed; `message` is fit for a person, `recovered`: a fallback served."""

    turn: int
    stage: Stage
    message: str
    recovered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When each thing of a turn happened, in loop time; None: it did not."""

    speech_end: float
    """The caller's last speech."""
    endpoint: float | None = None
    """The turn was taken to be over."""
    transcript: float | None = None
    first_token: float | None = None
    first_sound: float | None = None
    """The reply's first audio came out of the voice."""
    audible: float | None = None
    """The reply's first audio left for the caller."""
    filler: float | None = None
    """A filler's first audio left for the caller."""
    end: float | None = None
    """The reply's last audio left, or was cut off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFinished(Event):
    """A turn is over. `reply` is what the caller heard of it."""

    turn: int
    transcript: str
    reply: str
    interrupted: bool
    speculated: bool
    timeline: Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed(Event):
    """The caller pressed a telephone key: one of `0123456789*#ABCD`, held for `seconds`."""

    key: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingChanged(Event):
    """The agent's audio is encoded otherwise from here on, because of what the network does.

    `bitrate` in bits per second; `loss`: the share of packets lost that is prepared for."""

    bitrate: int
    fec: bool
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadChanged(Event):
    """The server has more or less to do, and its calls go without something, or get it back.

    `rung` 0..4 and its `name` (`agent.load.Rung`); `cause`: the reading that led there."""

    rung: int
    name: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChanged(Event):
    """The history a next reply will be made from."""

    messages: tuple[Message, ...]


Observer = Callable[[Event], None]
