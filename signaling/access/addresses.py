"""Where a request comes from: the socket's other end, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aiohttp import hdrs, web

FORWARDED_HOST = "X-Forwarded-Host"
_FORWARDING = (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED, FORWARDED_HOST)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The reverse proxies whose word is taken."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted = [ipaddress.ip_network(each) for each in trusted]

    def client(self, request: web.BaseRequest) -> str:
        """The address of the caller, or of the last hop that is not trusted; empty over a Unix
        socket.

        X-Forwarded-For is read from its end, where the nearest proxy writes: whatever a caller
        put in front of it is never reached."""
        nearest = parse(request.remote or "")
        if nearest is None:
            return ""
        hops = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).split(",")
        while hops and self._trusts(nearest):
            further = parse(hops.pop())
            if further is None:
                break
            nearest = further
        return str(nearest)

    def host(self, request: web.BaseRequest) -> str:
        """The host (and port) by which the caller reached the server."""
        forwarded = request.headers.get(FORWARDED_HOST, "")
        if forwarded and self._trusts(parse(request.remote or "")):
            return forwarded.rpartition(",")[2].strip()
        return request.host

    def is_forwarded(self, request: web.BaseRequest) -> bool:
        """Whether a proxy brought it."""
        return any(name in request.headers for name in _FORWARDING)

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def parse(text: str) -> Address | None:
    """An address as proxies write it: with a port or without, IPv6 in brackets or not."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def household(address: str) -> str:
    """What limits count as one address: for IPv6 the /64 that one connection is given."""
    parsed = parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def is_loopback(host: str) -> bool:
    """Whether whoever listens at `host` is reached from this machine alone."""
    parsed = parse(host)
    return host == "localhost" if parsed is None else parsed.is_loopback
