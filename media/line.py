"""A call's audio line: the caller's sound into the microphone, the speaker's out, by the best way.

The short way (media/rtp.py) where aiortc is as known, the stock way otherwise; both do the same.
Made when the transceiver is there and before the connection starts; `run()` lasts as long as the
caller's audio does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import cache
from typing import Literal

from aiortc import RTCRtpTransceiver
from pydantic import BaseModel

from media import rtp
from media.adaptation import AdaptationSettings, Choice
from media.audio import Samples
from media.dtmf import Key
from media.feedback import follow_reports
from media.insides import misfit
from media.listening import listen
from media.microphone import Chunker, Intake
from media.pacer import Pacer
from media.phase import advance
from media.speaker import Speaker

log = logging.getLogger(__name__)


class LineSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `line`: how the audio of a call travels."""

    path: Literal["short", "stock"] = "short"
    """`short`: through aiortc by the shortest way, where its version is a known one; `stock`:
    aiortc's own, at several times the CPU."""
    adaptation: AdaptationSettings = AdaptationSettings()
    """How the encoding follows what the caller's network reports."""


class Line:
    """One call's audio, in both directions."""

    def __init__(
        self,
        transceiver: RTCRtpTransceiver,
        *,
        microphone: Intake,
        speaker: Speaker,
        pacer: Pacer,
        settings: LineSettings | None = None,
        on_choice: Callable[[Choice], None] | None = None,
        offer: str | None = None,
        on_key: Callable[[Key], None] | None = None,
    ) -> None:
        """Takes the transceiver's sender for the speaker.

        `on_choice` is told when the encoding was adapted to the network, `on_key` each telephone
        key that the caller pressed: it needs the SDP of the `offer`, and the short way."""
        self._transceiver = transceiver
        self._microphone = microphone
        self._speaker = speaker
        self._pacer = pacer
        settings = settings or LineSettings()
        self._adaptation = settings.adaptation
        self._on_choice = on_choice
        self._chunker = Chunker()
        self._short: rtp.ShortPath | None = None
        transceiver.sender.replaceTrack(speaker.new_track())
        if settings.path == "short" and _fits(transceiver):
            self._short = rtp.ShortPath(transceiver, speaker, self._hear, on_key)
            if offer is not None and on_key is not None:
                rtp.accept_keys(transceiver, offer)

    @property
    def path(self) -> Literal["short", "stock"]:
        """The way that was taken."""
        return "stock" if self._short is None else "short"

    async def run(self) -> None:
        """Carry the audio until the caller's ends; then the microphone is closed."""
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(
                follow_reports(
                    self._transceiver.sender,
                    self._speaker,
                    settings=self._adaptation,
                    on_choice=self._on_choice,
                )
            )
            if self._short is None:
                if (codec := rtp.codec_spoken(self._transceiver)) is not None:
                    self._speaker.speak_codec(codec)
                await listen(self._transceiver.receiver.track, self._microphone)
            else:
                await self._run_short(self._short)
            following.cancel()

    async def _run_short(self, short: rtp.ShortPath) -> None:
        failures: list[Exception] = []

        def fail(error: Exception) -> None:
            failures.append(error)
            short.ended.set()

        leave = self._pacer.join(short.step, fail, self._read, self._rests, self._advance)
        self._speaker.on_play = wake = self._pacer.wake
        self._speaker.before_change = take_back = short.take_back
        try:
            await short.ended.wait()
        finally:
            leave()
            if self._speaker.on_play == wake:
                self._speaker.on_play = None
            if self._speaker.before_change == take_back:
                self._speaker.before_change = None
            short.rest()
            self._microphone.close()
        if failures:
            raise failures[0]

    def _read(self) -> bool:
        """Whether what is heard may be answered at once: not while the agent speaks, nor while
        nobody waits for the end of a turn."""
        if self._short is not None:
            self._short.hear()
        return not (self._speaker.is_speaking or self._microphone.is_patient)

    def _rests(self) -> bool:
        """Nothing is to be said, and what is heard may wait a little."""
        return (
            self._microphone.is_patient
            and self._speaker.is_at_rest
            and self._short is not None
            and self._short.may_rest
        )

    def _advance(self) -> float:
        """By how much sooner the beat had better come. Not while the caller would hear it move."""
        if self._short is None or not self._speaker.is_at_rest:
            return 0.0
        sooner = advance(self._short.waits)
        if sooner:
            self._short.forget_waits()  # they were those of another beat
        return sooner

    def _hear(self, samples: Samples) -> None:
        for chunk in self._chunker.feed(samples):
            self._microphone.put(chunk)


def _fits(transceiver: RTCRtpTransceiver) -> bool:
    why = misfit(transceiver)
    if why is not None:
        _warn_once(why)
    return why is None


@cache
def _warn_once(why: str) -> None:
    log.warning("the short media path is off, calls take aiortc's own", extra={"why": why})
