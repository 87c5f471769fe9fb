"""Is this SDP an offer that a call can be made from?

aiortc believes what an SDP says of itself: a connection made from one that contradicts itself can
neither be used nor closed, and one with hundreds of media opens hundreds of sockets.
"""

from __future__ import annotations

import sys

from aiortc.exceptions import (
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
from aiortc.sdp import MediaDescription, SessionDescription

from signaling.errors import BadOffer

MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
    StopIteration,
)
"""What aiortc raises on SDP that it cannot use; none of it is documented."""

KINDS = ("audio", "video", "application")
MAX_MEDIA = 8


def check_offer(sdp: str) -> None:
    """Raises BadOffer unless the offer is sound, brings audio and takes audio."""
    if not sdp.startswith("v=0"):
        raise BadOffer("bad_sdp", "this is no SDP: it does not begin with v=0")
    try:
        description = SessionDescription.parse(sdp)
    except MALFORMED as error:
        raise BadOffer("bad_sdp", f"the SDP cannot be parsed: {error}") from error
    media = description.media
    audio = next((each for each in media if each.kind == "audio"), None)
    if audio is None:
        raise BadOffer("no_audio", "the offer has no audio (no m=audio line)")
    if audio.port == 0 or audio.direction not in (None, "sendrecv"):
        raise BadOffer(
            "no_audio",
            f"the offer's first audio is {audio.direction or 'refused'}: a call needs sendrecv",
        )
    if any(not _is_secured(each) for each in media if each.port):
        raise BadOffer(
            "bad_sdp", "each of the SDP's media needs a=fingerprint, a=ice-ufrag and a=ice-pwd"
        )
    names = [each.rtp.muxId for each in media]
    bundled = {name for group in description.group for name in group.items}
    if len(set(names)) != len(names) or bundled - set(names):
        raise BadOffer("bad_sdp", "the names of the SDP's media (a=mid, a=group) do not agree")
    if len(media) > MAX_MEDIA or any(each.kind not in KINDS for each in media):
        raise BadOffer(
            "bad_sdp", f"the SDP may have {MAX_MEDIA} media at most: audio, video and application"
        )


def _is_secured(media: MediaDescription) -> bool:
    """Whether it can be connected: aiortc finds out when the answer is long given."""
    if media.dtls is None or not media.dtls.fingerprints:
        return False
    ice = media.ice
    return ice is not None and bool(ice.usernameFragment and ice.password)


def longest_message(sdp: str) -> int:
    """Bytes of the longest data channel message that the side of this description takes (RFC 8841,
    6.1: none said are 64 KiB, none at all is no limit)."""
    found = (line.strip().partition("a=max-message-size:")[2] for line in sdp.splitlines())
    # Python reads no number of thousands of digits; the first 18 are more than anybody sends.
    digits = (told[:18] for told in found if told.isascii() and told.isdecimal())
    return int(next(digits, 65_536)) or sys.maxsize


def ice_users(sdp: str) -> frozenset[str]:
    """The ICE user fragments of a description."""
    found = (line.strip().partition("a=ice-ufrag:")[2] for line in sdp.splitlines())
    return frozenset(ufrag for ufrag in found if ufrag)
