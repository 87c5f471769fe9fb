"""Files of a model hub, downloaded so that what lies in its place is whole and true.

The hub's own library answers where a file is, how large it is and what its checksum must be, and
honours HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and the proxies. Its download, though, starts from
nothing after every interruption and does not compare checksums; ours goes on where it stopped
(also in a later process), compares, and moves the file into its place in one step.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
from filelock import FileLock
from huggingface_hub import constants, get_hf_file_metadata, get_session, hf_hub_url
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, but not in its __all__
    build_hf_headers,
    hf_raise_for_status,
)

BLOCK = 256 * 1024
"""Bytes read at a time: also how much may arrive after `stop`."""
ATTEMPTS = 5
"""Connections in a row that may end without a byte before we give up."""

Progress = Callable[[str, int, int], None]
"""Called in the downloading thread with the file's name, bytes there, bytes in all."""


class HubError(Exception):
    """A file was not had. The message says which, why, and what to do."""


class HubUnreachable(HubError):
    """The hub did not answer: asking it for another file is in vain."""


class HubRefused(HubError):
    """The hub answered, and will not give the file."""


class HubCorrupted(HubError):
    """What arrived is not what the hub announced, twice."""


class HubStopped(HubError):
    """`stop` was called."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as the hub describes it; `checksum` is a SHA-256, a git blob's SHA-1, or empty."""

    url: str
    size: int
    checksum: str


class Hub:
    """A hub, asked by one thread at a time. `timeout`: seconds it may stay silent."""

    def __init__(self, *, endpoint: str, timeout: float, progress: Progress) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._timeout = timeout
        self._progress = progress
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the download that runs, from any thread; what is there of it is kept."""
        self._stopped.set()

    def fetch(self, repository: str, name: str, destination: Path) -> None:
        """Put the file `name` of `repository` at `destination`, unless it is there. Blocks.

        Raises HubError; OSError when the disk does not take it."""
        self._stopped.clear()
        remote = self.look_up(repository, name)
        destination.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{destination}.lock"):
            if not destination.is_file():
                self._complete(remote, destination)
        Path(f"{destination}.lock").unlink(missing_ok=True)

    def look_up(self, repository: str, name: str) -> Remote:
        """Ask the hub about a file; raises HubUnreachable or HubRefused."""
        url = hf_hub_url(repository, name, endpoint=self.endpoint)
        try:
            found = get_hf_file_metadata(url, timeout=self._timeout, endpoint=self.endpoint)
        except (OfflineModeIsEnabled, httpx2.TransportError, httpx2.TooManyRedirects) as error:
            raise HubUnreachable(self._silence(error)) from error
        except HfHubHTTPError as error:
            raise self._refusal(repository, name, error) from error
        except FileMetadataError as error:
            raise HubUnreachable(f"{self.endpoint} is no model hub: {error}") from error
        if found.size is None or found.commit_hash is None:
            raise HubUnreachable(
                f"{self.endpoint} is no model hub: it does not say how large {name} is"
            )
        # By its commit, so that a file which changes on the way is never half one, half the other.
        pinned = hf_hub_url(repository, name, revision=found.commit_hash, endpoint=self.endpoint)
        return Remote(pinned, found.size, found.etag or "")

    def _complete(self, remote: Remote, destination: Path) -> None:
        part = destination.with_name(f"{destination.name}.{remote.checksum[:12]}.part")
        for stale in destination.parent.glob(f"{destination.name}.*.part"):
            if stale != part:
                stale.unlink()
        for _ in range(2):
            self._download(remote, part, destination.name)
            if _checksum(part, remote.checksum) == remote.checksum:
                part.replace(destination)
                return
            part.unlink()
        raise HubCorrupted(
            f"{destination.name} arrived damaged twice from {self.endpoint} "
            f"(its checksum is not {remote.checksum}): a proxy or mirror may be changing it"
        )

    def _download(self, remote: Remote, part: Path, name: str) -> None:
        failures = 0
        while (have := _size(part)) != remote.size:
            if have > remote.size:
                part.unlink()
                continue
            self._need_space(part, remote.size - have)
            cause: Exception | None = None
            try:
                self._stream(remote, part, name)
            except httpx2.TransportError as error:
                cause = error
            except HfHubHTTPError as error:
                if error.response.status_code < 500 and error.response.status_code != 429:
                    raise self._refusal(remote.url, name, error) from error
                cause = error
            failures = 0 if _size(part) > have else failures + 1
            if failures >= ATTEMPTS:
                raise HubUnreachable(
                    f"{self.endpoint} stopped sending {name} at {_size(part)} of {remote.size} "
                    "bytes; what is there is kept, and the next try goes on from it"
                ) from cause
            if self._stopped.wait(0.2 * failures):
                raise HubStopped(f"the download of {name} was stopped")

    def _stream(self, remote: Remote, part: Path, name: str) -> None:
        have = _size(part)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with get_session().stream(
            "GET", remote.url, headers=headers, timeout=self._timeout, follow_redirects=True
        ) as response:
            if response.status_code == 416:
                part.unlink()
                return
            hf_raise_for_status(response)
            # A server that does not know ranges answers 200 and begins anew: so do we.
            resumed = response.status_code == 206
            with part.open("ab" if resumed else "wb") as file:
                for block in response.iter_bytes(BLOCK):
                    file.write(block)
                    self._progress(name, file.tell(), remote.size)
                    if self._stopped.is_set():
                        raise HubStopped(f"the download of {name} was stopped")

    def _need_space(self, part: Path, size: int) -> None:
        free = _free_space(part.parent)
        if free < size:
            raise OSError(
                errno.ENOSPC,
                f"{size / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free",
                str(part.parent),
            )

    def _silence(self, error: Exception) -> str:
        if isinstance(error, OfflineModeIsEnabled):
            return "downloads are switched off by HF_HUB_OFFLINE"
        return f"{self.endpoint} does not answer ({str(error) or type(error).__name__})"

    def _refusal(self, repository: str, name: str, error: HfHubHTTPError) -> HubError:
        status = error.response.status_code
        where = f"{name} of {repository}"
        if isinstance(error, GatedRepoError) or status == 403:
            return HubRefused(
                f"{self.endpoint} does not give {where} to everyone ({status}): accept its licence "
                "on its page, then set HF_TOKEN to a token of your account"
            )
        if status == 401:
            # The hub answers 401 for what does not exist, too, so as not to tell.
            return HubRefused(
                f"{self.endpoint} refuses {where} (401): it does not exist, or needs HF_TOKEN to "
                "be a token of an account that may read it"
            )
        if status == 404:
            return HubRefused(f"{self.endpoint} has no {where} (404)")
        return HubUnreachable(f"{self.endpoint} failed to serve {where} ({status})")


def _free_space(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _checksum(path: Path, expected: str) -> str:
    """The file's checksum, of the kind that `expected` is; `expected` itself if of no known kind.

    A hub names large files by SHA-256 and small ones as git does."""
    if re.fullmatch(r"[0-9a-f]{64}", expected):
        digest = hashlib.sha256()
    elif re.fullmatch(r"[0-9a-f]{40}", expected):
        digest = hashlib.sha1(b"blob %d\0" % _size(path), usedforsecurity=False)
    else:
        return expected
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
