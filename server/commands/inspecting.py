"""`run.py check`: print what was found; exit code 1 when a call could not be served."""

from __future__ import annotations

from server.check import Finding, findings
from server.config import Settings
from server.hardware import probe
from server.models import open_store

MARKS = {"fine": "ok  ", "note": "note", "bad": "BAD "}


async def check(settings: Settings) -> int:
    """Look, print, judge. Downloads nothing."""
    store = open_store(settings.models.model_copy(update={"download": False}))
    found = await findings(settings, store, probe())
    for finding in found:
        print(_line(finding))
    bad = sum(finding.level == "bad" for finding in found)
    print("\nA call can be served." if not bad else f"\nA call cannot be served: {bad} in the way.")
    return 1 if bad else 0


def _line(finding: Finding) -> str:
    mend = f"\n       mend: {finding.mend}" if finding.mend else ""
    return f"{MARKS[finding.level]}  {finding.what}{mend}"
