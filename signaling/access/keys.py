"""API keys: made at random, kept as hashes in a file that its owner alone can read.

A key has 256 random bits, so its plain SHA-256 cannot be turned back, and needs no salt and no slow
hash. Keys from the settings stand beside those of the file. The file may change while the server
runs: a key that is added or removed counts from the next request on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from filelock import FileLock
from pydantic import BaseModel, Field, SecretStr, ValidationError

from signaling.access.settings import KEY_NAME

log = logging.getLogger(__name__)

PREFIX = "chuimsae_"
"""By which a key is recognised, by people and by scanners for leaked secrets."""


class KeyFileError(OSError):
    """The file of keys cannot be read or written; the message says what to do."""


class StoredKey(BaseModel, frozen=True, extra="forbid"):
    """A key as the file has it. `created`: ISO 8601, UTC."""

    name: Annotated[str, Field(pattern=f"^{KEY_NAME}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    created: str


class _File(BaseModel, frozen=True, extra="forbid"):
    keys: tuple[StoredKey, ...] = ()


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


class KeyFile:
    """The keys in one file. A file that is not there has none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._stored: tuple[StoredKey, ...] = ()

    def stored(self) -> tuple[StoredKey, ...]:
        """The keys as the file is now. Raises KeyFileError."""
        version = self._version()
        if version is None:
            return ()
        if version != self._seen:
            self._stored = _read(self.path)
            self._seen = version
        return self._stored

    def add(self, name: str) -> str:
        """A new key of this name. Only its hash is kept. Raises KeyFileError, also for a name
        that is taken or is none."""
        if not re.fullmatch(KEY_NAME, name):
            raise KeyFileError(
                f"{name!r} is no name of a key: up to 32 small letters, digits, '-' and '_'"
            )
        key = PREFIX + secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        with self._locked():
            stored = self.stored()
            if any(each.name == name for each in stored):
                raise KeyFileError(f"there is a key {name!r} already; remove it, or name another")
            new = StoredKey(name=name, sha256=digest(key), created=created)
            self._write((*stored, new))
        return key

    def remove(self, name: str) -> None:
        """Forget a key. Raises KeyFileError when there is none of this name."""
        with self._locked():
            stored = self.stored()
            kept = tuple(each for each in stored if each.name != name)
            if len(kept) == len(stored):
                known = ", ".join(each.name for each in stored) or "none"
                raise KeyFileError(f"{self.path} has no key {name!r}; it has: {known}")
            self._write(kept)

    def _version(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path, "read", error) from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _locked(self) -> FileLock:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.path, "written", error) from error
        return FileLock(self.path.with_suffix(".lock"), mode=0o600)

    def _write(self, keys: tuple[StoredKey, ...]) -> None:
        text = _File(keys=keys).model_dump_json(indent=2) + "\n"
        fresh = self.path.with_suffix(".new")
        try:
            write_private(fresh, text.encode())
            fresh.replace(self.path)
        except OSError as error:
            raise _unusable(self.path, "written", error) from error


def write_private(path: Path, content: bytes) -> None:
    """A file that its owner alone can read, from its first byte on. Raises OSError."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> tuple[StoredKey, ...]:
    try:
        return _File.model_validate(json.loads(path.read_text("utf-8"))).keys
    except OSError as error:
        raise _unusable(path, "read", error) from error
    except (ValueError, ValidationError, RecursionError) as error:
        raise KeyFileError(
            f"{path} is no file of keys ({type(error).__name__}): move it away, then make new "
            "keys with run.py keys add NAME"
        ) from error


def _unusable(path: Path, done: str, error: OSError) -> KeyFileError:
    return KeyFileError(f"{path} cannot be {done}: {(error.strerror or str(error)).lower()}")


class Keys:
    """All keys that are good: those of the settings and those of the file."""

    def __init__(
        self, configured: Mapping[str, SecretStr] | None = None, file: KeyFile | None = None
    ) -> None:
        self._configured = {
            name: digest(secret.get_secret_value()) for name, secret in (configured or {}).items()
        }
        self._file = file
        self._stored: tuple[StoredKey, ...] = file.stored() if file is not None else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all keys, those of the settings first."""
        stored = (each.name for each in self._current())
        return tuple(dict.fromkeys((*self._configured, *stored)))

    def find(self, key: str) -> str | None:
        """The name of a key; None for one that is not good.

        Compares with every key to the end: the time it takes tells nothing of them."""
        presented = digest(key)
        known = [
            *self._configured.items(),
            *((each.name, each.sha256) for each in self._current()),
        ]
        found: str | None = None
        for name, expected in known:
            if hmac.compare_digest(expected, presented):
                found = name
        return found

    def _current(self) -> tuple[StoredKey, ...]:
        """A file that was spoilt meanwhile locks nobody out who had a key before."""
        if self._file is None:
            return ()
        try:
            self._stored = self._file.stored()
        except KeyFileError as error:
            log.error("The file of keys cannot be used", extra={"error": str(error)})
        return self._stored
