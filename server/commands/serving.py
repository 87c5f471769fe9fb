"""`run.py serve`: choose the engines, say what was chosen, answer calls until told to stop."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence

from agent.engines.catalog import Hardware
from server import app
from server.access import first_key, invite
from server.addresses import try_address
from server.capacity import capacity
from server.commands.invitation import invitation
from server.commands.waiting import Waiting
from server.config import Settings
from server.hardware import probe
from server.models import open_store
from server.self_signed import addresses
from server.stages import StageReport, choose
from server.tls import certificate
from signaling.realtime.secrets import ClientSecrets

INVITED = 7200
"""Seconds for which the code on the terminal lets a phone call."""
ROLES = {"stt": "hears with", "llm": "thinks with", "tts": "speaks with"}


async def serve(settings: Settings, waiting: Waiting) -> int:
    """Serve until interrupted. Raises StageUnavailable, OSError (a port that is taken)."""
    try_address(settings.server.host, settings.server.port)
    is_attended = sys.stdout.isatty()
    key = first_key(settings, is_attended=is_attended)
    certificate(settings.server)  # one that cannot be used is told before anything is loaded
    hardware = probe()
    stages = await choose(settings, open_store(settings.models), hardware, waiting.for_)
    waiting.over()
    print(start_block(hardware, stages.reports), flush=True)
    print(f"  {'takes':12}{capacity(settings.server, stages.later)}", flush=True)
    if key:
        print(f"\n  API key, shown this once: {key}", flush=True)
    secrets = ClientSecrets()

    def ready(url: str) -> None:
        announce(url)
        if settings.server.https and is_attended:
            hosts = [str(address) for address in addresses()]
            print(invitation(url, hosts, invite(settings, secrets, INVITED)), flush=True)

    await app.serve(settings, stages, ready=ready, secrets=secrets)
    return 0


def announce(url: str) -> None:
    """Say where the page is, once it is there."""
    print(f"\n  {url}   (Ctrl-C ends it)\n", flush=True)


def start_block(hardware: Hardware, reports: Sequence[StageReport]) -> str:
    """For each stage what was chosen and why; then what is missing, and what mends it."""
    gpu = hardware.gpu or "no GPU"
    lines = [f"Chuimsae on {hardware.cores} cores, {hardware.memory / 1e9:.0f} GB, {gpu}", ""]
    for report in reports:
        what = f"{report.engine}, {report.model}" if report.model else report.engine
        lines.append(f"  {ROLES[report.stage]:12}{what} ({report.device}): {report.why}")
    missing = [line for report in reports for line in _missing(report)]
    if missing:
        lines += ["", "  Missing:", *missing]
    return "\n".join(lines)


def _missing(report: StageReport) -> Iterator[str]:
    if report.missing:
        yield textwrap.fill(
            report.missing, 96, initial_indent=f"    {report.stage}  ", subsequent_indent=" " * 9
        )
        yield textwrap.fill(
            report.mend, 96, initial_indent="         mend: ", subsequent_indent=" " * 15
        )
