"""Turns cut off and seconds waited, by preset and by plain silence: from `bench.endpointing`."""

from __future__ import annotations

import asyncio

from bench.conversation.part import Part, Target
from bench.endpointing import PAUSES, SWEEP, Scene, calls, plain, plain_at, policies, score


async def measure(quick: bool) -> Part:
    """Each preset, and what plain silence would cut off at the same mean wait."""
    return await asyncio.to_thread(_measure, quick)


def _measure(quick: bool) -> Part:
    scenes = calls(PAUSES[::3] if quick else PAUSES, 1 if quick else 2, None)
    sweep = [score(plain(timeout), scenes, full_stop="")["all"] for timeout in SWEEP]
    rows, targets, data = [], [], []
    for policy in policies():
        each = score(policy, scenes, full_stop="")["all"]
        same = plain_at(each.wait, sweep)
        rows.append(
            (policy.name, f"{each.cut_share:.1%}", f"{1000 * each.wait:.0f} ms", f"{same:.1%}")
        )
        data.append(
            {"policy": policy.name, "cut": each.cut_share, "wait": each.wait, "plain": same}
        )
        if policy.reads:
            what = f"turns that {policy.name} cuts off, beside plain silence of the same mean wait"
            targets.append(Target(what, each.cut_share, same))
    return Part(
        name="endpointing",
        title="Endpointing: turns cut off by a pause of 300 to 1000 ms, and the mean wait",
        note=f"{_turns(scenes)} turns; the words are known ones, as a recogniser would have them.",
        columns=("", "cut off", "mean wait", "plain silence, same wait"),
        rows=rows,
        targets=targets,
        data={"policies": data},
    )


def _turns(scenes: dict[str, list[Scene]]) -> int:
    return sum(len(each) for each in scenes.values())
