"""What a call is doing, and what it may do next.

One enum and one table. A transition that the table does not name is a bug of the caller of
`move`, and raises.
"""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """The values are the names that `agent.events.PhaseChanged` carries."""

    LISTENING = "listening"
    """Nobody speaks."""
    HEARING = "hearing"
    """The caller speaks, or pauses inside an utterance."""
    THINKING = "thinking"
    """The caller's turn is over and nothing of the reply is audible yet."""
    SPEAKING = "speaking"
    """The agent is audible: a greeting, a filler, a reply, a goodbye."""
    ENDED = "ended"


TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    # The caller begins; or the agent does: a greeting, a question into the silence, a goodbye.
    Phase.LISTENING: frozenset({Phase.HEARING, Phase.SPEAKING, Phase.ENDED}),
    # The turn ended; or it was noise; or the call says goodbye into it.
    Phase.HEARING: frozenset({Phase.THINKING, Phase.LISTENING, Phase.SPEAKING, Phase.ENDED}),
    # The first sound; or a soft end, the caller goes on; or there is nothing to say.
    Phase.THINKING: frozenset({Phase.SPEAKING, Phase.HEARING, Phase.LISTENING, Phase.ENDED}),
    # The reply is over; or a barge-in; or only a filler was spoken and the reply is still to come.
    Phase.SPEAKING: frozenset({Phase.LISTENING, Phase.HEARING, Phase.THINKING, Phase.ENDED}),
    Phase.ENDED: frozenset(),
}


class UndefinedTransition(RuntimeError):
    """A phase was asked for that cannot follow the present one."""


def move(now: Phase, then: Phase) -> Phase:
    """`then`, when it may follow `now`. Staying is no transition. Raises UndefinedTransition."""
    if then not in TRANSITIONS[now]:
        allowed = ", ".join(sorted(phase.value for phase in TRANSITIONS[now])) or "nothing"
        raise UndefinedTransition(
            f"a call that is {now.value} cannot become {then.value}; what may follow: {allowed}"
        )
    return then
