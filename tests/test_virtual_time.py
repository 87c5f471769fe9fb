from __future__ import annotations

import asyncio

import pytest

from tests.virtual_time import Stuck, run_virtual, virtual


@virtual
async def test_an_hour_passes_at_once() -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await asyncio.sleep(3600)
    assert loop.time() - begin == pytest.approx(3600)


@virtual
async def test_timers_fire_in_their_order() -> None:
    order: list[str] = []

    async def after(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        order.append(name)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(after(2, "late"))
        tasks.create_task(after(1, "early"))
    assert order == ["early", "late"]


def test_a_wait_for_nothing_raises_instead_of_hanging() -> None:
    async def wait_forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run_virtual(wait_forever())
