"""Messages to the text that a model was trained on, by the template that its file carries.

Templates differ in what they bear: some know no system role, some demand that caller and agent
alternate and that the caller begins. What a template refuses is mended here, in one place, so that
a greeting of the agent or two utterances in a row never fail. A file without a template gets PLAIN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jinja2 import TemplateError

from agent.engines.llama.tools import (
    HERMES,
    LLAMA,
    MISTRAL,
    Notation,
    described,
    in_words,
    message,
)
from agent.messages import Message, Tool, ToolCall

PLAIN = (
    "{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ m['content'] }}\n\n"
    "{% elif m['role'] == 'user' %}User: {{ m['content'] }}\n"
    "{% else %}Assistant: {{ m['content'] }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""For a model without a template: the system prompt, then `User:` and `Assistant:` lines."""

SILENCE = "..."
"""What the caller is taken to have said before a greeting, for templates that want them first."""

# No text of a call contains these; they survive a template's trimming.
_MARK = "\u2402chuimsae\u2403"
_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "</s>")


class ChatTemplate:
    """A chat template, made to bear every conversation. Raises ValueError if it can't be used."""

    def __init__(self, template: str | None, *, bos: str = "", eos: str = "") -> None:
        # Here, because llama.cpp takes its time, and whoever only lists models has no use for it.
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        self._formatter = Jinja2ChatFormatter(template or PLAIN, eos_token=eos, bos_token=bos)
        self._knows_tools = False
        self._system = self._bears([Message("system", "s"), Message("user", "u")])
        self._greeting = self._bears([Message("user", "u"), Message("user", "u")]) and self._bears(
            [Message("assistant", "a"), Message("user", "u")]
        )
        if not self._bears([Message("user", "u")]):
            raise ValueError("the model's chat template fails on a single user message")
        self._knows_tools, self.notation = self._learnt()
        self.stops = self._stop_strings(eos)
        """Text that a reply must never contain: it is over where one begins."""

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """All messages, and the marker after which the agent speaks. It may use `tools`."""
        return self._render(self._mended(messages, tools), reply=True, tools=tools)

    def unfinished(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """All messages up to the last one's text, without the marker that ends it."""
        mended = self._mended(messages, tools)
        if not mended:
            return ""
        last = mended[-1]
        marked = [*mended[:-1], replace(last, text=last.text.rstrip() + _MARK)]
        before, mark, _ = self._render(marked, reply=False, tools=tools).partition(_MARK)
        return before if mark else ""

    def opening(self, messages: Sequence[Message]) -> str:
        """What every conversation with this system prompt begins with; empty without one."""
        system = [m for m in messages[:1] if m.role == "system"]
        if not system:
            return ""
        return self.unfinished([*system, Message("user", "")])

    def _mended(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[Message]:
        mended = [m for m in messages if m.text or m.calls or m.role in ("user", "tool")]
        if not self._knows_tools:
            mended = in_words(mended, tools)
        if self._greeting and self._system:
            return mended
        return _alternating(mended) if self._system else _alternating(_without_system(mended))

    def _render(
        self, messages: Sequence[Message], *, reply: bool, tools: Sequence[Tool] = ()
    ) -> str:
        self._formatter.add_generation_prompt = reply
        turns: Any = [message(m) for m in messages]
        offered: Any = [described(tool) for tool in tools if self._knows_tools] or None
        text: str = self._formatter(
            messages=turns,
            tools=offered,
            tools_in_user_message=False,  # Llama 3: beside the system prompt, which calls share
            # Models that can think aloud (Qwen 3, SmolLM 3) are asked not to: a caller waits.
            enable_thinking=False,
        ).prompt
        return text

    def _learnt(self) -> tuple[bool, Notation]:
        """Whether the template knows tools, and the notation of their calls."""
        self._knows_tools = True
        call = ToolCall("abcdefghi", _MARK + "1", "{}")
        talk = [
            Message("user", "u"),
            Message("assistant", "", calls=(call,)),
            Message("tool", _MARK + "2", call_id=call.id),
        ]
        try:
            text = self._render(talk, reply=True, tools=[Tool(_MARK + "3")])
        except (TemplateError, ValueError, TypeError):
            return False, HERMES
        if not all(_MARK + number in text for number in "123"):
            return False, HERMES
        for notation in (HERMES, MISTRAL):
            if notation.begin in text:
                return True, notation
        written = text.partition(_MARK + "1")[2].partition(_MARK + "2")[0]
        return (True, LLAMA) if '"parameters"' in written else (False, HERMES)

    def _bears(self, messages: Sequence[Message]) -> bool:
        try:
            self._render(messages, reply=True)
        except (TemplateError, ValueError, TypeError):  # what a template raises is its own choice
            return False
        return True

    def _stop_strings(self, eos: str) -> tuple[str, ...]:
        """The markers between a reply and the caller's next words, as text.

        Small models sometimes write them out instead of ending the reply."""
        first, second = _MARK + "1", _MARK + "2"
        turns = [Message("user", first), Message("assistant", second), Message("user", first)]
        before, _, rest = self._render(turns, reply=False).partition(first)
        between = rest.partition(second)[2].partition(first)[0]
        # The end's own marker may end like the beginning's (`<s>`, `</s>`): set it apart first.
        ender = eos if eos and between.startswith(eos) else ""
        opener = _common_end(before, between[len(ender) :])
        ender = ender or between[: len(between) - len(opener)]
        candidates = (opener.strip(), ender.strip(), eos, *_ENDS)
        return tuple(dict.fromkeys(stop for stop in candidates if len(stop) >= 3))


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The system prompt as the beginning of the caller's first words."""
    system = "\n".join(m.text for m in messages if m.role == "system")
    turns = [m for m in messages if m.role != "system"]
    if not system:
        return turns
    return _joined([Message("user", system), *_caller_first(turns)], "\n\n")


def _alternating(messages: Sequence[Message]) -> list[Message]:
    head = [m for m in messages[:1] if m.role == "system"]
    return head + _joined(_caller_first(messages[len(head) :]), " ")


def _caller_first(turns: Sequence[Message]) -> list[Message]:
    if not turns or turns[0].role == "assistant":
        return [Message("user", SILENCE), *turns]
    return list(turns)


def _joined(turns: Sequence[Message], between: str) -> list[Message]:
    out: list[Message] = []
    for turn in turns:
        if out and out[-1].role == "tool" and turn.role == "user":
            out.append(Message("assistant", SILENCE))  # the caller spoke before the result was told
        is_plain = turn.role != "tool" and not turn.calls
        if out and out[-1].role == turn.role and is_plain and not out[-1].calls:
            turn = Message(turn.role, f"{out.pop().text}{between}{turn.text}")
        out.append(turn)
    return out


def _common_end(one: str, other: str) -> str:
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return one[len(one) - length :]
