"""A server that has served many calls holds no more than one that served few."""

from __future__ import annotations

from server.talk import at_home
from signaling.client import Caller
from tests.census import left_by_each
from tests.server.house import settings, stages


async def test_a_call_that_is_over_leaves_nothing_in_the_server() -> None:
    async with stages("hello") as standing, at_home(settings(), standing) as (url, ice):

        async def call() -> None:
            async with Caller(url, settings=ice) as caller:
                await caller.wait_for("call.started")
                caller.send({"type": "hangup"})
                await caller.wait_for("call.ended")

        assert await left_by_each(call) == {}
