"""Where functions and objects of libsrtp are in memory: the compiled part is not linked with it but
calls the library that pylibsrtp has loaded."""

from __future__ import annotations

from typing import Any

import pylibsrtp
from pylibsrtp import Session

_FUNCTIONS = ("srtp_protect", "srtp_unprotect")
"""Those that are called."""


def misfit() -> str | None:
    """Why libsrtp cannot be found by pylibsrtp's insides; None when it can."""
    binding: Any = getattr(pylibsrtp, "_binding", None)
    for part in ("ffi", "lib"):
        if not hasattr(binding, part):
            return f"pylibsrtp's _binding has no {part}"
    for name in _FUNCTIONS:
        if not hasattr(binding.lib, name):
            return f"pylibsrtp's binding has no {name}"
    return None if hasattr(Session(), "_srtp") else "pylibsrtp's Session has no _srtp"


def srtp_function(name: str) -> int:
    """The address of one of libsrtp's functions."""
    binding: Any = pylibsrtp._binding
    return int(binding.ffi.cast("uintptr_t", binding.ffi.addressof(binding.lib, name)))


def srtp_session(session: Session) -> int:
    """The address of what libsrtp knows a session by. It lives as long as the session."""
    binding: Any = pylibsrtp._binding
    return int(binding.ffi.cast("uintptr_t", session._srtp[0]))
