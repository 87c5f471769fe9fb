"""Candidates that come after the offer: `application/trickle-ice-sdpfrag` (RFC 8840), as WHIP sends
it by `PATCH` (RFC 9725, 4.3). Pure.

A fragment says whose candidates it brings by the ICE user fragment. Another one than the offer's
means an ICE restart, which this server does not do: the client calls anew, or resumes.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from signaling.errors import BadOffer, SignalingError

MEDIA_TYPE = "application/trickle-ice-sdpfrag"
MAX_FRAGMENT = 16_384
"""Bytes of a fragment that are read."""
_END = "end-of-candidates"


class RestartRefused(SignalingError):
    """The fragment asks for an ICE restart."""

    status = 422

    def __init__(self) -> None:
        super().__init__(
            "no_ice_restart",
            "ICE is not restarted here: post a new offer, or resume the call with one",
        )


class StaleConnection(SignalingError):
    """The candidates are for another connection than the call has now."""

    status = 412

    def __init__(self) -> None:
        super().__init__(
            "stale_etag", "If-Match names another connection of this call than the one it has now"
        )


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one `PATCH` brings. `ufrag`: whose candidates; each names its media section in
    `sdpMid`; `is_end`: no more will come."""

    ufrag: str
    candidates: tuple[RTCIceCandidate, ...]
    is_end: bool


def parse(text: str) -> Fragment:
    """A fragment's lines. Raises BadOffer, which names the line that is wrong."""
    if len(text) > MAX_FRAGMENT:
        raise BadOffer("bad_fragment", f"a fragment has at most {MAX_FRAGMENT} bytes")
    ufrag, mid, candidates, is_end = "", "", [], False
    for number, line in enumerate(text.splitlines(), 1):
        name, _, value = line.strip().removeprefix("a=").partition(":")
        match name:
            case "ice-ufrag" if value:
                if ufrag and ufrag != value:
                    raise _bad(number, "a fragment brings candidates of one ICE user fragment")
                ufrag = value
            case "mid":
                mid = value
            case "candidate":
                candidates.append(_candidate(number, mid, line))
            case _ if name == _END:
                is_end = True
    if not ufrag:
        raise BadOffer("bad_fragment", "the fragment needs a=ice-ufrag: whose candidates are they?")
    return Fragment(ufrag, tuple(candidates), is_end)


def _candidate(number: int, mid: str, line: str) -> RTCIceCandidate:
    if not mid:
        raise _bad(number, "a candidate comes after the a=mid of its media")
    try:
        candidate = candidate_from_sdp(line.strip().removeprefix("a=").removeprefix("candidate:"))
    except (ValueError, IndexError, AssertionError) as error:
        raise _bad(number, "this is no candidate (RFC 8839, 5.1)") from error
    if not 0 < candidate.port < 65_536:
        raise _bad(number, f"a candidate's port is 1 to 65535, not {candidate.port}")
    candidate.sdpMid = mid
    return candidate


def _bad(number: int, what: str) -> BadOffer:
    return BadOffer("bad_fragment", f"line {number} of the fragment: {what}")
