"""Why a peer was not let in, or a message not understood: one tree, each with its HTTP status.

SignalingError            .status .code, and a message fit for the client
├── BadOffer              400  no JSON, no SDP, SDP that cannot be used, no audio in it
├── OfferTooLarge         413
├── CallUnknown           404
├── ResumeRefused         403  the token is not that of the call
├── CallRefused           503  full, stopping, no port left; .retry_after seconds
└── BadMessage                 a control message that is not one (answered by `error`)
"""

from __future__ import annotations


class SignalingError(Exception):
    """Anything expected that a client did wrong, or that keeps it out."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BadOffer(SignalingError):
    """The offer cannot be answered."""


class OfferTooLarge(SignalingError):
    """The body or its SDP is longer than is read."""

    status = 413


class CallUnknown(SignalingError):
    """No live call has this id."""

    status = 404

    def __init__(self, call_id: str) -> None:
        super().__init__("unknown_call", f"there is no call {call_id[:64]!r}; it may have ended")


class ResumeRefused(SignalingError):
    """Whoever wants to go on in a call has not shown that it is theirs."""

    status = 403

    def __init__(self) -> None:
        super().__init__("bad_token", "`resume_token` is not the one that this call was given")


class CallRefused(SignalingError):
    """The server takes no call now; the client may try again after `retry_after` seconds."""

    status = 503

    def __init__(self, code: str, message: str, *, retry_after: int) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class BadMessage(SignalingError):
    """A message on the control channel that cannot be understood."""
