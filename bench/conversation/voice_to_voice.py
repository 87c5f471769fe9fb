"""How soon a finished sentence is answered: with speculation and without, beside each other.

Client-side: from the last voiced sample sent to the first audible packet received. It is split
into the ear (until where the server says that the voice ended), the endpoint's wait (the server's
`timeline.endpoint`), and what comes after the end of the turn; *the rest* is all but the wait.
Fillers are off: the reply itself is what is waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench.conversation.part import Part, Target, ms, percentile
from bench.conversation.picture import Mark, Picture, Span
from bench.conversation.stand import call, of_kind, quiet_server, settled
from bench.recordings import Spoken, named
from server.talk import Exchange, exchange
from signaling.client import Caller

SENTENCES = (
    "whatstheweatherlike", "what-time-it-is.flac", "who-would-you-like-to-call",
    "sense_and_sensibility", "LJ001-0008", "please-hang-up-and-try-again", "you-have-these-options",
    "someone-you-trust1", "conf-extended", "nobody-but-chickens", "pbx-parkingfailed",
    "that-tickles", "priv-recordintro", "not-necessary-ac", "leopard__test.wav",
    "please-enter-first-three",
)  # fmt: skip
"""Parts of the names of recordings that end where their sentence ends."""
REST = 0.06
MOMENTS = ("endpoint", "transcript", "first_token", "first_sound", "audible", "end")


@dataclass(frozen=True, slots=True)
class Answered:
    """One sentence and its answer; seconds after the caller's last voiced sample."""

    name: str
    text: str
    transcript: str
    reply: str
    speculated: bool
    seconds: float
    """Of the caller's speech."""
    heard: float
    ear: float
    """Until the server's end of the speech: the way there, and the detector's tail."""
    waited: float
    """The endpoint's wait."""
    moments: dict[str, float | None]
    """The server's timeline."""

    @property
    def rest(self) -> float:
        return self.heard - self.waited

    @property
    def after(self) -> float:
        """From the end of the turn until it was heard."""
        return self.heard - self.ear - self.waited


async def measure(quick: bool) -> Part:
    """Every sentence to a server that speculates and to one that does not, by turns."""
    off = ("turn.speculation.enabled=false", "turn.hearing.read_along=true")
    found: dict[str, list[Answered]] = {"on": [], "off": []}
    lost: dict[str, list[str]] = {"on": [], "off": []}
    fillers = "turn.fillers.enabled=false"
    async with quiet_server(fillers) as eager, quiet_server(fillers, *off) as late:
        async with call(eager) as first, call(late) as second:
            callers = {"on": first, "off": second}
            for part in SENTENCES[::8] if quick else SENTENCES:
                for name, caller in callers.items():
                    answered = await _ask(caller, named(part))
                    if answered is None:
                        lost[name].append(part)
                    else:
                        found[name].append(answered)
    return _part(found, lost)


async def _ask(caller: Caller, spoken: Spoken) -> Answered | None:
    """None when the sentence was cut in two or not answered."""
    told = await exchange(caller, spoken.audio)
    await settled(caller)
    turns = of_kind(list(told.messages), "turn.finished")
    if len(turns) != 1 or told.heard_after is None:
        return None
    return _answered(spoken, told)


def _answered(spoken: Spoken, told: Exchange) -> Answered:
    turn = told.outcome or {}
    timeline = turn["timeline"]
    ended = next(
        each["received"]
        for each in reversed(told.messages)
        if each["type"] == "phase" and each["phase"] == "thinking"
    )
    endpoint = float(timeline["endpoint"])
    return Answered(
        name=spoken.name,
        text=spoken.text,
        transcript=turn["transcript"],
        reply=turn["reply"],
        speculated=turn["speculated"],
        seconds=told.said.voice_end - told.said.begin,
        heard=float(told.heard_after or 0.0),
        ear=ended - endpoint - told.said.voice_end,
        waited=endpoint,
        moments={name: timeline[name] for name in MOMENTS},
    )


def _part(found: dict[str, list[Answered]], lost: dict[str, list[str]]) -> Part:
    rows = []
    for name, answers in found.items():
        for share in (50, 95):
            rows.append(_row(name, answers, share))
    rest = percentile([each.rest for each in found["on"]], 50)
    after = percentile([each.after for each in found["on"]], 50)
    return Part(
        name="voice_to_voice",
        title="Voice to voice: from the caller's last voiced sample to the agent's first sound",
        note=f"{len(found['on'])} and {len(found['off'])} sentences of people, answered whole; "
        f"{len(lost['on'])} and {len(lost['off'])} were not "
        f"({', '.join(sorted({*lost['on'], *lost['off']})) or 'none'}). "
        "The rest is the ear and what comes after the end of the turn.",
        columns=("speculation", "", "voice to voice", "wait", "rest", "ear", "after"),
        rows=rows,
        targets=(
            Target("after the end of the turn, at the median, speculation on", after, REST, "s"),
            Target("the same with the ear", rest, REST, "s"),
        ),
        pictures=[_picture(name, each) for name in found for each in found[name]],
        data={name: [asdict(each) for each in answers] for name, answers in found.items()},
    )


def _row(name: str, answers: Sequence[Answered], share: int) -> tuple[str, ...]:
    figures = (
        percentile([getattr(each, figure) for each in answers], share)
        for figure in ("heard", "waited", "rest", "ear", "after")
    )
    return (name, f"p{share}", *(f"{ms(each)} ms" for each in figures))


def _picture(name: str, turn: Answered) -> Picture:
    def at(moment: str) -> float:
        return turn.ear + (turn.moments[moment] or 0.0)

    stages = [
        Span(at("transcript") - 0.02, at("transcript"), "stt", "transcript"),
        Span(at("transcript"), at("first_token"), "llm", "first token"),
        Span(at("first_token"), at("first_sound"), "tts", "first sound"),
    ]
    return Picture(
        f"speculation {name}: “{turn.text}” → “{turn.reply}”",
        lanes={
            "caller": [Span(-min(turn.seconds, 1.0), 0.0, "caller", _end_of(turn.text))],
            "endpoint": [
                Span(0.0, turn.ear, "ear", "ear"),
                Span(turn.ear, turn.ear + turn.waited, "wait", "wait"),
            ],
            "stages": stages,
            "agent": [Span(turn.heard, max(at("end"), turn.heard + 0.2), "agent", turn.reply)],
        },
        marks=[Mark(0.0, "last voice"), Mark(turn.heard, f"heard after {ms(turn.heard)} ms")],
    )


def _end_of(text: str) -> str:
    """The last words, as many as are said in a second."""
    return text if len(text) <= 24 else f"… {text[-22:].split(' ', 1)[-1]}"
