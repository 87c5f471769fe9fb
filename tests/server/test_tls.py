"""HTTPS: real handshakes, certificates that change, and what is said of bad ones."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import shutil
import signal
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError

from server import self_signed as making
from server import tls
from server.app import create_app, listening, serve
from server.self_signed import addresses, self_signed
from server.settings import ServerSettings
from server.tls import Certificate, TlsError, certificate
from tests.server.house import settings, stages


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A good certificate and its key."""
    return self_signed(tmp_path / "good")


async def shown(url: str) -> x509.Certificate:
    """The certificate that a server shows to whoever connects."""
    host, port = url.removeprefix("https://").split(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(der)


async def test_a_page_and_a_socket_come_over_a_connection_that_is_verified(
    files: tuple[Path, Path],
) -> None:
    server = {"port": 0, "tls_certificate": str(files[0]), "tls_key": str(files[1])}
    configured = settings(server=server)
    async with stages("x") as standing:
        app = create_app(configured, standing)
        async with listening(app, configured.server, certificate(configured.server)) as url:
            assert url.startswith("https://localhost:")
            trusting = ssl.create_default_context(cafile=files[0])
            connector = aiohttp.TCPConnector(ssl=trusting)
            async with aiohttp.ClientSession(connector=connector) as http:
                async with http.get(f"{url}/info") as response:
                    assert response.status == 200
                async with http.ws_connect(f"{url}/v1/realtime") as socket:
                    assert (await socket.receive_json(timeout=10))["type"] == "session.created"
            async with aiohttp.ClientSession() as stranger:
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await stranger.get(f"{url}/info")


async def test_a_renewed_certificate_is_shown_without_a_restart(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "LOOK_EVERY", 0.05)
    configured = settings()
    used = Certificate(*files)
    async with stages("x") as standing:
        async with listening(create_app(configured, standing), configured.server, used) as url:
            before = await shown(url)
            for new, old in zip(self_signed(tmp_path / "next"), files, strict=True):
                shutil.move(new, old)
            async with asyncio.timeout(10):
                while await shown(url) == before:  # noqa: ASYNC110 - looked at from outside
                    await asyncio.sleep(0.05)


async def test_sighup_loads_the_certificate_anew(files: tuple[Path, Path], tmp_path: Path) -> None:
    server = {"port": 0, "tls_certificate": str(files[0]), "tls_key": str(files[1])}
    async with stages("x") as standing:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(
                serve(settings(server=server), standing, ready=url.set_result)
            )
            before = await shown(await url)
            for new, old in zip(self_signed(tmp_path / "next"), files, strict=True):
                shutil.move(new, old)
            os.kill(os.getpid(), signal.SIGHUP)
            async with asyncio.timeout(3):  # sooner than the files are looked at
                while await shown(await url) == before:  # noqa: ASYNC110 - looked at from outside
                    await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGTERM)
            await serving


def test_a_new_certificate_that_cannot_be_used_leaves_the_old_one(
    files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    used = Certificate(*files)
    files[0].write_text("half a file")
    with caplog.at_level(logging.ERROR):
        used.reload_if_changed()
    assert "The new certificate cannot be used" in caplog.text
    caplog.clear()
    used.reload_if_changed()
    assert not caplog.records, "the same file is complained of once"


def encrypted(key: Path) -> None:
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda pair, other: pair[0].unlink(), "certificate.pem cannot be read: no such file"),
        (lambda pair, other: pair[1].unlink(), "key.pem cannot be read: no such file"),
        (lambda pair, other: pair[0].write_text("x"), "is no certificate in PEM form"),
        (lambda pair, other: pair[1].write_text("x"), "is no private key in PEM form"),
        (lambda pair, other: shutil.copy(other[1], pair[1]), "is not that of the certificate"),
        (lambda pair, other: encrypted(pair[1]), "is encrypted: openssl pkey"),
    ],
)
def test_a_bad_file_is_told_clearly(
    files: tuple[Path, Path], tmp_path: Path, spoil: object, said: str
) -> None:
    spoil(files, self_signed(tmp_path / "other"))  # type: ignore[operator]
    with pytest.raises(TlsError, match=said):
        Certificate(*files)


def test_a_certificate_that_has_ended_is_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = self_signed(tmp_path, now=datetime.now(UTC) - timedelta(days=500))
    Certificate(*old)
    assert "The certificate has ended" in caplog.text


# -- a certificate of its own -----------------------------------------------------------------


def test_a_fresh_folder_gets_a_certificate_that_names_this_machine(tmp_path: Path) -> None:
    made = certificate(ServerSettings(https=True, state=tmp_path))
    assert made is not None
    found = x509.load_pem_x509_certificate((tmp_path / "tls" / "certificate.pem").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    named = set(names.get_values_for_type(x509.IPAddress))
    assert {ipaddress.ip_address("127.0.0.1"), *addresses()} <= named
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert found.not_valid_after_utc - found.not_valid_before_utc < timedelta(days=398)
    assert stat.S_IMODE((tmp_path / "tls" / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_it_is_kept_between_starts(tmp_path: Path) -> None:
    first = self_signed(tmp_path)[0].read_bytes()
    assert self_signed(tmp_path)[0].read_bytes() == first


def test_it_is_made_anew_near_its_end_or_when_spoilt(tmp_path: Path) -> None:
    first = self_signed(tmp_path)[0].read_bytes()
    later = datetime.now(UTC) + making.GOOD_FOR - timedelta(days=20)
    second = self_signed(tmp_path, now=later)[0].read_bytes()
    assert second != first
    (tmp_path / "certificate.pem").write_text("x")
    Certificate(*self_signed(tmp_path))


def test_it_is_made_anew_for_a_new_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = self_signed(tmp_path)[0].read_bytes()
    new = ipaddress.ip_address("192.168.77.5")
    monkeypatch.setattr(making, "addresses", lambda: (new,))
    second = self_signed(tmp_path)[0].read_bytes()
    assert second != first
    names = x509.load_pem_x509_certificate(second).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert new in names.value.get_values_for_type(x509.IPAddress)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(TlsError, match="set server.state"):
        certificate(ServerSettings(https=True, state=tmp_path / "state"))


def test_https_listens_where_a_phone_can_reach_it_unless_told_otherwise() -> None:
    assert ServerSettings.model_validate({"https": True}).host == "0.0.0.0"
    told = ServerSettings.model_validate({"https": True, "host": "192.168.1.5"})
    assert told.host == "192.168.1.5"
    assert certificate(ServerSettings()) is None


@pytest.mark.parametrize(
    "written",
    [
        {"tls_certificate": "a.pem"},
        {"tls_key": "a.pem"},
        {"https": True, "tls_certificate": "a.pem", "tls_key": "b.pem"},
    ],
)
def test_half_of_a_pair_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="tls_certificate"):
        ServerSettings.model_validate(written)
