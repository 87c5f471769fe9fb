"""Whether a key is asked for, and where the keys are: what the process tells `signaling.access`."""

from __future__ import annotations

from server.config import Settings
from signaling.access.addresses import is_loopback
from signaling.access.guard import Guard
from signaling.access.keys import KeyFile, KeyFileError, Keys
from signaling.realtime.config import default_config
from signaling.realtime.secrets import ClientSecrets

FILE = "keys.json"
FIRST = "first"
"""Name of the key that a server makes when it has none."""


def is_required(settings: Settings) -> bool:
    """Whether a caller has to show a key."""
    access = settings.access
    if access.required != "auto":
        return access.required
    return not is_loopback(settings.server.host) or bool(access.trusted_proxies)


def key_file(settings: Settings) -> KeyFile:
    """The keys that `run.py keys` makes."""
    return KeyFile(settings.server.state / FILE)


def all_keys(settings: Settings) -> Keys:
    """Those of the settings and those of the file. Raises KeyFileError."""
    return Keys(settings.access.keys, key_file(settings))


def first_key(settings: Settings, *, is_attended: bool) -> str:
    """A new key where one is asked for and there is none; empty where none is needed.

    With nobody there to read it (`is_attended` false) the key would end in some log: raises
    KeyFileError then, as it does for a file that cannot be used."""
    if not is_required(settings) or all_keys(settings).names:
        return ""
    if not is_attended:
        raise KeyFileError(
            f"calls at {settings.server.host} need a key, and there is none: type run.py keys add "
            "NAME, or set access.keys, or access.required = false"
        )
    return key_file(settings).add(FIRST)


def invite(settings: Settings, secrets: ClientSecrets, seconds: int) -> str:
    """A client secret for whoever stands beside the server: no API key made it."""
    config = default_config(settings.personas[settings.language])
    return secrets.mint(config, seconds)[0]


def guarding(settings: Settings, secrets: ClientSecrets | None = None) -> Guard:
    """The server's guard. Raises KeyFileError."""
    return Guard(
        settings.access,
        settings.limits,
        is_required=is_required(settings),
        keys=all_keys(settings),
        secrets=secrets,
    )
