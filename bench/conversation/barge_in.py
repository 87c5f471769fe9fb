"""Speaking over the agent: how soon it gives way, to whom, and what it knows was heard.

The agent tells a long story; recordings of people interrupt it, backchannels and noises do not.
All times are the caller's: from the onset of the first word (by alignment and energy) to the
agent's audio that arrives quieter by 6 dB, to the last of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.conversation.agent_level import Levels, levels_since
from bench.conversation.arrived import WholeReply
from bench.conversation.endpoint import chat_endpoint
from bench.conversation.over_the_agent import Over, labelled
from bench.conversation.part import Part, Target, ms, percentile, share
from bench.conversation.picture import Mark, Picture, Span
from bench.conversation.reply_words import REPLY, SETTINGS, Told, told, words_of
from bench.conversation.stand import call, of_kind, quiet_server, settled
from bench.recordings import named
from signaling.client import Caller, CallFailed, Message
from signaling.recording import HeardFrame

LONGEST = 28.0
"""Seconds of one reply that are used."""
AFTERWARDS = 2.2
"""Seconds after a sound in which the agent should have made up its mind."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one sound; seconds after its onset."""

    kind: str
    name: str
    seconds: float
    ducked: float | None
    """It was announced that the agent is quieter."""
    quieter: float | None
    """It was quieter."""
    interrupted: float | None
    silent: float | None
    resumed: float | None
    """It was announced that the agent is as loud as before."""
    heard_error: int | None = None
    """Words that the history has too many (or, negative, too few)."""


async def measure(quick: bool) -> Part:
    """Every sound of the set, at another place of the reply each."""
    words, whole = await words_of(REPLY), WholeReply(await told())
    script = await labelled()
    found: list[Outcome] = []
    async with chat_endpoint(lambda _: REPLY) as endpoint:
        async with quiet_server(*endpoint.settings, *SETTINGS) as process, call(process) as caller:
            for number, over in enumerate(script[::6] if quick else script):
                begun = await talking(caller)
                await asyncio.sleep(1.2 + 0.37 * (number % 5))
                found.append(await _speak_over(caller, over, begun, words, whole))
    return _part(found)


async def talking(caller: Caller) -> float:
    """The loop time when the reply began that the agent is in the middle of."""
    begun = await _expected(caller)
    if begun is not None and _now() - begun < LONGEST:
        return begun
    for _ in range(5):
        if begun is not None:
            caller.send({"type": "interrupt"})
        await settled(caller)
        await caller.say(named("whatstheweatherlike").audio)
        for _ in range(60):
            await asyncio.sleep(0.1)
            if (begun := reply_begun(caller.messages)) is not None:
                return begun
    raise CallFailed(0, "no_reply", "the agent does not begin to speak")


async def _expected(caller: Caller) -> float | None:
    """When the present reply began, or the one that is being prepared; None when there is none."""
    for _ in range(100):
        begun = reply_begun(caller.messages)
        phases = of_kind(caller.messages, "phase")
        if begun is not None or not phases or phases[-1]["phase"] == "listening":
            return begun
        await asyncio.sleep(0.1)
    return None


def reply_begun(messages: Sequence[Message]) -> float | None:
    """When the present reply's first sentence was told; None when none is being spoken.

    A reply that a soft end took back is over as well: that is told by the phase alone."""
    begun = None
    for each in messages:
        is_left = each["type"] == "phase" and each["phase"] != "speaking"
        if is_left or each["type"] in ("turn.finished", "barge_in"):
            begun = None
        elif each["type"] == "reply.spoken" and begun is None:
            begun = float(each["received"])
    return begun


async def _speak_over(
    caller: Caller, over: Over, begun: float, words: Sequence[Told], whole: WholeReply
) -> Outcome:
    before = len(caller.messages)
    said = await caller.say(over.audio)
    onset = said.begin + over.onset
    await asyncio.sleep(AFTERWARDS)
    since = caller.messages[before:]
    levels = levels_since(caller.recording, begun - 0.3)

    def first(kind: str, **wanted: bool) -> float | None:
        those = of_kind(since, kind)
        those = [each for each in those if all(each[key] == wanted[key] for key in wanted)]
        return float(those[0]["received"]) - onset if those else None

    interrupted = first("barge_in")
    ducked = first("duck", ducked=True)
    silent = error = None
    if interrupted is not None:
        end = levels.last_sound(onset, onset + interrupted)
        silent = max(0.0, end - onset) if end is not None else interrupted
        heard = of_kind(since, "barge_in")[0]["heard"]
        arrived = whole.place(_frames(caller, begun - 0.1, onset + silent))
        if arrived is not None:
            error = len(heard.split()) - _words_in(arrived, words)
    return Outcome(
        kind=over.kind,
        name=over.name,
        seconds=over.audio.seconds,
        ducked=ducked,
        quieter=_quieter(levels, onset, ducked if ducked is not None else interrupted),
        interrupted=interrupted,
        silent=silent,
        resumed=first("duck", ducked=False),
        heard_error=error,
    )


