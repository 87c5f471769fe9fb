"""How soon a caller hears something when the model is slow, with fillers and without.

And whether the reply itself is any later for them: the same question is asked of both servers, and
a filler that is being said when the reply is ready may keep it back to the end of a word.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from bench.conversation.endpoint import chat_endpoint
from bench.conversation.part import Part, Target, ms, percentile, share
from bench.conversation.picture import Mark, Picture, Span
from bench.conversation.stand import call, of_kind, quiet_server, settled
from bench.recordings import named
from server.talk import exchange
from signaling.client import Caller
from signaling.voice_track import is_voiced

DELAYS = (0.5, 1.0, 2.0, 4.0)
QUESTIONS = (
    "whatstheweatherlike", "what-time-it-is.flac", "who-would-you-like-to-call",
    "please-hang-up-and-try-again",
)  # fmt: skip
WORD = 0.6
"""Seconds of a filler's longest word and the breath behind it: the most that it may cost."""
GAP = 0.25
"""Seconds of silence that may lie between two words of one stretch."""
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
    held: float
    """From the reply's first word, or the end of the turn behind it, until its first sound left."""
    fillers: tuple[str, ...]
    sounds: tuple[tuple[float, float], ...]
    """When the agent could be heard: begin and end of each stretch."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One question, asked of a server with fillers and of one without."""

    on: Waited
    off: Waited

    @property
    def kept_back(self) -> float:
        """Seconds by which the reply's own first sound is later for the filler, counted from the
        model's first word: when that comes differs from call to call by more."""
        return self.on.held - self.off.held


async def measure(quick: bool) -> Part:
    """Every question at every delay, with fillers and without, by turns."""
    found: list[Pair] = []
    questions = QUESTIONS[:2] if quick else QUESTIONS
    async with chat_endpoint(lambda _: REPLY) as endpoint:
        without = (*endpoint.settings, "turn.fillers.enabled=false")
        for delay in DELAYS:
            endpoint.delay = delay
            # Servers of their own: a model is fast or slow, and the forecast learns it.
            async with quiet_server(*endpoint.settings) as one, quiet_server(*without) as other:
                async with call(one) as first, call(other) as second:
                    for part in questions:
                        on, off = [await _ask(each, part, delay) for each in (first, second)]
                        if on is not None and off is not None:
                            found.append(Pair(on, off))
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
    timeline = (told.outcome or {})["timeline"]
    return Waited(
        text=named(part).text,
        delay=delay,
        first_sound=told.said.voice_end + told.heard_after - end,
        reply=spoken[0]["received"] - end,
        held=timeline["audible"] - max(timeline["first_token"], timeline["endpoint"]),
        fillers=tuple(each["text"] for each in of_kind(messages, "filler.spoken")),
        sounds=tuple(_sounds(caller, end)),
    )


def _sounds(caller: Caller, since: float) -> list[tuple[float, float]]:
    """The stretches in which the agent was heard, in seconds after `since` (loop time)."""
    found: list[tuple[float, float]] = []
    for frame in caller.recording.frames:
        at = frame.at - since
        if at < 0 or not is_voiced(frame.samples):
            continue
        if found and at - found[-1][1] < GAP:
            found[-1] = (found[-1][0], at + 0.02)
        else:
            found.append((at, at + 0.02))
    return found


def _part(found: list[Pair]) -> Part:
    kept_back = [pair.kept_back for pair in found if pair.on.fillers]
    median, worst = (percentile(kept_back, each) for each in (50, 100))
    return Part(
        name="fillers",
        title="Fillers: a slow model, and when something is heard after the end of the turn",
        note="Medians. The delay is the model's, from being asked (which is in the pause) to its "
        "first word. Kept back: how much longer it takes with fillers from that word to the "
        "reply's first sound.",
        columns=("model", "with filler", "first sound", "without", "the reply", "without",
                 "kept back", "at most"),
        rows=[_row(delay, [pair for pair in found if pair.on.delay == delay]) for delay in DELAYS],
        targets=(
            Target("a reply behind a filler is kept back, at the median", median, 0.1, "s"),
            Target("the same, at the most", worst, WORD, "s"),
        ),
        pictures=[_picture(pair.on) for pair in found if pair.on.fillers],
        data={"pairs": [asdict(pair) for pair in found]},
    )  # fmt: skip


def _row(delay: float, pairs: list[Pair]) -> tuple[str, ...]:
    kept_back = [pair.kept_back for pair in pairs]
    figures = (
        percentile([pair.on.first_sound for pair in pairs], 50),
        percentile([pair.off.first_sound for pair in pairs], 50),
        percentile([pair.on.reply for pair in pairs], 50),
        percentile([pair.off.reply for pair in pairs], 50),
        percentile(kept_back, 50),
        percentile(kept_back, 100),
    )
    return (
        f"{delay:g} s",
        share(sum(bool(pair.on.fillers) for pair in pairs), len(pairs)),
        *(f"{ms(each)} ms" for each in figures),
    )


def _picture(turn: Waited) -> Picture:
    """Fillers up to the reply, which takes over within a stretch of sound when it is ready."""
    agent = []
    for number, (begin, end) in enumerate(turn.sounds):
        filler = turn.fillers[min(number, len(turn.fillers) - 1)]
        if begin < turn.reply - GAP:
            agent.append(Span(begin, min(end, turn.reply), "filler", filler))
        if end > turn.reply:
            first = not any(span.kind == "agent" for span in agent)
            agent.append(Span(max(begin, turn.reply), end, "agent", REPLY if first else ""))
    return Picture(
        f"“{turn.text}”, model slowed by {turn.delay:g} s",
        lanes={"model": [Span(0.0, turn.delay, "llm", "thinks")], "agent": agent},
        marks=[Mark(0.0, "end of the turn"), Mark(turn.reply, "the reply")],
    )
