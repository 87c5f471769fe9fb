"""What is counted and measured, for Prometheus. Nothing is counted anywhere else.

`Metrics.observe` is an observer of calls' events, like the control channel and the log. All names
begin with `chuimsae_`; times are seconds.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import singledispatchmethod

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from agent import events
from agent.events import Event
from agent.load import Rung
from server.capacity import Capacity
from server.load.ladder import Reading, Strain

CONTENT_TYPE = CONTENT_TYPE_LATEST

_TURN = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 3.0, 5.0, 8.0)
_LAG = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_CALL = (1, 5, 15, 30, 60, 120, 300, 600, 1800)

MOMENTS = ("endpoint", "transcript", "first_token", "first_sound", "audible", "filler", "end")


class Metrics:
    """One registry of a server's figures."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._began: dict[str, float] = {}
        self.calls = Gauge("chuimsae_calls", "Calls now", registry=registry)
        self._ended = Counter(
            "chuimsae_calls_ended", "Calls that ended, by reason", ["reason"], registry=registry
        )
        self._refused = Counter(
            "chuimsae_offers_refused", "Offers not answered, by code", ["code"], registry=registry
        )
        self._seconds = Histogram(
            "chuimsae_call_seconds", "Length of calls", buckets=_CALL, registry=registry
        )
        self._count_turns(registry)
        self._time_the_process(registry)

    def _count_turns(self, registry: CollectorRegistry) -> None:
        self._moments = Histogram(
            "chuimsae_turn_moment_seconds",
            "From the caller's last speech to each moment of the turn",
            ["moment"],
            buckets=_TURN,
            registry=registry,
        )
        self._turns = Counter(
            "chuimsae_turns", "Turns, by how they ended", ["outcome"], registry=registry
        )
        self._happened = Counter(
            "chuimsae_events", "Things that happened in turns", ["event"], registry=registry
        )
        self._failures = Counter(
            "chuimsae_stage_failures",
            "Failures of a stage; recovered: a fallback served",
            ["stage", "recovered"],
            registry=registry,
        )

    def _time_the_process(self, registry: CollectorRegistry) -> None:
        self.lag = Histogram(
            "chuimsae_loop_lag_seconds",
            "How late the event loop is",
            buckets=_LAG,
            registry=registry,
        )
        self.lateness = Histogram(
            "chuimsae_packet_lateness_seconds",
            "How late the packets of the calls' 20 ms steps left, the last of each step",
            buckets=_LAG,
            registry=registry,
        )
        self._places = Gauge("chuimsae_calls_limit", "Calls at the same time", registry=registry)
        self._ceiling = Gauge(
            "chuimsae_memory_ceiling_bytes",
            "Memory that the server takes when every place is taken",
            registry=registry,
        )
        self._rung = Gauge(
            "chuimsae_load_rung",
            "What the server goes without: 0 nothing, 1 sparing, 2 brief, 3 canned, 4 closed",
            registry=registry,
        )
        self._strain = Gauge(
            "chuimsae_load_strain",
            "The largest share of a reading's bound; calls are refused from 1 on",
            registry=registry,
        )
        self._readings = Gauge(
            "chuimsae_load_reading_seconds",
            "What the load is judged by, by reading",
            ["reading"],
            registry=registry,
        )
        self._bitrate = Histogram(
            "chuimsae_opus_bitrate",
            "Bits per second chosen when the network asked for another encoding",
            buckets=(12_000, 16_000, 20_000, 24_000, 28_000, 32_000, 64_000),
            registry=registry,
        )
        self._prepared_for = Histogram(
            "chuimsae_opus_expected_loss",
            "Share of lost packets that the chosen encoding prepares for; 0: without FEC",
            buckets=(0.0, 0.05, 0.1, 0.2, 0.4),
            registry=registry,
        )

    def reckon(self, capacity: Capacity) -> None:
        """How many calls there is room for, and what they take."""
        self._places.set(capacity.places)
        self._ceiling.set(capacity.ceiling)

    def weigh(self, reading: Reading, felt: Strain, rung: Rung) -> None:
        """The load was read."""
        for name, seconds in asdict(reading).items():
            self._readings.labels(name).set(seconds)
        self._strain.set(felt.share)
        self._rung.set(rung)

    def refused(self, code: str) -> None:
        """An offer was not answered."""
        self._refused.labels(code).inc()

    def observe(self, call_id: str, event: Event) -> None:
        """Count what happened in a call."""
        if isinstance(event, events.CallStarted):
            self._began[call_id] = event.at
            self.calls.inc()
        elif isinstance(event, events.CallEnded):
            self._ended.labels(event.reason).inc()
            began = self._began.pop(call_id, None)
            if began is not None:
                self.calls.dec()
                self._seconds.observe(event.at - began)
        else:
            self._count(event)

    @singledispatchmethod
    def _count(self, event: Event) -> None:
        """Most events are no figure of their own."""

    @_count.register
    def _(self, event: events.TurnFinished) -> None:
        self._turns.labels("interrupted" if event.interrupted else "finished").inc()
        for moment in MOMENTS:
            at = getattr(event.timeline, moment)
            if at is not None:
                self._moments.labels(moment).observe(at - event.timeline.speech_end)

    @_count.register
    def _(self, event: events.TurnDropped) -> None:
        self._turns.labels("dropped").inc()

    @_count.register
    def _(self, event: events.BargedIn) -> None:
        self._happened.labels("barge_in").inc()

    @_count.register
    def _(self, event: events.EncodingChanged) -> None:
        self._bitrate.observe(event.bitrate)
        self._prepared_for.observe(event.loss if event.fec else 0.0)

    @_count.register
    def _(self, event: events.KeyPressed) -> None:
        self._happened.labels("key").inc()

    @_count.register
    def _(self, event: events.CallerBack) -> None:
        self._happened.labels("resumed").inc()

    @_count.register
    def _(self, event: events.FillerSpoken) -> None:
        self._happened.labels("filler").inc()

    @_count.register
    def _(self, event: events.SpeculationEnded) -> None:
        self._happened.labels(f"speculation_{event.outcome}").inc()

    @_count.register
    def _(self, event: events.StageFailed) -> None:
        self._failures.labels(event.stage, "yes" if event.recovered else "no").inc()

    def text(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self.registry)


class LagProbe:
    """Measures how late the loop is, four times a second, from `start` to `stop`."""

    PERIOD = 0.25

    def __init__(self, lag: Histogram) -> None:
        self._lag = lag
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Call on the running loop."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + self.PERIOD, self._look, loop.time() + self.PERIOD)

    def stop(self) -> None:
        """Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, due: float) -> None:
        self._lag.observe(max(0.0, asyncio.get_running_loop().time() - due))
        self.start()
