"""Spare engines serve while the server is strained."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from agent.engines.protocols import Priority, ReplyRequest, Speech, Word
from agent.engines.spare import SparingModel, SparingVoice
from agent.messages import Message
from media.audio import silence
from tests.virtual_time import virtual


class Named:
    """A model and a voice that say who they are."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.did: list[str] = []

    async def start(self) -> None:
        self.did.append("start")

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        self.did += ["with " + request.adapter] if request.adapter else []
        yield self.name
        yield "again " + self.name

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Priority = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        yield Speech(silence(0.1), (Word(f"{self.name} {voice}".strip(), 0, 0.1),))

    async def prefill(self, request: ReplyRequest) -> None:
        self.did.append("prefill")

    def commit(self, conversation: str) -> None:
        self.did.append("commit")

    def forget(self, conversation: str) -> None:
        self.did.append("forget")

    async def aclose(self) -> None:
        self.did.append("close")


REQUEST = ReplyRequest(conversation="a", messages=(Message("user", "Hello"),), max_tokens=8)


@virtual
async def test_while_strained_the_spare_model_replies() -> None:
    usual, spare, strained = Named("usual"), Named("spare"), [False]
    model = SparingModel(usual, spare, lambda: strained[0])
    await model.start()
    async with aclosing(model.reply(REQUEST)) as pieces:
        assert await anext(pieces) == "usual"
        strained[0] = True
        assert await anext(pieces) == "again usual", "what has begun stays where it is"
    async with aclosing(model.reply(REQUEST)) as pieces:
        assert await anext(pieces) == "spare"
    await model.prefill(REQUEST)
    model.commit("a")
    model.forget("a")
    await model.aclose()
    assert usual.did == ["start", "commit", "forget", "close"]
    assert spare.did == ["start", "prefill", "commit", "forget", "close"]


@virtual
async def test_an_adapter_is_for_the_usual_model_alone() -> None:
    usual, spare, strained = Named("usual"), Named("spare"), [False]
    model = SparingModel(usual, spare, lambda: strained[0])
    for is_strained in (False, True):
        strained[0] = is_strained
        async with aclosing(model.reply(replace(REQUEST, adapter="polite"))) as pieces:
            await anext(pieces)
    assert (usual.did, spare.did) == (["with polite"], [])


@virtual
async def test_while_strained_the_spare_voice_speaks() -> None:
    strained = [False]
    voice = SparingVoice(Named("usual"), Named("spare"), lambda: strained[0])
    for is_strained, heard in ((False, "usual anna"), (True, "spare"), (False, "usual anna")):
        strained[0] = is_strained
        async with aclosing(voice.speak("Hi", language="en", voice="anna")) as pieces:
            assert [piece.words[0].text async for piece in pieces] == [heard]
