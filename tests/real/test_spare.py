"""A smaller model and a cheaper voice, configured, serve while the server is strained."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from agent.engines.protocols import ReplyRequest
from agent.load import Rung
from agent.messages import Message
from server.config import Settings
from server.hardware import probe
from server.models import open_store
from server.stages import Stages, choose
from tests.conftest import TestData

REQUEST = ReplyRequest(conversation="a", messages=(Message("user", "Hello."),), max_tokens=16)


async def said(stages: Stages, sentence: str) -> tuple[str, int]:
    """A reply, and of how many samples the sound of a sentence is."""
    async with aclosing(stages.engines.model.reply(REQUEST)) as pieces:
        reply = "".join([piece async for piece in pieces])
    speech = stages.engines.synthesizer.speak(sentence, language="en")
    async with aclosing(speech) as sounds:
        samples = sum([len(piece.audio) async for piece in sounds])
    return reply, samples


@pytest.mark.real
async def test_spares_serve_while_it_is_strained(testdata: TestData) -> None:
    models = testdata.folder / "models"
    settings = Settings.model_validate(
        {
            "models": {"download": False, "folder": str(models)},
            "stt": {"engine": "pocketsphinx"},
            "llm": {
                "model": str(models / "llm" / "tinytalk-3m-q4_0.gguf"),
                "spare": str(models / "llm" / "stories260K.gguf"),
            },
            "tts": {
                "voices": {"en": str(models / "piper" / "en_US-moonmicro-low.onnx")},
                "spare": "espeak",
            },
        }
    )
    stages = await choose(settings, open_store(settings.models), probe())
    async with aclosing(stages):
        assert stages.load is not None
        stages.load.move(Rung.BRIEF, "llm", at=0.0)
        spare = await said(stages, "A long way home.")
        stages.load.move(Rung.EASY, "", at=1.0)
        usual = await said(stages, "A long way home.")
        stages.load.move(Rung.BRIEF, "llm", at=2.0)
        known = await said(stages, "A long way home.")
    assert spare[0] and spare[0] != usual[0]
    assert spare[1] != usual[1], "espeak-ng takes its own time over it"
    assert known == (spare[0], usual[1]), "what the usual voice has said is remembered"
