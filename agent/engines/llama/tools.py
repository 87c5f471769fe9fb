"""How models ask for tools: their own notation, the grammar of it, and the way back to calls.

A model is trained on one notation, which its chat template tells. `HERMES` (Qwen, Hermes),
`MISTRAL` and `LLAMA` are those in use; a model whose template knows no tools is told about them in
its system prompt, in the notation of `HERMES`. Pure.
"""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.messages import Message, Tool, Toolbox, ToolCall

MOST_CALLS = 8
"""Calls of one reply at most."""
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Notation:
    """`begin` tells that a call follows; `is_first`: only at the beginning of a reply."""

    begin: str
    before: str
    """Between `begin` and the first call."""
    between: str
    after: str
    """After the last call."""
    arguments: str
    """What the arguments are called."""
    is_first: bool = False
    is_several: bool = True


HERMES = Notation(
    "<tool_call>", "\n", "\n</tool_call>\n<tool_call>\n", "\n</tool_call>", "arguments"
)
MISTRAL = Notation("[TOOL_CALLS]", " [", ", ", "]", "arguments")
LLAMA = Notation("{", "", "", "", "parameters", is_first=True, is_several=False)

INSTRUCTIONS = """

You can use these tools, each described by a JSON schema:
{tools}
To use one, answer with nothing but
<tool_call>
{{"name": "NAME", "arguments": {{...}}}}
</tool_call>
and its result will follow. Otherwise answer in plain words."""


def described(tool: Tool) -> dict[str, Any]:
    """A tool as chat templates and endpoints want it."""
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def message(entry: Message) -> dict[str, Any]:
    """A message as chat templates want it: arguments are objects."""
    turn: dict[str, Any] = {"role": entry.role, "content": entry.text}
    if entry.calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": loaded(call.arguments)},
            }
            for call in entry.calls
        ]
    if entry.role == "tool":
        turn["tool_call_id"] = entry.call_id
    return turn


def loaded(arguments: str) -> dict[str, Any]:
    """Arguments as an object; what is none becomes an empty one."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def in_words(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """Tools, calls and results as plain text, for a template that knows nothing of them."""
    told: list[Message] = []
    for entry in messages:
        if entry.role == "tool":
            result = f"<tool_response>\n{entry.text}\n</tool_response>"
            told.append(Message("user", result))
        elif entry.calls:
            calls = HERMES.between.join(_written(call) for call in entry.calls)
            text = f"{HERMES.begin}{HERMES.before}{calls}{HERMES.after}"
            told.append(Message("assistant", f"{entry.text}\n{text}".strip()))
        else:
            told.append(entry)
    if not tools:
        return told
    listed = "\n".join(json.dumps(described(tool), ensure_ascii=False) for tool in tools)
    system = told.pop(0).text if told and told[0].role == "system" else ""
    instructed = system + INSTRUCTIONS.format(tools=listed)
    return [Message("system", instructed.strip()), *told]


def _written(call: ToolCall) -> str:
    return json.dumps({"name": call.name, "arguments": loaded(call.arguments)}, ensure_ascii=False)


def grammar(notation: Notation, box: Toolbox, begun: int = 0) -> str:
    """The GBNF of the calls that may be made, less the first `begun` characters of `begin`."""
    rules = _Rules()
    calls = " | ".join(rules.call(tool, notation.arguments) for tool in box.offered)
    rules.add("call", calls)
    more = ""
    if notation.is_several and box.parallel:
        more = f" ( {_literal(notation.between)} call ){{0,{MOST_CALLS - 1}}}"
    rest = _literal((notation.begin if notation.before else "")[begun:] + notation.before)
    rules.add("root", f"{rest} call{more} {_literal(notation.after)}")
    return rules.text()


def calls_of(text: str, notation: Notation, box: Toolbox) -> list[ToolCall]:
    """The calls in what the model wrote, as far as they are complete. Raises ValueError when none
    is."""
    decoder, calls, at = json.JSONDecoder(), list[ToolCall](), 0
    names = {tool.name for tool in box.offered}
    while (at := text.find("{", at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            break
        if not isinstance(value, Mapping) or value.get("name") not in names:
            raise ValueError(f"{text[:80]!r} is no call of a tool")
        arguments = json.dumps(value.get(notation.arguments, {}), ensure_ascii=False)
        calls.append(ToolCall(new_call_id(), value["name"], arguments))
    if not calls:
        raise ValueError(f"{text[:80]!r} holds no whole call")
    return calls


def new_call_id() -> str:
    """Nine letters and digits: Mistral's templates refuse any other."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(9))


class _Rules:
    """A grammar being made, over llama.cpp's own converter of schemas."""

    def __init__(self) -> None:
        # Here, because llama.cpp takes its time.
        from llama_cpp.llama_grammar import PRIMITIVE_RULES, SchemaConverter

        make: Any = SchemaConverter  # it has no types
        self._converter = make(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
        # The library's own leaves out backslashes, and spells Korean as escapes.
        self._converter._format_literal = _json_literal
        self._anything = PRIMITIVE_RULES["object"]
        self._own: dict[str, str] = {}
        self._number = 0

    def add(self, name: str, rule: str) -> None:
        self._own[name] = rule

    def call(self, tool: Tool, arguments: str) -> str:
        """A rule for one call of a tool."""
        self._number += 1
        head = _literal(f'{{"name": {json.dumps(tool.name)}, "{arguments}": ')
        return f'{head} {self._arguments(tool)} "}}"'

    def _arguments(self, tool: Tool) -> str:
        name = f"tool{self._number}"
        try:
            schema = self._converter.resolve_refs(_named(tool.parameters, name), name)
            rule: str = self._converter.visit({"type": "object", **schema}, name)
        except (AssertionError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # The converter does not know every keyword; the arguments are checked afterwards.
            rule = self._converter._add_primitive("object", self._anything)
        return rule

    def text(self) -> str:
        own = "\n".join(f"{name} ::= {rule}" for name, rule in self._own.items())
        return f"{own}\n{self._converter.format_grammar()}\n"


def _named(schema: Any, name: str) -> Any:
    """A copy whose definitions have names of their own: the converter keeps those of all tools
    together. Raises ValueError for a reference to anything but a definition."""
    if isinstance(schema, list | tuple):
        return [_named(each, name) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("$defs", "definitions") and isinstance(value, Mapping):
            made[key] = {f"{name}-{each}": _named(value[each], name) for each in value}
        elif key == "$ref" and isinstance(value, str):
            kind, _, defined = value.removeprefix("#/").partition("/")
            if kind not in ("$defs", "definitions") or "/" in defined:
                raise ValueError(f"{value} is no definition of the schema's own")
            made[key] = f"#/{kind}/{name}-{defined}"
        else:
            made[key] = _named(value, name)
    return made


def _json_literal(written: str) -> str:
    """A literal of JSON, given as `json.dumps` writes it."""
    plain = json.dumps(json.loads(written), ensure_ascii=False)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _literal(text: str) -> str:
    return json.dumps(text) if text else ""
