"""HTTPS from a certificate and its key, which may change while the server runs.

Whoever renews a certificate replaces the files: they are looked at every few seconds, and at once
on SIGHUP. New connections get the new certificate; one that cannot be used is logged, and the one
before stays.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from server.self_signed import self_signed
from server.settings import ServerSettings

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds from one look at the files to the next."""


class TlsError(OSError):
    """The certificate cannot be used; the message says why and what to do."""


class Certificate:
    """A certificate and its key, as a server uses them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises TlsError."""
        self._certificate = certificate
        self._key = key
        self.context = _context(certificate, key)
        """For every listening socket; it changes in place."""
        self._seen = self._version()

    def reload(self) -> None:
        """Use the files as they are now, or go on with what is in use."""
        self._seen = self._version()
        try:
            # Tried in a context of its own: half a change would break the one in use.
            _context(self._certificate, self._key)
            self.context.load_cert_chain(self._certificate, self._key)
        except (TlsError, OSError) as error:
            log.error("The new certificate cannot be used", extra={"error": str(error)})
        else:
            log.info("The certificate was loaded anew", extra={"file": str(self._certificate)})

    def reload_if_changed(self) -> None:
        """Look at the files."""
        version = self._version()
        if version != self._seen and None not in version:
            self.reload()

    @contextmanager
    def kept_fresh(self) -> Iterator[None]:
        """Look at the files every few seconds while the block runs, on the running loop."""
        watching = asyncio.get_running_loop().create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.reload_if_changed()

    def _version(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self._certificate, self._key))


def certificate(settings: ServerSettings) -> Certificate | None:
    """The certificate that the settings ask for, made if need be; None: plain HTTP.

    Raises TlsError."""
    if settings.tls_certificate is not None and settings.tls_key is not None:
        return Certificate(settings.tls_certificate, settings.tls_key)
    if not settings.https:
        return None
    try:
        return Certificate(*self_signed(settings.state / "tls"))
    except OSError as error:
        if isinstance(error, TlsError):
            raise
        raise TlsError(
            f"no certificate can be kept in {settings.state}: {error.strerror or error}; "
            "set server.state to a folder that can be written"
        ) from error


def ends(path: Path) -> datetime:
    """When a certificate is no longer good. Raises TlsError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except ValueError as error:
        raise TlsError(f"{path} is no certificate in PEM form: {error}") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    for path in (certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise _unreadable(path, error) from error
    end = ends(certificate)
    if end < datetime.now(UTC):
        log.warning("The certificate has ended: browsers will refuse it", extra={"end": str(end)})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Asked for a password, OpenSSL would stop the start to wait for someone to type it.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise TlsError(_complaint(certificate, key, error)) from error
    return context


def _complaint(certificate: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the key {key} is not that of the certificate {certificate}"
    if b"ENCRYPTED" in key.read_bytes():
        return f"the key {key} is encrypted: openssl pkey -in {key} -out plain.pem decrypts it"
    return f"{key} is no private key in PEM form, or {certificate} no certificate: {error.reason}"


def _unreadable(path: Path, error: OSError) -> TlsError:
    return TlsError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}")


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
