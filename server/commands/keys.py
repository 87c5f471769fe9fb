"""`run.py keys add | list | remove`."""

from __future__ import annotations

import sys

from server.access import key_file
from server.config import Settings


def perform(settings: Settings, action: str, name: str) -> int:
    """Carry out an action. Raises KeyFileError."""
    file = key_file(settings)
    match action:
        case "add":
            # The key alone on standard output, for scripts.
            print(file.add(name))
            print("This key is not shown again: only its hash is kept.", file=sys.stderr)
        case "remove":
            file.remove(name)
            print(f"{name} is removed; its client secrets are no longer good.")
        case _:
            _show(settings)
    return 0


def _show(settings: Settings) -> None:
    stored = key_file(settings).stored()
    for name in settings.access.keys:
        print(f"{name:32} from the settings")
    for key in stored:
        print(f"{key.name:32} made {key.created}")
    if not stored and not settings.access.keys:
        print("There are no keys. run.py keys add NAME makes one.")
