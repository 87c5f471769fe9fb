"""The words on the control channel: events become messages, messages become commands.

All pure. The channel is a data channel that the client opens, of any name; a message is one JSON
object. From the server each has `type` and `at` (seconds since the call began):

    call.started         call_id, language, persona, stages: [{stage, engine, model, why, …}]
    call.resumed         call_id, away: the caller is heard again, after seconds; before it come
                         the messages that the caller's former connection did not bring
    phase                phase: listening, hearing, thinking, speaking, ended
    transcript.partial   turn, text, stable (the leading part that will not change)
    transcript.final     turn, text, language, confidence
    turn.dropped         turn, reason: what was heard is no turn
    reply.spoken         turn, text, seconds: a sentence begins to be audible
    filler.spoken        turn, text
    duck                 turn, ducked: the agent is quieter, or as loud as before
    barge_in             turn, heard: what of the reply had reached the caller
    turn.finished        turn, transcript, reply, interrupted, speculated, timeline (seconds after
                         the caller's last speech, null: it did not happen)
    key                  key, seconds: the caller pressed a telephone key (0-9, *, #, A-D)
    encoding             bitrate (bits/s), fec, loss: how the agent's audio is encoded from now on
    load                 rung (0..4), name: easy, sparing, brief, canned, closed; cause: what the
                         server goes without from now on, because it has much to do
    error                code, message, fatal
    call.ended           reason
    pong

From the client: `{"type": "language", "language": "ko"}`, `{"type": "interrupt"}`,
`{"type": "hangup"}`, `{"type": "ping"}`. Anything else is answered by an `error`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from agent import events
from agent.events import Event, Timeline
from signaling.errors import BadMessage

MAX_MESSAGE = 65_536
"""Bytes of a client's message that are read."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Speak:
    """Go on in this language (ISO 639-1)."""

    language: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop the agent, as if barged in."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer `pong`."""


Command = Speak | Interrupt | HangUp | Ping


def parse(message: str | bytes) -> Command:
    """What a client's message asks for. Raises BadMessage."""
    fields = _object(message)
    match fields.get("type"):
        case "language":
            return _language(fields)
        case "interrupt":
            return Interrupt()
        case "hangup":
            return HangUp()
        case "ping":
            return Ping()
        case str() as unknown:
            raise BadMessage("unknown_type", f"there is no message of type {unknown[:64]!r}")
        case _:
            raise BadMessage("bad_message", "a message needs a type, a string")


