"""Where the media may flow: addresses, UDP ports, STUN and TURN, and which candidates are tried.

aioice gathers every address but loopback, on random ports, and tries whatever a peer names. Here
the operator chooses the addresses (loopback too), the port range and the advertised address (NAT
1:1), and a peer cannot make the server knock on link-local, metadata or too many doors.

The settings and the policy are here; `signaling/gathering.py` makes aioice follow them.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import time
from typing import Annotated

from aiortc import RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri
from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from signaling.errors import BadOffer, OfferTooLarge

OWN = "chuimsae"
"""By which coturn's log knows the server itself."""
METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")
)
"""Where clouds tell a machine its secrets (besides 169.254.169.254, which is link-local)."""


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _ice_url(text: str) -> str:
    try:
        parse_stun_turn_uri(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no address of a STUN or TURN server; it looks like stun:host:3478"
        ) from error
    return text


Address = Annotated[str, AfterValidator(_address)]
IceUrl = Annotated[str, AfterValidator(_ice_url)]


class IceServer(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """A STUN or TURN server, as browsers write it."""

    urls: tuple[IceUrl, ...]
    """Such as `stun:host:3478`, `turn:host:3478?transport=udp`."""
    username: str = ""
    """For TURN."""
    credential: str = Field(default="", repr=False)
    """For TURN."""


class TurnServerSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `ice.turn`: a coturn with `use-auth-secret`, for callers behind strict firewalls."""

    urls: tuple[IceUrl, ...] = ()
    """Such as "turn:turn.example.org:3478", "turns:turn.example.org:5349?transport=tcp"."""
    secret: SecretStr = SecretStr("")
    """coturn's `static-auth-secret`. It never leaves the server: callers get credentials that are
    good for a time."""
    ttl: int = Field(default=7200, ge=60, le=604_800)
    """Seconds that a credential is good for; longer than a call (`limits.call_seconds`)."""
    own: bool = False
    """Whether the server's own side of a call may go by TURN, too."""

    @model_validator(mode="after")
    def _are_whole(self) -> TurnServerSettings:
        if bool(self.urls) != bool(self.secret.get_secret_value()):
            raise ValueError("set ice.turn.urls and ice.turn.secret, or neither")
        return self


def turn_credential(settings: TurnServerSettings, user: str, now: float) -> tuple[str, str]:
    """A username and its credential, as coturn's TURN REST API has them
    (draft-uberti-behave-turn-rest-00): the username says when it ends, the HMAC that we said so."""
    username = f"{int(now) + settings.ttl}:{user}"
    key = settings.secret.get_secret_value().encode()
    return username, base64.b64encode(hmac.digest(key, username.encode(), "sha1")).decode()


class IceSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `ice`: how the media of a call reaches the server."""

    bind: tuple[Address, ...] = ()
    """Addresses to take media on; empty: every one of this machine (loopback if no other)."""
    advertised: Address | None = None
    """Address told to callers instead of the bound one (NAT 1:1, containers)."""
    port_min: int = Field(default=0, ge=0, le=65_535)
    """First UDP port for media; 0: any free one."""
    port_max: int = Field(default=0, ge=0, le=65_535)
    """Last UDP port for media; each call takes one per address."""
    servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers, for the server itself and for its page; none by default."""
    turn: TurnServerSettings = TurnServerSettings()
    gather_timeout: float = Field(default=1.0, gt=0, le=10)
    """Seconds that STUN and TURN servers are waited for before the answer is given without."""
    connect_timeout: float = Field(default=15.0, gt=0, le=120)
    """Seconds within which a peer must be connected."""
    silent_timeout: float = Field(default=3.0, gt=0, le=600)
    """Seconds without a single media packet after which a caller is taken to be away: the agent
    waits for them, for `server.resume_within` seconds."""
    max_candidates: int = Field(default=32, ge=1, le=256)
    """Candidates of a peer that are taken, in its offer and later."""
    max_sdp: int = Field(default=65_536, ge=1024, le=1_048_576)
    """Bytes of an offer at most."""

    @model_validator(mode="after")
    def _ports_are_a_range(self) -> IceSettings:
        if (self.port_min == 0) != (self.port_max == 0) or self.port_min > self.port_max:
            raise ValueError(
                f"port_min {self.port_min} and port_max {self.port_max} are no range: "
                "set both, or neither"
            )
        return self

    @property
    def plain(self) -> bool:
        """Whether aioice's own gathering does what these settings ask for."""
        return not (self.bind or self.advertised or self.port_min)

    def servers_for(self, user: str, now: float) -> tuple[IceServer, ...]:
        """What a caller is told to use; `user` names them in coturn's log, `now`: since 1970."""
        if not self.turn.urls:
            return self.servers
        username, credential = turn_credential(self.turn, user, now)
        ours = IceServer(urls=self.turn.urls, username=username, credential=credential)
        return (*self.servers, ours)

    def rtc_servers(self) -> list[RTCIceServer]:
        """For aiortc. Never None, which would mean a public STUN server."""
        own = self.servers_for(OWN, time.time()) if self.turn.own else self.servers
        return [
            RTCIceServer(
                urls=list(server.urls),
                username=server.username or None,
                credential=server.credential or None,
            )
            for server in own
        ]


def screen(sdp: str, settings: IceSettings) -> str:
    """The offer without the candidates that this server does not knock at.

    When none is left it promises no end of them either: the peer's own checks, which are waited
    for, will tell where it is (a peer-reflexive candidate, RFC 8445, 7.3.1.3).

    Raises OfferTooLarge, or BadOffer when it names more candidates than are taken.
    """
    size = len(sdp.encode())
    if size > settings.max_sdp:
        raise OfferTooLarge(
            "sdp_too_large", f"the SDP has {size} bytes; at most {settings.max_sdp} are read"
        )
    lines = sdp.splitlines()
    named = sum(line.startswith("a=candidate:") for line in lines)
    if named > settings.max_candidates:
        raise BadOffer(
            "too_many_candidates",
            f"the SDP names {named} candidates; at most {settings.max_candidates} are taken",
        )
    kept = [line for line in lines if not _is_refused_candidate(line, settings)]
    if not any(line.startswith("a=candidate:") for line in kept):
        kept = [line for line in kept if line.strip() != "a=end-of-candidates"]
    return "\r\n".join(kept) + "\r\n"


def _is_refused_candidate(line: str, settings: IceSettings) -> bool:
    fields = line.split()
    if not line.startswith("a=candidate:") or len(fields) < 6:
        return False
    return not is_candidate_allowed(fields[4], settings)


def is_candidate_allowed(host: str, settings: IceSettings) -> bool:
    """Whether a peer's candidate at `host` may be tried; it must be an address.

    A name is none: aioice asks the whole network for an mDNS name, and holds the answer back for a
    second. A browser that hides its address behind one finds this server all the same."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return any(ipaddress.ip_address(bound).is_loopback for bound in settings.bind)
    return not (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in METADATA
        or address == ipaddress.ip_address("255.255.255.255")
    )
