"""Where functions and objects of libsrtp are in memory: the compiled part is not linked with it but
calls the library that pylibsrtp has loaded."""

from __future__ import annotations

from pylibsrtp import Session, _binding


def srtp_function(name: str) -> int:
    """The address of one of libsrtp's functions."""
    ffi = _binding.ffi
    return int(ffi.cast("uintptr_t", ffi.addressof(_binding.lib, name)))


def srtp_session(session: Session) -> int:
    """The address of what libsrtp knows a session by. It lives as long as the session."""
    return int(_binding.ffi.cast("uintptr_t", session._srtp[0]))
