"""One peer: its offer answered, its audio brought to the microphone, the speaker's taken to it.

A `Peer` is made per offer. `answer()` negotiates, `connected()` waits for the media to flow,
`run()` carries it until the peer is gone and says why, `close()` frees everything, once. Only audio
is taken: other media in the offer is answered as inactive.

aioice needs 30 s to notice that a peer vanished, so the packets themselves are watched. The
microphone and the speaker belong to the call, and outlive the peer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Literal

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSctpTransport,
    RTCSessionDescription,
)

from media.adaptation import Choice
from media.dtmf import Key
from media.line import Line, LineSettings
from media.microphone import Inlet, Intake
from media.pacer import Pacer
from media.speaker import Speaker
from signaling.errors import BadOffer
from signaling.gathering import Gatherer
from signaling.ice import IceSettings, is_candidate_allowed, screen
from signaling.nomination import follow_nominations
from signaling.offer import MALFORMED, check_offer, ice_users, longest_message
from signaling.trickle import Fragment, RestartRefused, StaleConnection

log = logging.getLogger(__name__)

Gone = Literal["left", "failed", "flooded", "never_connected"]
"""Why a peer is no longer there."""

WAITING_MESSAGES = 256
"""Messages kept for a control channel that is not open yet; the oldest are dropped."""
UNREAD_BYTES = 1 << 20
"""Bytes that may wait in a channel whose client does not read. With more it is hung up on, as one
that floods us is: no message is left out between two others."""
LOOK_EVERY = 0.5
"""Seconds from one look at the packet counter to the next."""
SCTP_WINDOW = 1 << 20
"""Bytes that aiortc says it takes before a message is whole; it does not hold a peer to it."""
UNFINISHED_BYTES = 1_024_000
"""Bytes of one unfinished message that make a peer a nuisance: every further packet of it costs
aiortc a walk over all that came before. A megabyte, however slowly it comes, is still answered as
too large; and it is less than the window, at which a sender stops."""


class Peer:
    """One RTCPeerConnection of the server's. Not reusable."""

    def __init__(
        self,
        *,
        settings: IceSettings,
        gatherer: Gatherer,
        microphone: Intake,
        speaker: Speaker,
        pacer: Pacer,
        on_message: Callable[[str | bytes], None],
        on_channel: Callable[[str], None] = lambda label: None,
        on_quiet: Callable[[bool], None] = lambda quiet: None,
        line: LineSettings | None = None,
        on_choice: Callable[[Choice], None] | None = None,
        on_key: Callable[[Key], None] | None = None,
    ) -> None:
        """`on_channel` is told the label of each data channel that is opened, before anything is
        sent over it; `on_quiet` when no packet has come for a while (True), and when one has again.
        """
        self._settings = settings
        self._gatherer = gatherer
        self._microphone = Inlet(microphone)
        self._speaker = speaker
        self._pacer = pacer
        self._line_settings = line
        self._on_choice = on_choice
        self._on_key = on_key
        self._on_message = on_message
        self._on_channel = on_channel
        self._on_quiet = on_quiet
        self._channel: RTCDataChannel | None = None
        self._waiting: deque[str] = deque(maxlen=WAITING_MESSAGES)
        self._changed = asyncio.Event()
        self._is_closed = False
        self._is_flooded = False
        """It sends what never ends, or does not read."""
        self._callers: frozenset[str] = frozenset()
        self._named = 0
        self._has_candidates = False
        self._etag = ""
        self.longest_message = 0
        """Bytes of a message that the peer takes: a longer one would stop its channel for good."""
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=settings.rtc_servers()))
        self._pc.on("connectionstatechange", self._changed.set)
        self._pc.on("datachannel", self._take_channel)

    async def answer(self, sdp: str) -> str:
        """The SDP that answers an offer. Raises BadOffer, OfferTooLarge, CallRefused (no port)."""
        offer = screen(sdp, self._settings)
        check_offer(offer)
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            self._take_audio(offer)
            self._gatherer.prepare(self._pc)
            follow_nominations(self._pc)
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except MALFORMED as error:
            raise BadOffer("bad_sdp", f"the SDP cannot be used: {error}") from error
        self._callers = ice_users(offer)
        self.longest_message = longest_message(offer)
        self._named = offer.count("a=candidate:")
        self._has_candidates = self._named > 0
        local = str(self._pc.localDescription.sdp)
        self._etag = f'"{"-".join(sorted(ice_users(local)))}"'
        return local

    @property
    def etag(self) -> str:
        """Names the ICE session that `answer` began, as HTTP quotes it; empty before."""
        return self._etag

    async def trickle(self, fragment: Fragment, etag: str) -> None:
        """Try more of the peer's candidates. `etag`: the connection that is meant; `*`: this one.

        Raises StaleConnection, RestartRefused, or BadOffer when there are too many."""
        if etag not in ("*", self._etag):
            raise StaleConnection
        if fragment.ufrag not in self._callers:
            raise RestartRefused
        self._named += len(fragment.candidates)
        if self._named > self._settings.max_candidates:
            raise BadOffer(
                "too_many_candidates",
                f"at most {self._settings.max_candidates} candidates of a peer are tried",
            )
        for candidate in fragment.candidates:
            if candidate.protocol.lower() == "udp" and candidate.component == 1:
                if is_candidate_allowed(candidate.ip, self._settings):
                    self._has_candidates = True
                    await self._pc.addIceCandidate(candidate)
        if fragment.is_end and self._has_candidates:
            # With none that may be tried, its own checks tell where it is: see `screen`.
            await self._pc.addIceCandidate(None)

    async def connected(self) -> Gone | None:
        """Wait until the media can flow; why not, if it never will."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                while self._pc.connectionState in ("new", "connecting"):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return "never_connected"
        return self.gone

    async def run(self) -> Gone:
        """Carry the media of a connected peer until it is gone; say why."""
        async with asyncio.TaskGroup() as tasks:
            carrier = tasks.create_task(self._line.run())
            reason = await self._watch()
            carrier.cancel()
        return reason

    def send(self, message: str) -> None:
        """Put a message on the control channel. Kept while it opens; see UNREAD_BYTES."""
        channel = self._channel
        if channel is None or channel.readyState == "connecting":
            self._waiting.append(message)
        elif channel.readyState == "open" and not self._is_flooded:
            channel.send(message)
            if channel.bufferedAmount > UNREAD_BYTES:
                self._is_flooded = True
                self._changed.set()

    @property
    def gone(self) -> Gone | None:
        """Why the connection is no more; None while it is there or being made."""
        if self._pc.connectionState in ("new", "connecting", "connected"):
            return None
        return "failed" if self._pc.connectionState == "failed" else "left"

    async def flush(self, seconds: float) -> None:
        """Wait, `seconds` at most, until the channel is open and what was sent is on its way."""
        try:
            async with asyncio.timeout(seconds):
                while self._waiting and self._pc.connectionState == "connected":
                    self._changed.clear()
                    await self._changed.wait()
                await self._emptied()
        except TimeoutError:
            log.debug("The control channel did not take its last messages")

    async def _emptied(self) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open" or not channel.bufferedAmount:
            return
        empty = asyncio.Event()
        channel.once("bufferedamountlow", empty.set)
        channel.once("close", empty.set)
        await empty.wait()

    async def close(self) -> None:
        """Free the sockets, threads and tasks of the connection. Idempotent.

        Not to be cancelled half-way: aiortc's decoder threads would keep the process alive."""
        if self._is_closed:
            return
        self._is_closed = True
        self._microphone.close()
        try:
            await self._pc.close()
        except MALFORMED:
            # One that was never usable, and so has neither sockets nor threads.
            log.warning("A peer connection could not be closed", exc_info=True)

    # -- negotiation ----------------------------------------------------------------------------

    def _take_audio(self, offer: str) -> None:
        """The offer's first audio is the call; whatever else it offers stays inactive."""
        audio = [each for each in self._pc.getTransceivers() if each.kind == "audio"]
        self._audio: RTCRtpTransceiver = audio[0]
        for transceiver in self._pc.getTransceivers():
            if transceiver is not self._audio:
                transceiver.direction = "inactive"
        self._audio.direction = "sendrecv"
        self._line = Line(
            self._audio,
            microphone=self._microphone,
            speaker=self._speaker,
            pacer=self._pacer,
            settings=self._line_settings,
            on_choice=self._on_choice,
            offer=offer,
            on_key=self._on_key,
        )

    # -- the control channel --------------------------------------------------------------------

    def _take_channel(self, channel: RTCDataChannel) -> None:
        """The channel that was opened last is the one spoken on: a page may open a new one."""
        self._channel = channel
        channel.on("message", self._on_message)
        self._on_channel(channel.label)
        while self._waiting:
            self.send(self._waiting.popleft())
        self._changed.set()

    # -- is it still there? ---------------------------------------------------------------------

    async def _watch(self) -> Gone:
        clock = asyncio.get_running_loop().time
        received, last_packet, is_quiet = 0, clock(), False
        while self._pc.connectionState == "connected" and not self._is_flooded:
            self._changed.clear()
            try:
                async with asyncio.timeout(min(LOOK_EVERY, self._settings.silent_timeout / 4)):
                    await self._changed.wait()
            except TimeoutError:
                if unfinished_bytes(self._pc.sctp) > UNFINISHED_BYTES:
                    self._is_flooded = True
                total = await packets_received(self._audio.receiver)
                if total != received:
                    received, last_packet = total, clock()
                was_quiet = is_quiet
                is_quiet = clock() - last_packet > self._settings.silent_timeout
                if is_quiet != was_quiet:
                    self._on_quiet(is_quiet)
        return "flooded" if self._is_flooded else self.gone or "left"


async def packets_received(receiver: RTCRtpReceiver) -> int:
    """RTP packets of media that have arrived."""
    report = await receiver.getStats()
    return sum(stats.packetsReceived for stats in report.values() if stats.type == "inbound-rtp")


def unfinished_bytes(sctp: RTCSctpTransport | None) -> int:
    """Bytes that arrived for messages that are not whole yet; 0 where aiortc does not tell."""
    return SCTP_WINDOW - getattr(sctp, "_advertised_rwnd", SCTP_WINDOW)
