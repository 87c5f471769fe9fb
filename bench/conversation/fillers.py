"""How soon a caller hears something when the model is slow, with fillers and without."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from bench.conversation.endpoint import chat_endpoint
from bench.conversation.part import Part, ms, percentile, share
from bench.conversation.picture import Mark, Picture, Span
from bench.conversation.stand import call, of_kind, quiet_server, settled
from bench.recordings import named
from server.talk import exchange
from signaling.client import Caller

DELAYS = (0.5, 1.0, 2.0, 4.0)
QUESTIONS = (
    "whatstheweatherlike", "what-time-it-is.flac", "who-would-you-like-to-call",
    "please-hang-up-and-try-again",
)  # fmt: skip
REPLY = "Well, it will be warm and sunny today. There may be some rain tomorrow."


@dataclass(frozen=True, slots=True)
class Waited:
    """One turn; seconds after the end of the turn."""

    text: str
    delay: float
    first_sound: float
    """Anything of the agent's."""
    reply: float
    """The reply itself."""
    fillers: tuple[str, ...]


async def measure(quick: bool) -> Part:
    """Every question at every delay, with fillers and without, by turns."""
    found: dict[str, list[Waited]] = {"with": [], "without": []}
    questions = QUESTIONS[:1] if quick else QUESTIONS
    async with chat_endpoint(lambda _: REPLY) as endpoint:
        without = (*endpoint.settings, "turn.fillers.enabled=false")
        async with quiet_server(*endpoint.settings) as one, quiet_server(*without) as other:
            for delay in DELAYS:
                endpoint.delay = delay
                # A call for each delay: a model is fast or slow, and the forecast learns it.
                async with call(one) as first, call(other) as second:
                    for part in questions:
                        for name, caller in (("with", first), ("without", second)):
                            if (waited := await _ask(caller, part, delay)) is not None:
                                found[name].append(waited)
    return _part(found)


async def _ask(caller: Caller, part: str, delay: float) -> Waited | None:
    told = await exchange(caller, named(part).audio)
    await settled(caller)
    messages = list(told.messages)
    ended = [each for each in of_kind(messages, "phase") if each["phase"] == "thinking"]
    spoken = of_kind(messages, "reply.spoken")
    if told.heard_after is None or not ended or not spoken:
        return None
    end = ended[-1]["received"]
    return Waited(
        text=named(part).text,
        delay=delay,
        first_sound=told.said.voice_end + told.heard_after - end,
        reply=spoken[0]["received"] - end,
        fillers=tuple(each["text"] for each in of_kind(messages, "filler.spoken")),
    )


def _part(found: dict[str, list[Waited]]) -> Part:
    rows = []
    for delay in DELAYS:
        on = [each for each in found["with"] if each.delay == delay]
        off = [each for each in found["without"] if each.delay == delay]
        rows.append(
            (
                f"{delay:g} s",
                share(sum(bool(each.fillers) for each in on), len(on)),
                *(
                    f"{ms(percentile(values, 50))} ms"
                    for values in (
                        [each.first_sound for each in on],
                        [each.reply for each in on],
                        [each.first_sound for each in off],
                    )
                ),
            )
        )
    return Part(
        name="fillers",
        title="Fillers: a slow model, and when something is heard after the end of the turn",
        note="Medians. The delay is the model's, from being asked (which is in the pause) to its "
        "first word.",
        columns=("model", "with filler", "first sound", "the reply", "without fillers"),
        rows=rows,
        pictures=[_picture(each) for each in found["with"] if each.fillers][:6],
        data={name: [asdict(each) for each in those] for name, those in found.items()},
    )


def _picture(turn: Waited) -> Picture:
    said = ", ".join(turn.fillers)
    return Picture(
        f"“{turn.text}”, model slowed by {turn.delay:g} s",
        lanes={
            "model": [Span(0.0, turn.delay, "llm", "thinks")],
            "agent": [
                Span(turn.first_sound, turn.reply, "filler", said),
                Span(turn.reply, turn.reply + 1.0, "agent", REPLY),
            ],
        },
        marks=[Mark(0.0, "end of the turn")],
    )
