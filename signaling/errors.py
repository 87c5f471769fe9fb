"""Why a peer was not let in, or a message not understood: one tree, each with its HTTP status.

SignalingError            .status .code, and a message fit for the client
├── BadOffer              400  no JSON, no SDP, SDP that cannot be used, no audio in it
├── OfferTooLarge         413
├── Unauthorized          401  no key, or one that is not good
├── Forbidden             403  another site's page, another one's call
│   └── ResumeRefused     403  the token is not that of the call
├── CallUnknown           404
├── CallRefused           503  full, stopping, no port left; .retry_after seconds
│   └── TooManyCalls      429  more than this caller may have
└── BadMessage                 a control message that is not one (answered by `error`)
"""

from __future__ import annotations


class SignalingError(Exception):
    """Anything expected that a client did wrong, or that keeps it out."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.param: str | None = None
        """Path of the field that is wrong, where it is one."""
        self.headers: dict[str, str] = {}
        """Of the answer, beside its body."""


class BadOffer(SignalingError):
    """The offer cannot be answered."""


class OfferTooLarge(SignalingError):
    """The body or its SDP is longer than is read."""

    status = 413


class Unauthorized(SignalingError):
    """Nobody knows who asks, and one has to be known here."""

    status = 401

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        # RFC 6750, 3: a request that brought no key is not told that it was a bad one.
        told = "" if code == "no_key" else ', error="invalid_token"'
        self.headers["WWW-Authenticate"] = f'Bearer realm="chuimsae"{told}'


class Forbidden(SignalingError):
    """Whoever asks may not have this."""

    status = 403


class CallUnknown(SignalingError):
    """No live call has this id."""

    status = 404

    def __init__(self, call_id: str) -> None:
        super().__init__("unknown_call", f"there is no call {call_id[:64]!r}; it may have ended")


class ResumeRefused(Forbidden):
    """Whoever wants to go on in a call has not shown that it is theirs."""

    def __init__(self) -> None:
        super().__init__("bad_token", "`resume_token` is not the one that this call was given")


class CallRefused(SignalingError):
    """The server takes no call now; the client may try again after `retry_after` seconds."""

    status = 503

    def __init__(self, code: str, message: str, *, retry_after: int) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after
        self.headers["Retry-After"] = str(retry_after)


class TooManyCalls(CallRefused):
    """This caller takes no more calls now; others may."""

    status = 429


class BadMessage(SignalingError):
    """A message on the control channel that cannot be understood."""
