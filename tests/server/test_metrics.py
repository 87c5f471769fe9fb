"""What is counted."""

from __future__ import annotations

import asyncio

from agent import events
from agent.events import Timeline
from server.metrics import LagProbe, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_calls_are_counted_while_they_last_and_by_their_end() -> None:
    metrics = Metrics()
    metrics.observe("a", events.CallStarted(at=10.0, language="en"))
    metrics.observe("b", events.CallStarted(at=11.0, language="ko"))
    assert value(metrics, "chuimsae_calls") == 2
    metrics.observe("a", events.CallEnded(at=30.0, reason="hangup"))
    assert value(metrics, "chuimsae_calls") == 1
    assert value(metrics, "chuimsae_calls_ended_total", reason="hangup") == 1
    assert value(metrics, "chuimsae_call_seconds_sum") == 20.0


def test_a_call_that_never_began_is_only_counted_as_ended() -> None:
    metrics = Metrics()
    metrics.observe("a", events.CallEnded(at=30.0, reason="never_connected"))
    assert value(metrics, "chuimsae_calls") == 0
    assert value(metrics, "chuimsae_calls_ended_total", reason="never_connected") == 1


def test_a_turn_is_measured_from_the_callers_last_speech() -> None:
    metrics = Metrics()
    timeline = Timeline(speech_end=100.0, endpoint=100.3, audible=100.35)
    turn = events.TurnFinished(
        at=102.0,
        turn=1,
        transcript="hello",
        reply="Hi.",
        interrupted=False,
        speculated=True,
        timeline=timeline,
    )
    metrics.observe("a", turn)
    assert value(metrics, "chuimsae_turns_total", outcome="finished") == 1
    name = "chuimsae_turn_moment_seconds_bucket"
    assert value(metrics, name, moment="audible", le="0.4") == 1
    assert value(metrics, name, moment="audible", le="0.3") == 0
    assert value(metrics, "chuimsae_turn_moment_seconds_count", moment="filler") is None


def test_what_happens_in_turns_is_counted() -> None:
    metrics = Metrics()
    for event in (
        events.BargedIn(at=1.0, turn=1, heard=""),
        events.FillerSpoken(at=1.0, turn=1, text="Well,"),
        events.SpeculationEnded(at=1.0, turn=1, outcome="discarded"),
        events.TurnDropped(at=1.0, turn=1, reason="noise"),
        events.StageFailed(at=1.0, turn=1, stage="llm", message="late", recovered=True),
        events.PhaseChanged(at=1.0, phase="hearing"),
    ):
        metrics.observe("a", event)
    for name in ("barge_in", "filler", "speculation_discarded"):
        assert value(metrics, "chuimsae_events_total", event=name) == 1
    assert value(metrics, "chuimsae_turns_total", outcome="dropped") == 1
    assert value(metrics, "chuimsae_stage_failures_total", stage="llm", recovered="yes") == 1


def test_the_encoding_that_was_chosen_is_counted() -> None:
    metrics = Metrics()
    metrics.observe("a", events.EncodingChanged(at=1.0, bitrate=12_000, fec=True, loss=0.3))
    metrics.observe("a", events.EncodingChanged(at=9.0, bitrate=16_000, fec=False, loss=0.0))
    assert value(metrics, "chuimsae_opus_bitrate_bucket", le="12000.0") == 1
    assert value(metrics, "chuimsae_opus_bitrate_bucket", le="16000.0") == 2
    assert value(metrics, "chuimsae_opus_expected_loss_bucket", le="0.0") == 1
    assert value(metrics, "chuimsae_opus_expected_loss_sum") == 0.3


def test_refusals_are_counted_by_code() -> None:
    metrics = Metrics()
    metrics.refused("busy")
    assert value(metrics, "chuimsae_offers_refused_total", code="busy") == 1
    assert b"chuimsae_offers_refused_total" in metrics.text()


async def test_the_lag_of_the_loop_is_measured_until_stopped() -> None:
    metrics = Metrics()
    probe = LagProbe(metrics.lag)
    probe.PERIOD = 0.01  # a test cannot wait
    probe.start()
    await asyncio.sleep(0.05)
    probe.stop()
    measured = value(metrics, "chuimsae_loop_lag_seconds_count")
    assert measured is not None and measured >= 1
    await asyncio.sleep(0.03)
    assert value(metrics, "chuimsae_loop_lag_seconds_count") == measured
    probe.stop()
