"""What happens in calls, written to the log: one line a call, a turn, a failure.

An observer of events, like the metrics and the control channel. Callers' words and the agent's are
written at DEBUG only.
"""

from __future__ import annotations

import logging
from functools import singledispatch

from agent import events
from agent.events import Event

log = logging.getLogger(__name__)


def observe(call_id: str, event: Event) -> None:
    """Write down what a reader of the log wants to know; the call's id comes with the record."""
    _write(event)


@singledispatch
def _write(event: Event) -> None:
    """Most events are for the metrics and the client alone."""


@_write.register
def _(event: events.CallStarted) -> None:
    log.info("Call started", extra={"language": event.language})


@_write.register
def _(event: events.CallEnded) -> None:
    log.info("Call ended", extra={"reason": event.reason})


@_write.register
def _(event: events.CallerAway) -> None:
    log.info("Caller away")


@_write.register
def _(event: events.CallerBack) -> None:
    log.info("Caller back", extra={"away": event.away})


@_write.register
def _(event: events.TurnFinished) -> None:
    timeline = event.timeline
    fields: dict[str, object] = {"turn": event.turn, "interrupted": event.interrupted}
    for moment in ("endpoint", "audible"):
        at = getattr(timeline, moment)
        if at is not None:
            fields[moment] = at - timeline.speech_end
    log.info("Turn finished", extra=fields)
    log.debug("Said", extra={"caller": event.transcript, "agent": event.reply})


@_write.register
def _(event: events.TurnDropped) -> None:
    log.info("Turn dropped", extra={"turn": event.turn, "reason": event.reason})


@_write.register
def _(event: events.StageFailed) -> None:
    fields = {"stage": event.stage, "cause": event.message, "recovered": event.recovered}
    log.warning("Stage failed", extra=fields)
