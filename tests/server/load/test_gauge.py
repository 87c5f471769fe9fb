from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent import events
from agent.errors import Stage
from agent.events import Event
from server.load.gauge import Gauge
from server.load.ladder import LoadBounds, Reading, strain


class Pool:
    def __init__(self, wait: float) -> None:
        self.wait = wait


def ended(at: float, call: str = "a") -> tuple[str, Event]:
    return call, events.SpeechStopped(at=at, turn=1, speech_end=at - 0.5)


def spoken(at: float, call: str = "a") -> tuple[str, Event]:
    return call, events.ReplySpoken(at=at, turn=1, text="Yes.", seconds=1.0)


def started(at: float, call: str) -> tuple[str, Event]:
    return call, events.SpeechStarted(at=at, turn=1, onset=at - 0.2)


def read(*happened: tuple[str, Event], now: float) -> Reading:
    """With somebody beside who speaks all the time."""
    return watched(started(0.0, "beside"), *happened).read(now)


def watched(*happened: tuple[str, Event], pools: Sequence[tuple[Stage, Pool]] = ()) -> Gauge:
    gauge = Gauge(pools)
    for call, event in happened:
        gauge.observe(call, event)
    return gauge


def test_nothing_is_read_where_nothing_happens() -> None:
    assert Gauge().read(100.0) == Reading()


def test_the_longest_queue_of_a_stage_is_its_reading() -> None:
    gauge = Gauge([("stt", Pool(0.1)), ("stt", Pool(0.4)), ("tts", Pool(0.2))])
    assert gauge.read(0.0) == Reading(stt=0.4, tts=0.2)


def test_one_late_moment_is_no_lag_and_many_are() -> None:
    gauge = Gauge()
    for step in range(40):
        gauge.lag(0.5 if step == 10 else 0.001, step * 0.05)
        gauge.lateness(0.5 if step == 10 else 0.001, step * 0.05)
    assert gauge.read(2.0) == Reading(loop_lag=0.001, packets=0.001)
    for step in range(40):
        gauge.lag(0.2, 2.0 + step * 0.05)
    assert gauge.read(4.0).loop_lag == 0.2


def test_what_was_long_ago_is_forgotten() -> None:
    gauge = Gauge()
    gauge.lag(0.5, 0.0)
    gauge.lateness(0.5, 0.0)
    assert gauge.read(1.0).packets == 0.5
    assert gauge.read(2.5) == Reading()


def test_a_callers_wait_lasts_from_their_turns_end_to_the_replys_first_sound() -> None:
    assert read(ended(10.0), spoken(10.4), now=11.0).first_sound == pytest.approx(0.4)


def test_later_sentences_of_a_reply_are_no_wait() -> None:
    assert read(ended(10.0), spoken(10.4), spoken(19.0), now=19.0).first_sound < 0.5


def test_who_still_waits_is_seen_before_they_have_heard_anything() -> None:
    assert read(ended(10.0), now=14.0).first_sound == pytest.approx(4.0)


@pytest.mark.parametrize(
    "event",
    [
        events.SpeechStarted(at=11.0, turn=2, onset=10.8),
        events.TurnDropped(at=11.0, turn=1, reason="noise"),
        events.CallEnded(at=11.0, reason="hangup"),
        events.CallerAway(at=11.0),
    ],
)
def test_nobody_waits_who_goes_on_or_has_gone(event: Event) -> None:
    assert read(ended(10.0), ("a", event), now=14.0).first_sound == 0.0


def test_one_long_wait_among_many_is_not_the_reading_but_a_tenth_of_them_is() -> None:
    def waits(*seconds: float) -> float:
        happened = []
        for number, wait in enumerate(seconds):
            happened += [ended(10.0, str(number)), spoken(10.0 + wait, str(number))]
        return read(*happened, now=12.0).first_sound

    assert waits(*[0.3] * 19, 2.0) == pytest.approx(0.3)
    assert waits(*[0.3] * 17, 2.0, 2.0, 2.0) == pytest.approx(2.0)


def test_what_a_caller_waits_alone_is_no_load() -> None:
    gauge = watched(ended(10.0), spoken(16.0), ended(30.0), spoken(34.0))
    assert gauge.read(35.0) == Reading(alone_first_sound=5.0)
    assert watched(ended(10.0)).read(19.0) == Reading()


@pytest.mark.parametrize(
    "other",
    [
        started(11.0, "b"),
        ended(11.0, "b"),
        started(9.0, "b"),
    ],
    ids=["begins to speak", "begins to wait", "was speaking"],
)
def test_a_wait_beside_another_caller_counts(other: tuple[str, Event]) -> None:
    happened = sorted([ended(10.0), other], key=lambda each: each[1].at)
    assert watched(*happened, spoken(16.0)).read(17.0).first_sound >= 6.0


def test_the_model_that_a_lone_caller_waits_for_is_no_load() -> None:
    pool = Pool(wait=3.0)
    gauge = watched(ended(10.0), pools=[("llm", pool)])
    assert gauge.read(13.0).llm == 0.0
    for call, event in (spoken(14.0), ended(20.0), ended(20.5, "b")):
        gauge.observe(call, event)
    pool.wait = 4.0
    read = gauge.read(24.0)
    assert (read.llm, read.alone_llm) == (4.0, 3.0)


def test_a_slow_model_leaves_its_callers_what_is_prepared_for_them() -> None:
    """To go without it would make them wait for longer, and look like more load."""
    slow = [event for at in range(0, 100, 20) for event in (ended(at), spoken(at + 2.6))]
    gauge = watched(*slow, ended(100.0), started(101.0, "b"), spoken(102.6))
    assert strain(gauge.read(103.0), LoadBounds()).share == pytest.approx(0.0)


def test_the_bound_is_the_bound_whatever_a_lone_caller_waits() -> None:
    for alone in (0.0, 0.5, 2.0):
        reading = Reading(first_sound=3.0, alone_first_sound=alone)
        assert strain(reading, LoadBounds(first_sound=3.0)).share == pytest.approx(1.0)


def test_a_model_slower_than_the_bound_is_strained_by_others_all_the_same() -> None:
    def share(first_sound: float) -> float:
        reading = Reading(first_sound=first_sound, alone_first_sound=5.0)
        return strain(reading, LoadBounds(first_sound=3.0)).share

    assert share(5.0) == 0.0
    assert share(5.5) == pytest.approx(0.5)
    assert share(9.0) > 1.0
