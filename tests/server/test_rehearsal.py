"""Frequent questions are answered before anybody asks them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.context import Engines
from agent.engines.caches import CachedModel, ReplyCacheSettings
from agent.engines.phrases import CachedVoice, PhraseSettings
from agent.engines.protocols import ReplyRequest
from agent.engines.tools import HttpTools, HttpToolSettings
from agent.errors import EngineFailed
from agent.messages import ToolCall
from server.app import create_app, listening
from server.rehearsal import Question, read_questions, rehearsed
from server.sources import ConfigurationError
from server.stages import Stages
from tests.server.house import settings, stages

LIST = """
# what people ask
When do you open?
ko: 영업시간이 어떻게 되나요?

  Where is my order?
"""


class Terse:
    """A model that replies in one word, and fails on a question of Monday."""

    def __init__(self) -> None:
        self.asked: list[ReplyRequest] = []
        self.forgotten: list[str] = []

    async def start(self) -> None: ...

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        self.asked.append(request)
        if "menu" in request.messages[-1].text:
            request.call(ToolCall("1", request.tools.tools[0].name, "{}"))
            return
        if "Monday" in request.messages[-1].text:
            raise EngineFailed("llm", "no thought came")
        yield "Always."

    async def prefill(self, request: ReplyRequest) -> None: ...

    def commit(self, conversation: str) -> None: ...

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)

    async def aclose(self) -> None: ...


@asynccontextmanager
async def remembering(model: Terse) -> AsyncGenerator[Stages, None]:
    async with stages("hello") as plain:
        personas = settings().personas.values()
        cached = CachedModel(
            model, ReplyCacheSettings(), instructions={each.instructions for each in personas}
        )
        voice = CachedVoice(plain.engines.synthesizer, PhraseSettings())
        yield Stages(Engines(plain.engines.transcriber, cached, voice), plain.reports)


def written(folder: Path, text: str) -> Path:
    path = folder / "questions.txt"
    path.write_text(text)
    return path


def test_a_list_is_a_question_a_line(tmp_path: Path) -> None:
    assert read_questions(written(tmp_path, LIST), settings().personas, "en") == [
        Question("en", "When do you open?"),
        Question("ko", "영업시간이 어떻게 되나요?"),
        Question("en", "Where is my order?"),
    ]


@pytest.mark.parametrize(
    ("text", "said"), [("Hello?\nfr: Bonjour?", r"line 2: nobody speaks 'fr'; there are: en, ko")]
)
def test_a_language_that_nobody_speaks_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_questions(written(tmp_path, text), settings().personas, "en")


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.txt: the questions cannot be read"):
        read_questions(tmp_path / "none.txt", settings().personas, "en")


async def test_a_rehearsed_question_costs_a_caller_no_model_and_no_voice() -> None:
    model = Terse()
    async with remembering(model) as standing:
        questions = [
            Question("en", "When do you open?"),
            Question("en", "Where is my order?"),
            Question("en", "Are you open on Monday?"),
        ]
        async with aclosing(rehearsed(questions, settings(), standing)) as answers:
            told = [each async for each in answers]
        assert [each.reply for each in told] == ["Always.", "", ""]
        assert "never kept" in told[1].problem and "no thought came" in told[2].problem
        assert set(model.forgotten) == {request.conversation for request in model.asked}
        asked = model.asked[0]
        async with aclosing(standing.engines.model.reply(asked)) as pieces:
            assert [piece async for piece in pieces] == ["Always."]
        assert len(model.asked) == 2
        voice = standing.engines.synthesizer
        assert isinstance(voice, CachedVoice)
        async with aclosing(voice.speak("Always.", language="en")) as speech:
            assert [piece async for piece in speech]
        assert voice.counts.hits == 1


async def test_a_question_is_rehearsed_with_the_tools_that_a_call_would_offer() -> None:
    model = Terse()
    tools = HttpTools([HttpToolSettings(name="menu", description="d", url="http://localhost/")], {})
    async with remembering(model) as plain:
        standing = replace(plain, engines=replace(plain.engines, tools=tools))
        questions = [Question("en", "What is on the menu?"), Question("en", "When do you open?")]
        async with aclosing(rehearsed(questions, settings(), standing)) as answers:
            told = [each async for each in answers]
    assert "takes a tool" in told[0].problem and told[1].reply == "Always."
    assert all(request.tools.tools == tools.offered for request in model.asked)


async def test_a_server_rehearses_its_list_while_it_serves(tmp_path: Path) -> None:
    model = Terse()
    path = written(tmp_path, LIST)
    configured = settings(cache={"questions": str(path)})
    async with remembering(model) as standing:
        app = create_app(configured, standing)
        async with listening(app, configured.server), asyncio.timeout(20):
            for _ in range(400):
                if len(model.forgotten) == 2:
                    break
                await asyncio.sleep(0.05)
    assert [request.messages[-1].text for request in model.asked] == [
        "When do you open?",
        "영업시간이 어떻게 되나요?",
    ]


async def test_a_list_that_cannot_be_used_stops_the_start() -> None:
    async with stages("hello") as plain:
        with pytest.raises(ConfigurationError, match=r"nowhere\.txt"):
            create_app(settings(cache={"questions": "/nowhere.txt"}), plain)
