"""The circuit breaker, as a table of what happened and where it stands."""

from __future__ import annotations

import pytest

from agent.engines.resilience import Breaker, Circuit


def opened() -> Breaker:
    breaker = Breaker(failures=2, rest=10.0)
    breaker.failed(1.0)
    breaker.failed(2.0)
    return breaker


def test_one_failure_is_forgiven() -> None:
    breaker = Breaker(failures=2, rest=10.0)
    breaker.failed(1.0)
    assert breaker.admits(1.0)
    assert breaker.circuit is Circuit.CLOSED


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = Breaker(failures=2, rest=10.0)
    for now in range(5):
        breaker.failed(now)
        breaker.succeeded()
    assert breaker.circuit is Circuit.CLOSED


def test_failures_in_a_row_open_it_for_its_rest() -> None:
    breaker = opened()
    assert breaker.circuit is Circuit.OPEN
    assert not breaker.admits(11.9)
    assert breaker.wait(5.0) == pytest.approx(7.0)


def test_after_the_rest_one_call_tries_and_the_others_wait_for_it() -> None:
    breaker = opened()
    assert breaker.admits(12.0)
    assert breaker.circuit is Circuit.TRIAL
    assert not breaker.admits(12.1)


def test_a_trial_that_works_closes_it() -> None:
    breaker = opened()
    breaker.admits(12.0)
    breaker.succeeded()
    assert breaker.circuit is Circuit.CLOSED
    breaker.failed(13.0)
    assert breaker.admits(13.0)


def test_a_trial_that_fails_opens_it_for_another_rest() -> None:
    breaker = opened()
    breaker.admits(12.0)
    breaker.failed(13.0)
    assert breaker.circuit is Circuit.OPEN
    assert not breaker.admits(22.9)
    assert breaker.admits(23.0)


def test_a_trial_that_is_abandoned_lets_the_next_call_try_at_once() -> None:
    breaker = opened()
    breaker.admits(12.0)
    breaker.abandoned()
    assert breaker.admits(12.0)
