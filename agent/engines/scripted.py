"""A small responder that needs no download, and says so: the language model of last resort.

It keeps a call answerable when no model is installed, or when the one that is installed does not
work at the moment, and says which of both it is. It greets, tells the time and the date, says what
mends it, says back what it heard, and says goodbye, in English and in Korean. It understands
nothing beyond a few words, and never pretends to. `answer` is pure; the adapter below it only
streams the answer word by word.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import BaseModel, Field

from agent.engines.protocols import ReplyRequest
from agent.messages import Message

_HANGUL = re.compile("[\uac00-\ud7a3\u3131-\u318e]")


class ScriptedSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What the scripted responder says of itself."""

    install_command: str = Field(default="python run.py models pull", min_length=1)
    """The command that installs a language model, as the caller is told it."""


@dataclass(frozen=True, slots=True)
class Script:
    """What is said in one language. `{heard}`, `{command}`, `{time}` and `{date}` are filled in.

    The lines that end in `_standing_in` are for when a language model is there and fails; each
    contains the `excuse`, which a caller who has heard it is not told again."""

    greets: re.Pattern[str]
    leaves: re.Pattern[str]
    thanks: re.Pattern[str]
    asks_time: re.Pattern[str]
    asks_date: re.Pattern[str]
    asks_who: re.Pattern[str]
    hello: str
    goodbye: str
    welcome: str
    time: str
    date: str
    who: str
    heard: str
    heard_first: str
    nothing: str
    excuse: str
    hello_standing_in: str
    who_standing_in: str
    heard_standing_in: str
    clock: Callable[[datetime], str]
    calendar: Callable[[datetime], str]


def answer(
    messages: Sequence[Message],
    *,
    now: datetime,
    settings: ScriptedSettings | None = None,
    stands_in: bool = False,
) -> str:
    """The answer to the last thing the caller said, in the language that it was said in.

    With nothing from the caller the language is that of the system prompt. `stands_in`: a language
    model is installed, and fails.
    """
    heard = next((m.text.strip() for m in reversed(messages) if m.role == "user"), "")
    script = _script(heard or "".join(m.text for m in messages if m.role == "system"))
    first = sum(m.role == "user" for m in messages) <= 1
    if stands_in:
        script = _standing_in(script)
        first = not any(m.role == "assistant" and script.excuse in m.text for m in messages)
    return _line(script, heard, first=first).format(
        heard=heard.rstrip(" .?!。"),
        command=(settings or ScriptedSettings()).install_command,
        time=script.clock(now),
        date=script.calendar(now),
    )


