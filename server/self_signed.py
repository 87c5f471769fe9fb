"""A certificate that nobody vouches for, to try the server from a phone in the same network.

Browsers give the microphone to HTTPS pages only, and warn of such a certificate once. It names this
machine's addresses, and is kept until one of them is new or its end is near.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ifaddr
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signaling.access.keys import write_private

GOOD_FOR = timedelta(days=397)
"""Apple's devices refuse certificates that are good for longer than 398 days."""
SPARE = timedelta(days=30)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LOOPBACK: tuple[Address, ...] = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


def addresses() -> tuple[Address, ...]:
    """This machine's addresses in its networks, IPv4 first; neither loopback nor link-local."""
    found: set[Address] = set()
    for adapter in ifaddr.get_adapters():
        for each in adapter.ips:
            text = each.ip if isinstance(each.ip, str) else each.ip[0]
            found.add(ipaddress.ip_address(text))
    usable = (each for each in found if not (each.is_loopback or each.is_link_local))
    return tuple(sorted(usable, key=lambda each: (each.version, int(each))))


def self_signed(folder: Path, *, now: datetime | None = None) -> tuple[Path, Path]:
    """The certificate and its key in `folder`, made unless they are there. Raises OSError."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    now, here = now or datetime.now(UTC), addresses()
    if not (key.is_file() and _is_good(certificate, here, now)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem, key_pem = _made(here, now)
        write_private(key, key_pem)
        write_private(certificate, pem)
    return certificate, key


def _is_good(path: Path, here: Iterable[Address], now: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    named = set(names.get_values_for_type(x509.IPAddress))
    return found.not_valid_after_utc > now + SPARE and set(here) <= named


def _made(here: Iterable[Address], now: datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Chuimsae")])
    names = ["localhost", *([host, f"{host}.local"] if host.isascii() and host else [])]
    general = [x509.DNSName(name) for name in names]
    numbers = [x509.IPAddress(address) for address in (*LOOPBACK, *here)]
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now - timedelta(days=1) + GOOD_FOR)
        .add_extension(x509.SubjectAlternativeName([*general, *numbers]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return built.public_bytes(serialization.Encoding.PEM), private
