"""A goodbye that meets a hang-up."""

from __future__ import annotations

import asyncio

from agent.call import Call
from agent.context import Engines
from agent.settings import TurnSettings
from media.speaker import Speaker
from tests.agent.conversation import QUIET
from tests.fakes import FakeDetector, FakeEar, FakeModel, FakeTranscriber, FakeVoice, Vocabulary
from tests.virtual_time import virtual


@virtual
async def test_a_goodbye_after_the_hang_up_is_not_said() -> None:
    vocabulary = Vocabulary()
    call = Call(
        call_id="c1",
        persona=QUIET,
        engines=Engines(FakeTranscriber(vocabulary), FakeModel(), FakeVoice()),
        detector=FakeDetector(),
        microphone=FakeEar(vocabulary),
        speaker=Speaker(),
        settings=TurnSettings(),
        emit=lambda event: None,
    )
    running = asyncio.create_task(call.run())
    await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.wait([running])

    async with asyncio.timeout(1.0):
        await call.farewell()
