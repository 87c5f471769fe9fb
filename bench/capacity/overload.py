"""Twice the calls that a server admits, for some minutes; then whether all is as before."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import aiohttp
import numpy as np
from rich.console import Console

from bench.capacity.people import Crowd, crowd
from bench.capacity.report import Figures, figures
from bench.server_process import server
from server.load.ladder import LoadBounds

REFUSAL = 0.1
"""Seconds in which who is refused must be told."""
LATE = 20.0
"""Milliseconds of lateness, p99, that a caller's jitter buffer takes up."""
AGAIN = 1.3
"""How much longer than before a turn may take when all is over."""
CALM = 90.0
"""Seconds that the server is given to come down."""


async def run(
    settings: list[str], options: argparse.Namespace, console: Console
) -> tuple[Figures, bool]:
    """The figures, and whether all promises were kept."""
    async with server(settings) as process:
        console.print("\n".join(process.started))
        await asyncio.sleep(options.settle)
        await crowd(process.url, 1, 8.0)
        told = await _told(process.url)
        limit, bound = told["limit"], _bound(settings)
        before = figures(await crowd(process.url, 1, 30.0), 1)
        console.print(f"{2 * limit} callers for {limit} places, {options.minutes:g} minutes")
        seen = await crowd(process.url, 2 * limit, 60 * options.minutes, persists=True)
        calm = await _calm(process.url)
        after = figures(await crowd(process.url, 1, 30.0), 1)
    during = {**figures(seen, 2 * limit), **_refusals(seen)}
    checks = _checks(before, during, after, bound, calm)
    for what, (value, most) in checks.items():
        verdict = "kept" if value <= most else "BROKEN"
        console.print(f"  {what}: {value:.0f} (at most {most:.0f}): {verdict}", highlight=False)
    result = {"before": before, "during": during, "after": after, "checks": checks}
    return result, all(value <= most for value, most in checks.values())


def _checks(
    before: Figures, during: Figures, after: Figures, bound: float, calm: float
) -> dict[str, tuple[float, float]]:
    """What was promised: measured, and at most."""
    return {
        "packets late, p99 ms": (during["packets_late_p99"], LATE),
        "first sound after the endpoint, p95 ms": (during["waited"].get("p95", 1e9), bound),
        "refusals, slowest ms": (during["refusal_slowest_ms"], 1000 * REFUSAL),
        "calls that failed": (len(during["failures"]), 0),
        "seconds until nothing is gone without": (calm, CALM),
        "one call afterwards, p95 ms": (
            after["heard"].get("p95", 1e9),
            AGAIN * before["heard"].get("p95", 0),
        ),
    }


def _refusals(seen: Crowd) -> Figures:
    seconds = [refusal.seconds for _, refusal in seen.refusals]
    return {
        "refusal_slowest_ms": 1000 * max(seconds, default=0.0),
        "refusal_p95_ms": 1000 * float(np.percentile(seconds, 95)) if seconds else 0.0,
        "refused_by": sorted({refusal.status for _, refusal in seen.refusals}),
    }


def _bound(settings: list[str]) -> float:
    """Milliseconds of `load.bounds.first_sound`: what callers should have to bear at most."""
    named = [each.partition("=")[2] for each in settings if each.startswith("load.bounds.first_s")]
    return 1000 * (float(named[-1]) if named else LoadBounds().first_sound)


async def _told(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as response:
        return dict(await response.json())


async def _calm(url: str) -> float:
    """Seconds until the server goes without nothing any more."""
    for waited in range(round(CALM) + 1):
        if (await _told(url))["rung"] == 0:
            return float(waited)
        await asyncio.sleep(1.0)
    return float("inf")
