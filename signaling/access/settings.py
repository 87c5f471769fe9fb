"""Sections `access` and `limits`: who may call, and how much."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from signaling.realtime.client import MAX_MESSAGE

SHORTEST_KEY = 16
KEY_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _key(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value) < SHORTEST_KEY or not _TOKEN.fullmatch(value):
        raise ValueError(
            f"a key has at least {SHORTEST_KEY} letters, digits, '-' or '_': "
            "run.py keys add NAME makes a good one"
        )
    if value.startswith("ek_"):
        raise ValueError("a key must not begin with ek_: those are the server's client secrets")
    return secret


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if text in ("*", "null") or (parts.scheme and parts.netloc and not parts.path):
        return text
    raise ValueError(f"{text!r} is no origin; it looks like https://app.example.org, with no path")


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


class AccessSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `access`: who may call."""

    required: bool | Literal["auto"] = "auto"
    """Whether a key is asked for. `auto`: unless the server listens on loopback alone, with no
    proxy that is trusted before it."""
    keys: dict[
        Annotated[str, Field(pattern=f"^{KEY_NAME}$")],
        Annotated[SecretStr, AfterValidator(_key)],
    ] = Field(default_factory=dict)
    """API keys by name, such as {phone = "..."}, beside those that `run.py keys add` makes."""
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """Sites whose pages may call, such as "https://app.example.org", beside the server's own
    page; "*": every site."""
    hosts: tuple[str, ...] = ()
    """Names by which the server may be called while it asks for no key on loopback, beside
    localhost and addresses; "*": any. Others are refused, or a site could pose as this machine."""
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Addresses or networks of reverse proxies, such as "127.0.0.1": what they say in
    X-Forwarded-For and X-Forwarded-Host is believed, and nobody else's word."""


class LimitSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `limits`: how much one caller may take. 0: no limit."""

    calls_per_key: int = Field(default=0, ge=0, le=10_000)
    """Calls at the same time with one key, those with its client secrets included."""
    calls_per_address: int = Field(default=0, ge=0, le=10_000)
    """Calls at the same time from one address (IPv6: one /64 network)."""
    new_calls_per_key: int = Field(default=0, ge=0, le=100_000)
    """Calls that may begin within a minute with one key."""
    new_calls_per_address: int = Field(default=0, ge=0, le=100_000)
    """Calls that may begin within a minute from one address."""
    call_seconds: float = Field(default=3600.0, ge=0.0, le=86_400.0)
    """Length of a call; then the agent says goodbye."""
    idle_seconds: float = Field(default=600.0, ge=0.0, le=86_400.0)
    """Seconds in which neither side says anything after which a call ends."""
    body_bytes: int = Field(default=256 * 1024, ge=16 * 1024, le=16 * 1024 * 1024)
    """Bytes of a request; more is answered 413. The largest SDP takes some 200 000."""
    message_bytes: int = Field(default=MAX_MESSAGE, ge=16 * 1024, le=MAX_MESSAGE)
    """Bytes of a message over a WebSocket; more ends the call."""