class Scripted:
    """`answer` behind the Protocol of a language model. Never fails, costs nothing.

    `stands_in`: it is asked when an installed language model fails, not for want of one."""

    def __init__(
        self,
        settings: ScriptedSettings | None = None,
        *,
        stands_in: bool = False,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._settings = settings or ScriptedSettings()
        self._stands_in = stands_in
        self._now = now

    async def start(self) -> None:
        """There is nothing to load."""

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        """The answer, one word a piece; at most `max_tokens` words."""
        text = answer(
            request.messages,
            now=self._now(),
            settings=self._settings,
            stands_in=self._stands_in,
        )
        for word in re.findall(r"\S+\s*", text)[: request.max_tokens]:
            yield word

    async def prefill(self, request: ReplyRequest) -> None:
        """There is no cache."""

    def commit(self, conversation: str) -> None:
        """It has time for everybody."""

    def forget(self, conversation: str) -> None:
        """There is no cache."""

    async def aclose(self) -> None:
        """There is nothing to free."""


def _script(text: str) -> Script:
    return KOREAN if _HANGUL.search(text) else ENGLISH


def _standing_in(script: Script) -> Script:
    return replace(
        script,
        hello=script.hello_standing_in,
        who=script.who_standing_in,
        heard_first=script.heard_standing_in,
    )


def _line(script: Script, heard: str, *, first: bool) -> str:
    if not heard:
        return script.nothing
    text = heard.lower()
    lines = (
        (script.leaves, script.goodbye),
        (script.asks_time, script.time),
        (script.asks_date, script.date),
        (script.asks_who, script.who),
        (script.thanks, script.welcome),
        (script.greets, script.hello),
    )
    for asked, line in lines:
        if asked.search(text):
            return line
    return script.heard_first if first else script.heard


def _clock_en(now: datetime) -> str:
    return f"{now.hour % 12 or 12}:{now.minute:02d} {'AM' if now.hour < 12 else 'PM'}"


def _calendar_en(now: datetime) -> str:
    return f"{now:%A}, {now:%B} {now.day}"


def _clock_ko(now: datetime) -> str:
    half = "오전" if now.hour < 12 else "오후"
    return f"{half} {now.hour % 12 or 12}시" + (f" {now.minute}분" if now.minute else "")


def _calendar_ko(now: datetime) -> str:
    return f"{now.month}월 {now.day}일 {'월화수목금토일'[now.weekday()]}요일"


ENGLISH = Script(
    greets=re.compile(r"\b(hello|hi|hey|good (morning|afternoon|evening))\b"),
    leaves=re.compile(r"\b(bye|goodbye|see you|hang up|that's all|that is all)\b"),
    thanks=re.compile(r"\b(thanks|thank you)\b"),
    asks_time=re.compile(r"\bwhat time\b|\bwhat's the time\b|\bthe time (is it|now)\b"),
    asks_date=re.compile(r"\b(what|which) (day|date)\b|\btoday's date\b|\bthe date\b"),
    asks_who=re.compile(r"\bwho are you\b|\bwhat are you\b|\bare you (a |an )?(robot|ai|human)\b"),
    hello="Hello! I am a simple script, because no language model is installed. "
    "I can tell you the time, or say back what I heard.",
    goodbye="Goodbye, and thank you for calling.",
    welcome="You are welcome.",
    time="It is {time}.",
    date="Today is {date}.",
    who="I am a simple script. No language model is installed. "
    "The command that installs one is: {command}.",
    heard="I heard: {heard}.",
    heard_first="I heard: {heard}. No language model is installed, so I can only say it back. "
    "The command that installs one is: {command}.",
    nothing="Hello. I am listening.",
    excuse="The language model does not answer at the moment",
    hello_standing_in="Hello! The language model does not answer at the moment, and I am a simple "
    "script that stands in for it. I can tell you the time, or say back what I heard.",
    who_standing_in="I am a simple script that stands in. The language model does not answer at "
    "the moment.",
    heard_standing_in="I heard: {heard}. The language model does not answer at the moment, so I "
    "can only say it back. Please ask again a little later.",
    clock=_clock_en,
    calendar=_calendar_en,
)

KOREAN = Script(
    greets=re.compile("안녕|여보세요|반갑|반가워"),
    leaves=re.compile("안녕히|끊을게|끊겠|들어가세요|다음에 봬|다음에 봐|잘 있어"),
    thanks=re.compile("감사|고마워|고맙"),
    asks_time=re.compile("몇 ?시|시간이? ?(어떻게|몇)|지금 시간|시간 ?(좀 )?알려"),
    asks_date=re.compile("며칠|몇 ?월|무슨 ?요일|오늘 ?날짜|날짜 ?(좀 )?알려"),
    asks_who=re.compile("누구|넌 뭐|너는 뭐|로봇|인공지능|사람이(야|에요|세요|니)"),
    hello="안녕하세요. 설치된 언어 모델이 없어서, 저는 간단한 대본대로만 대답합니다. "
    "시간을 알려 드리거나, 들은 말을 다시 말해 드릴 수 있어요.",
    goodbye="전화 주셔서 감사합니다. 안녕히 계세요.",
    welcome="천만에요.",
    time="지금은 {time}입니다.",
    date="오늘은 {date}입니다.",
    who="저는 간단한 대본입니다. 설치된 언어 모델이 없습니다. 설치하는 명령은 {command} 입니다.",
    heard="이렇게 들었어요. {heard}.",
    heard_first="이렇게 들었어요. {heard}. 설치된 언어 모델이 없어서 다시 말해 드릴 수만 있어요. "
    "설치하는 명령은 {command} 입니다.",
    nothing="안녕하세요. 듣고 있습니다.",
    excuse="지금 언어 모델이 응답하지 않아서",
    hello_standing_in="안녕하세요. 지금 언어 모델이 응답하지 않아서, 제가 간단한 대본대로 대신 "
    "대답합니다. 시간을 알려 드리거나, 들은 말을 다시 말해 드릴 수 있어요.",
    who_standing_in="저는 간단한 대본입니다. 지금 언어 모델이 응답하지 않아서 대신 대답하고 "
    "있습니다.",
    heard_standing_in="이렇게 들었어요. {heard}. 지금 언어 모델이 응답하지 않아서 다시 말해 드릴 "
    "수만 있어요. 잠시 후에 다시 물어봐 주세요.",
    clock=_clock_ko,
    calendar=_calendar_ko,
)
