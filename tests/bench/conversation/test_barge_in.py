"""Which reply is being measured: the one that the agent is in the middle of, and no other."""

from __future__ import annotations

from bench.conversation.barge_in import reply_begun
from signaling.client import Message


def spoken(at: float) -> Message:
    return {"type": "reply.spoken", "received": at}


def phase(name: str) -> Message:
    return {"type": "phase", "phase": name, "received": 0.0}


def test_a_reply_began_with_its_first_sentence() -> None:
    assert reply_begun([phase("speaking"), spoken(1.0), spoken(4.0)]) == 1.0


def test_a_reply_that_was_interrupted_is_over() -> None:
    assert reply_begun([phase("speaking"), spoken(1.0), {"type": "barge_in"}]) is None


def test_a_reply_that_a_soft_end_took_back_is_not_the_one_that_follows() -> None:
    taken_back = [phase("speaking"), spoken(1.0), phase("hearing")]
    assert reply_begun(taken_back) is None
    assert reply_begun([*taken_back, phase("thinking"), phase("speaking"), spoken(2.5)]) == 2.5
