"""What a person at the terminal is shown to get in: addresses, and one of them as a QR code."""

from __future__ import annotations

import io
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

import segno


def addresses_of(url: str, hosts: Sequence[str]) -> list[str]:
    """The URL as each host is called from elsewhere."""
    parts = urlsplit(url)
    named = (f"[{host}]" if ":" in host else host for host in hosts)
    return [f"{parts.scheme}://{host}:{parts.port}" for host in named]


def with_key(url: str, key: str) -> str:
    """The page's address, with a key in the part of it that browsers send to nobody."""
    return f"{url}/#key={quote(key)}"


def qr_code(url: str) -> str:
    """A QR code as lines of text, dark on light or light on dark as the terminal is."""
    drawn = io.StringIO()
    segno.make(url, error="m", micro=False).terminal(out=drawn, compact=True)
    return drawn.getvalue()


def invitation(url: str, hosts: Sequence[str], secret: str) -> str:
    """For a phone in the same network: what to open, also as a QR code with a key in it."""
    there = addresses_of(url, hosts)
    if not there:
        return "  This machine is in no network: no phone can reach it."
    lines = ["  From a phone in the same network:", *(f"    {each}" for each in there), ""]
    lines += [qr_code(with_key(there[0], secret))]
    lines += ["  The browser warns of the certificate: this server made it itself. The code lets"]
    lines += ["  whoever scans it call for two hours."]
    return "\n".join(lines)