def _object(message: str | bytes) -> Fields:
    # A character is a byte at least: the longest ones are not even encoded to be counted.
    size = len(message) if len(message) > MAX_MESSAGE else len(_encoded(message))
    if size > MAX_MESSAGE:
        raise BadMessage(
            "message_too_large",
            f"a message of {size} bytes is not read; at most {MAX_MESSAGE} are",
        )
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise BadMessage("bad_json", f"the message is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadMessage("bad_message", "a message is a JSON object")
    return fields


def _encoded(message: str | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.encode(errors="replace")


def _language(fields: Fields) -> Speak:
    language = fields.get("language")
    if not isinstance(language, str) or not 2 <= len(language) <= 16:
        raise BadMessage("bad_language", "language needs a code such as en or ko")
    return Speak(language)


@dataclass(frozen=True, slots=True)
class About:
    """What a call's messages need to know of it. `began` is loop time."""

    call_id: str
    began: float
    persona: str
    stages: tuple[Mapping[str, Any], ...] = ()


def render(event: Event, about: About) -> str | None:
    """The message that tells a client of an event; None when it is not the client's business."""
    told = fields(event, about)
    return None if told is None else _json(told)


def error(code: str, message: str, *, at: float, fatal: bool = False) -> str:
    """The answer to a message that was not understood, or word of something that failed."""
    return _json(
        {"type": "error", "at": round(at, 3), "code": code, "message": message, "fatal": fatal}
    )


def pong(*, at: float) -> str:
    """The answer to `ping`."""
    return _json({"type": "pong", "at": round(at, 3)})


def _json(fields: Fields) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def fields(event: Event, about: About) -> Fields | None:
    """What `render` tells, before it is text."""
    told = _fields(event, about)
    if told is None:
        return None
    kind = told.pop("type")
    return {"type": kind, "at": round(event.at - about.began, 3), **told}


@singledispatch
def _fields(event: Event, about: About) -> Fields | None:
    return None


@_fields.register
def _(event: events.CallStarted, about: About) -> Fields:
    return {
        "type": "call.started",
        "call_id": about.call_id,
        "language": event.language,
        "persona": about.persona,
        "stages": [dict(stage) for stage in about.stages],
    }


@_fields.register
def _(event: events.CallEnded, about: About) -> Fields:
    return {"type": "call.ended", "reason": event.reason}


@_fields.register
def _(event: events.CallerBack, about: About) -> Fields:
    return {"type": "call.resumed", "call_id": about.call_id, "away": round(event.away, 3)}


@_fields.register
def _(event: events.PhaseChanged, about: About) -> Fields:
    return {"type": "phase", "phase": event.phase}


@_fields.register
def _(event: events.PartialTranscript, about: About) -> Fields:
    return {
        "type": "transcript.partial",
        "turn": event.turn,
        "text": event.text,
        "stable": event.stable,
    }


@_fields.register
def _(event: events.FinalTranscript, about: About) -> Fields:
    return {
        "type": "transcript.final",
        "turn": event.turn,
        "text": event.text,
        "language": event.language,
        "confidence": round(event.confidence, 3),
    }


@_fields.register
def _(event: events.TurnDropped, about: About) -> Fields:
    return {"type": "turn.dropped", "turn": event.turn, "reason": event.reason}


@_fields.register
def _(event: events.ReplySpoken, about: About) -> Fields:
    return {
        "type": "reply.spoken",
        "turn": event.turn,
        "text": event.text,
        "seconds": round(event.seconds, 3),
    }


@_fields.register
def _(event: events.FillerSpoken, about: About) -> Fields:
    return {"type": "filler.spoken", "turn": event.turn, "text": event.text}


@_fields.register
def _(event: events.KeyPressed, about: About) -> Fields:
    return {"type": "key", "key": event.key, "seconds": round(event.seconds, 3)}


@_fields.register
def _(event: events.EncodingChanged, about: About) -> Fields:
    return {
        "type": "encoding",
        "bitrate": event.bitrate,
        "fec": event.fec,
        "loss": round(event.loss, 3),
    }


@_fields.register
def _(event: events.LoadChanged, about: About) -> Fields:
    return {"type": "load", "rung": event.rung, "name": event.name, "cause": event.cause}


@_fields.register
def _(event: events.BargedIn, about: About) -> Fields:
    return {"type": "barge_in", "turn": event.turn, "heard": event.heard}


@_fields.register
def _(event: events.ReplyDucked, about: About) -> Fields:
    return {"type": "duck", "turn": event.turn, "ducked": event.ducked}


@_fields.register
def _(event: events.StageFailed, about: About) -> Fields:
    return {
        "type": "error",
        "turn": event.turn,
        "code": f"{event.stage}_failed",
        "message": event.message,
        "recovered": event.recovered,
        "fatal": False,
    }


@_fields.register
def _(event: events.TurnFinished, about: About) -> Fields:
    return {
        "type": "turn.finished",
        "turn": event.turn,
        "transcript": event.transcript,
        "reply": event.reply,
        "interrupted": event.interrupted,
        "speculated": event.speculated,
        "timeline": timeline_seconds(event.timeline),
    }


def timeline_seconds(timeline: Timeline) -> dict[str, float | None]:
    """When each thing of a turn happened, in seconds after the caller's last speech."""
    moments = ("endpoint", "transcript", "first_token", "first_sound", "audible", "filler", "end")

    def after(moment: float | None) -> float | None:
        return None if moment is None else round(moment - timeline.speech_end, 3)

    return {name: after(getattr(timeline, name)) for name in moments}
