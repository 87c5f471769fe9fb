from __future__ import annotations

import pytest

from agent import events
from agent.events import Event
from server.load.gauge import Gauge
from server.load.ladder import Reading


class Pool:
    def __init__(self, wait: float) -> None:
        self.wait = wait


def ended(at: float, call: str = "a") -> tuple[str, Event]:
    return call, events.SpeechStopped(at=at, turn=1, speech_end=at - 0.5)


def spoken(at: float, call: str = "a") -> tuple[str, Event]:
    return call, events.ReplySpoken(at=at, turn=1, text="Yes.", seconds=1.0)


def read(*happened: tuple[str, Event], now: float) -> Reading:
    gauge = Gauge()
    for call, event in happened:
        gauge.observe(call, event)
    return gauge.read(now)


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