def _quieter(levels: Levels, onset: float, announced: float | None) -> float | None:
    """When it was heard to be quieter, not before it was decided: the voice pauses by itself."""
    if announced is None:
        return None
    at = levels.quieter(onset, levels.usual(onset))
    return None if at is None else max(at - onset, announced)


def _frames(caller: Caller, since: float, until: float) -> list[HeardFrame]:
    """What arrived between two loop times."""
    return [frame for frame in caller.recording.frames if since <= frame.at < until]


def _words_in(seconds: float, words: Sequence[Told]) -> int:
    """How many words have their middle in the reply's first `seconds`."""
    return sum((each.begin + each.end) / 2 <= seconds for each in words)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _part(found: list[Outcome]) -> Part:
    true = [each for each in found if each.kind == "interruption"]
    caught = [each for each in true if each.interrupted is not None]
    quieter = [each.quieter for each in caught if each.quieter is not None]
    silent = [each.silent for each in caught if each.silent is not None]
    errors = [abs(each.heard_error) for each in caught if each.heard_error is not None]
    rows = [_row(kind, [each for each in found if each.kind == kind]) for kind in _KINDS]
    return Part(
        name="barge_in",
        title="Barge-in: from the caller's onset to the agent's giving way",
        note=_note(found, quieter, silent, errors),
        columns=("", "sounds", "stopped it", "ducked it", "resumed", "quieter p50", "silent p50"),
        rows=rows,
        targets=(
            Target("quieter, p95", percentile(quieter, 95), 0.25, "s"),
            Target("words wrong in the history, at most", max(errors, default=None), 1),
        ),
        pictures=[_picture(each) for each in found if each.ducked is not None],
        data={"sounds": [asdict(each) for each in found]},
    )


_KINDS = ("interruption", "backchannel", "noise")


def _note(
    found: list[Outcome], quieter: list[float], silent: list[float], errors: list[int]
) -> str:
    true = [each for each in found if each.kind == "interruption"]
    stopped = [each for each in found if each.interrupted is not None]
    caught = sum(each.interrupted is not None for each in true)
    times = (ms(percentile(those, each)) for those in (quieter, silent) for each in (50, 95))
    return (
        f"Precision {share(caught, len(stopped))}, recall {share(caught, len(true))}. "
        "Quieter: p50 {}, p95 {} ms; silent: p50 {}, p95 {} ms. ".format(*times)
        + f"Words that the history is wrong by: mean {sum(errors) / max(1, len(errors)):.2f}, "
        f"at most {max(errors, default=0)}; what arrived was found in the reply "
        f"{len(errors)} of {caught} times. "
        "Backchannels are spoken by Piper, but for a recorded “yes”."
    )


def _row(kind: str, found: list[Outcome]) -> tuple[str, ...]:
    ducked = [each for each in found if each.ducked is not None]
    kept = [each for each in ducked if each.interrupted is None]
    stopped = sum(each.interrupted is not None for each in found)
    return (
        kind,
        str(len(found)),
        share(stopped, len(found)),
        share(len(ducked), len(found)),
        share(sum(each.resumed is not None for each in kept), len(kept)),
        f"{ms(percentile([each.quieter for each in found if each.quieter is not None], 50))} ms",
        f"{ms(percentile([each.silent for each in found if each.silent is not None], 50))} ms",
    )


def _picture(it: Outcome) -> Picture:
    end = max(it.seconds, it.silent or 0.0, it.resumed or 0.0) + 0.3
    quiet = it.quieter if it.quieter is not None else end
    stop = it.silent if it.silent is not None else it.resumed
    agent = [Span(-0.5, quiet, "agent", "agent"), Span(quiet, stop or end, "ducked", "quieter")]
    if it.interrupted is None and it.resumed is not None:
        agent.append(Span(it.resumed, end, "agent", "goes on"))
    kind = "caller" if it.kind != "noise" else "noise"
    marks = [Mark(0.0, "onset")]
    if it.interrupted is not None:
        marks.append(Mark(it.interrupted, f"stopped after {ms(it.interrupted)} ms"))
    lanes = {"caller": [Span(0.0, it.seconds, kind, it.name)], "agent": agent}
    return Picture(f"{it.kind}: {it.name}", lanes, marks)
