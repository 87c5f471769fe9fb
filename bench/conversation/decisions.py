"""Who stops the agent by their voice alone: the larger set of sounds, replayed.

No recogniser, no server, no clock: the same figures on any machine. A single digit is too short to
interrupt by its voice; it does so when it has been understood, which is not replayed here.
"""

from __future__ import annotations

from agent.dialogue.barge_in import Verdict
from bench.conversation.over_the_agent import Over, many
from bench.conversation.part import Part, Target, ms, percentile, share
from bench.conversation.replay import Replayed, replay
from media.voice import VoiceSettings, load_voice_model

BEGIN = 0.5
KINDS = ("interruption", "single digit", "backchannel", "noise")

Outcomes = list[tuple[Over, Replayed]]


async def measure(quick: bool) -> Part:
    """Every sound of the set, over an agent that cannot be heard in the microphone."""
    return part(await outcomes((await many())[:: 6 if quick else 1]))


async def outcomes(sounds: list[Over]) -> Outcomes:
    """What the voice of each decides."""
    model = load_voice_model(VoiceSettings())
    return [(over, await replay(model, caller=over.audio, at=BEGIN)) for over in sounds]


def stopped(found: Outcomes, *kinds: str) -> list[tuple[str, float]]:
    """The name of each sound that stopped the agent, and how many seconds after its onset."""
    those = []
    for over, replayed in found:
        at = replayed.first(Verdict.INTERRUPT)
        if over.kind in kinds and at is not None:
            those.append((over.name, at - BEGIN - over.onset))
    return those


def part(found: Outcomes) -> Part:
    """The figures, as a table."""
    wanted = [each for each in found if each[0].kind == "interruption"]
    right = len(stopped(found, "interruption"))
    wrong = len(stopped(found, "backchannel", "noise"))
    precision, recall = right / max(1, right + wrong), right / max(1, len(wanted))
    return Part(
        name="decisions",
        title="Barge-in by the voice alone, replayed",
        note=(
            f"Precision {share(right, right + wrong)}, recall {share(right, len(wanted))}. "
            "No recogniser takes part. Backchannels are spoken by Piper in three pitches, but for "
            "a recorded “yes”; breath, music, siren and hum are made."
        ),
        columns=("", "sounds", "stopped it", "ducked it", "after, p50", "p95"),
        rows=[_row(kind, found) for kind in KINDS],
        targets=(
            Target("precision", precision, 0.9, at_least=True),
            Target("recall", recall, 0.95, at_least=True),
        ),
        data={kind: stopped(found, kind) for kind in KINDS},
    )


def _row(kind: str, found: Outcomes) -> tuple[str, ...]:
    those = [replayed for over, replayed in found if over.kind == kind]
    times = [at for _, at in stopped(found, kind)]
    ducked = sum(each.count(Verdict.DUCK) > 0 for each in those)
    late = (f"{ms(percentile(times, each))} ms" if times else "–" for each in (50, 95))
    return (kind, str(len(those)), share(len(times), len(those)), share(ducked, len(those)), *late)
