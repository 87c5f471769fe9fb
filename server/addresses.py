"""Whether an address can be listened on, found out before anything is loaded for it."""

from __future__ import annotations

import errno
import os
import socket

_ADVICE = {
    errno.EADDRINUSE: "--port 8081, or another free port",
    errno.EACCES: "--port 8080, or another port from 1024 on",
}


class AddressUnusable(OSError):
    """The server cannot listen there. `what` says so, `mend` what to do."""

    def __init__(self, host: str, port: int, why: str, mend: str) -> None:
        self.what = f"{host} port {port} cannot be used: {why}"
        self.mend = mend
        super().__init__(f"{self.what}\n    mend: {mend}")


def try_address(host: str, port: int) -> None:
    """Listen and stop at once. Raises AddressUnusable."""
    try:
        socket.create_server((host, port), family=family(host)).close()
    except OSError as error:
        number = error.errno or 0
        # Below 0 they are the resolver's. Python adds words of its own to the system's.
        why = os.strerror(number).lower() if number > 0 else "there is no such address"
        mend = _ADVICE.get(number, "set server.host to an address of this machine")
        raise AddressUnusable(host, port, why, mend) from error


def family(address: str) -> socket.AddressFamily:
    """IPv6 for an address with colons, otherwise IPv4."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET
