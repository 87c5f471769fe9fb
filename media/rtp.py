"""The short way through aiortc: from the datagram to the decoder, from the encoder to the datagram.

With its halves, `media/inward.py` and `media/outward.py`, the one place that uses the insides of
aiortc and aioice. On the stock way each datagram is tried as STUN, queued, parsed into objects,
held back by a fixed buffer and decoded in a thread to 48 kHz stereo; each packet sent wakes a task
per call. Here a datagram that carries media goes from the socket through SRTP and our reorder
buffer to 16 kHz sound in one step, and the common pacer sends what the speaker says. Everything
else stays aiortc's: ICE, DTLS, RTCP with its reports (whose counters are kept fed), NACKs,
statistics and the shutdown.

It hooks single objects, never classes: other connections of the process are not touched.
`media/insides.py` says whether the insides are those known here; if not, the call takes the stock
way.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Sequence
from typing import Any

from aiortc import RTCRtpTransceiver
from aiortc.sdp import SessionDescription
from OpenSSL import SSL

from media.audio import Samples
from media.datagrams import Datagrams
from media.dtmf import TELEPHONE_EVENT, Key
from media.inward import Inward
from media.leaving import Leaving, Mouth
from media.outward import Outward
from media.reception import Reception

_EVENT_RATE = 8_000


def codec_spoken(transceiver: RTCRtpTransceiver) -> str | None:
    """The name of the codec that was negotiated for sending; None when that cannot be told."""
    codecs = getattr(transceiver, "_codecs", None)
    return codecs[0].name if codecs else None


def accept_keys(transceiver: RTCRtpTransceiver, offer: str) -> bool:
    """Have the answer take the telephone events that the offer brings; whether it brings any.

    To be called between the offer and the answer. aiortc knows no such codec and would leave it
    out; its decoder thread would die of it, so this is for the short way alone."""
    for media in SessionDescription.parse(offer).media:
        if media.kind != "audio" or media.rtp.muxId != transceiver.mid:
            continue
        for codec in media.rtp.codecs:
            if codec.name.lower() == TELEPHONE_EVENT and codec.clockRate == _EVENT_RATE:
                transceiver._codecs.append(copy.deepcopy(codec))
                return True
    return False


class ShortPath:
    """One call's way. Made before the connection starts to send and receive."""

    def __init__(
        self,
        transceiver: RTCRtpTransceiver,
        speaker: Mouth,
        deliver: Callable[[Samples], None],
        on_key: Callable[[Key], None] | None = None,
    ) -> None:
        self.ended = asyncio.Event()
        """Set when the caller's audio has ended: hung up, said goodbye or lost."""
        self._speaker = speaker
        self._deliver = deliver
        self._on_key = on_key
        self._loop = asyncio.get_running_loop()
        self._receiver: Any = transceiver.receiver
        self._sender: Any = transceiver.sender
        self._ice: Any = transceiver.receiver.transport.transport._connection
        self._at_beat: Datagrams | None = None
        """The socket that is read by `hear()`."""
        self._has_heard, self._steps = False, 0
        self._inward: Inward | None = None
        self._outward: Outward | None = None
        self._leaving: Leaving | None = None
        self._hook(self._receiver, "receive", self._receive)
        self._hook(self._receiver, "_RTCRtpReceiver__stop_decoder", self._stop_decoder)
        self._hook(self._sender, "send", self._send)
        self._hook(self._sender, "stop", self._stop_sending)
        dtls: Any = transceiver.receiver.transport
        certificate = dtls._RTCDtlsTransport__local_certificate
        self._hook(certificate, "_create_ssl_context", _without_idle_buffers)
        speaker.track.hand_over()

    @property
    def reception(self) -> Reception | None:
        """What arrives; None until the connection is up."""
        return self._inward.reception if self._inward else None

    @property
    def may_rest(self) -> bool:
        """Whether packets that are read later are heard as if they had been read at once. What the
        loop reads (by TURN) is heard at once, and its silence filled step by step."""
        if self._at_beat is None or self._inward is None:
            return False
        return self._inward.is_compiled

    @property
    def waits(self) -> Sequence[float]:
        """Seconds for which the last packets waited in the socket; none where that is not known."""
        return self._inward.waits if self._inward is not None else ()

    def forget_waits(self) -> None:
        """The beat has moved."""
        if self._inward is not None:
            self._inward.forget_waits()

    def hear(self) -> None:
        """Read what has come. From the first time on the loop no longer watches the socket: to be
        called every 20 or 40 ms, until `rest()`."""
        if self._inward is None:
            return
        pair = self._ice._nominated.get(1)
        transport = pair.protocol.transport if pair is not None else None
        if transport is not self._at_beat:
            self._take_over(transport)
        if self._at_beat is not None:
            self._inward.read(self._at_beat)
        self._has_heard = True

    def rest(self) -> None:
        """Nobody calls `hear()` or `step()` any more: the loop watches the socket again, nothing
        leaves by itself."""
        self._stop()
        self._take_over(None)

    def _take_over(self, transport: Any) -> None:
        """Read this transport at the beat instead of the one before, if it can be read at will: a
        connection to a TURN server cannot, and the loop goes on watching it."""
        if self._at_beat is not None:
            self._at_beat.watch()
        self._at_beat = transport if isinstance(transport, Datagrams) else None
        if self._at_beat is not None:
            self._at_beat.stamp()
            self._at_beat.unwatch()

    def step(self, tick: int, due: float) -> float | None:
        """20 ms pass, the step of that number, which was due then by the loop's clock. When its
        packet has left by itself: how many seconds after its time."""
        self._steps += 1
        if self._inward is not None and (self._has_heard or self._at_beat is None):
            # Otherwise what seems to be missing may be in the socket.
            self._inward.reception.tick(self._loop.time(), self._steps)
            self._has_heard, self._steps = False, 0
        if self._leaving is None or self._outward is None:
            return None
        if self._speaker.is_closed or not self._outward.is_open:
            self._stop()
            return None
        return self._leaving.step(tick, due)

    def take_back(self) -> None:
        """What leaves next will come otherwise than `prepare` of the speaker told."""
        if self._leaving is not None:
            self._leaving.take_back()

    def _stop(self) -> None:
        if self._leaving is not None:
            self._leaving.end()
        self._leaving = self._outward = None

    @staticmethod
    def _hook(target: Any, name: str, replacement: Callable[..., Any]) -> None:
        stock = getattr(target, name)

        def hooked(*arguments: Any, **named: Any) -> Any:
            return replacement(stock, *arguments, **named)

        setattr(target, name, hooked)

    async def _receive(self, stock: Callable[..., Any], parameters: Any) -> None:
        await stock(parameters)
        if self._inward is None and not self.ended.is_set():
            self._end_decoder_thread()
            self._inward = Inward(self._receiver, parameters, self._deliver, self._on_key)

    def _end_decoder_thread(self) -> None:
        """aiortc has just started a thread that will get nothing to decode."""
        type(self._receiver)._RTCRtpReceiver__stop_decoder(self._receiver)

    def _stop_decoder(self, stock: Callable[[], None]) -> None:
        """aiortc's one way to end reception: on stop, on BYE, on a lost transport."""
        stock()
        if self._inward is not None:
            self._inward.close()
            self._inward = None
            # The thread would have told the track so.
            self._receiver._track._queue.put_nowait(None)
        self.ended.set()

    async def _send(self, stock: Callable[..., Any], parameters: Any) -> None:
        await stock(parameters)
        if self._outward is None:
            codec = parameters.codecs[0]
            self._speaker.speak_codec(codec.name)
            self._outward = Outward(self._sender, codec, parameters.muxId)
            self._leaving = Leaving(self._speaker, self._outward)

    async def _stop_sending(self, stock: Callable[..., Any]) -> None:
        self._stop()
        await stock()
        self.ended.set()


def _without_idle_buffers(stock: Callable[..., SSL.Context], **named: Any) -> SSL.Context:
    """A context whose connections hold OpenSSL's two record buffers, 33 KB, only while data passes:
    media does not pass there."""
    context = stock(**named)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context
