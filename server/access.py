"""Whether a key is asked for, and where the keys are: what the process tells `signaling.access`."""

from __future__ import annotations

from server.config import Settings
from signaling.access.addresses import is_loopback
from signaling.access.guard import Guard
from signaling.access.keys import KeyFile, Keys

FILE = "keys.json"


def is_required(settings: Settings) -> bool:
    """Whether a caller has to show a key."""
    access = settings.access
    if access.required != "auto":
        return access.required
    return not is_loopback(settings.server.host) or bool(access.trusted_proxies)


def key_file(settings: Settings) -> KeyFile:
    """The keys that `run.py keys` makes."""
    return KeyFile(settings.server.state / FILE)


def guarding(settings: Settings) -> Guard:
    """The server's guard. Raises KeyFileError."""
    return Guard(
        settings.access,
        settings.limits,
        is_required=is_required(settings),
        keys=Keys(settings.access.keys, key_file(settings)),
    )
