"""The notations of calls: told by the template, written by a grammar, read back."""

from __future__ import annotations

import json

import pytest

from agent.engines.llama.prompt import ChatTemplate
from agent.engines.llama.tools import HERMES, LLAMA, MISTRAL, Notation, calls_of, grammar
from agent.messages import Message, Tool, Toolbox, ToolCall

QWEN = """{%- if tools %}
{{- '<|im_start|>system\\n' + messages[0]['content'] + "\\n\\n# Tools\\n<tools>" }}
{%- for tool in tools %}{{- "\\n" + (tool | tojson) }}{%- endfor %}
{{- "\\n</tools><|im_end|>\\n" }}
{%- else %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}{%- endif %}
{%- for m in messages %}
{%- if m.role == "user" or (m.role == "assistant" and not m.tool_calls) %}
{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}
{%- elif m.role == "assistant" %}{{- '<|im_start|>assistant' }}
{%- if m.content %}{{- '\\n' + m.content }}{%- endif %}
{%- for call in m.tool_calls %}{%- set call = call.function %}
{{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
{{- call.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}
{%- elif m.role == "tool" %}
{{- '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}
{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
LLAMA_3 = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}
{%- set messages = messages[1:] %}{%- else %}{%- set system = "" %}{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
{%- for t in tools %}{{- t | tojson(indent=4) }}{{- "\\n\\n" }}{%- endfor %}{%- endif %}
{{- system + "<|eot_id|>" }}
{%- for m in messages %}
{%- if not (m.role == 'ipython' or m.role == 'tool' or 'tool_calls' in m) %}
{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] + '<|eot_id|>' }}
{%- elif 'tool_calls' in m %}
{%- if m.tool_calls | length != 1 %}{{- raise_exception("only single tool-calls") }}{%- endif %}
{%- set call = m.tool_calls[0].function %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- "}" }}
{{- "<|eot_id|>" }}
{%- else %}
{{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" + m.content + "<|eot_id|>" }}
{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"""
MISTRAL_3 = """{{- bos_token }}
{%- for m in messages if m.role != 'system' %}
{%- if m.role == 'user' %}
{%- if tools is not none %}{{- '[AVAILABLE_TOOLS] ' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}
{%- endif %}{{- '[INST] ' + m.content + '[/INST]' }}
{%- elif m.tool_calls is defined %}{{- '[TOOL_CALLS] [' }}
{%- for call in m.tool_calls %}{{- call.function | tojson }}
{%- if call.id | length != 9 %}{{- raise_exception('ids have nine letters') }}{%- endif %}
{%- if not loop.last %}{{- ', ' }}{%- endif %}{%- endfor %}{{- ']' + eos_token }}
{%- elif m.role == 'assistant' %}{{- ' ' + m.content + eos_token }}
{%- else %}{{- '[TOOL_RESULTS] {"content": ' + m.content + '}[/TOOL_RESULTS]' }}
{%- endif %}{%- endfor %}"""
PLAIN_CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WEATHER = Tool(
    "get_weather",
    "The weather of a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
BOX = Toolbox(tools=(WEATHER,))
CALL = ToolCall("abcdefghi", "get_weather", '{"city": "Seoul"}')
TALK = [
    Message("system", "Be kind."),
    Message("user", "Is it warm?"),
    Message("assistant", "", calls=(CALL,)),
    Message("tool", '{"celsius": 21}', call_id=CALL.id),
]


def chat(template: str | None) -> ChatTemplate:
    return ChatTemplate(template, bos="<s>", eos="</s>")


@pytest.mark.parametrize(
    ("template", "notation"),
    [(QWEN, HERMES), (LLAMA_3, LLAMA), (PLAIN_CHATML, HERMES), (None, HERMES)],
)
def test_a_template_tells_how_its_model_asks_for_tools(
    template: str | None, notation: Notation
) -> None:
    assert chat(template).notation == notation


@pytest.mark.parametrize("template", [QWEN, LLAMA_3, PLAIN_CHATML, None])
def test_tools_calls_and_results_are_all_in_the_prompt(template: str | None) -> None:
    prompt = chat(template).prompt(TALK, [WEATHER])

    for told in ("The weather of a city", "Seoul", '{"celsius": 21}', "Is it warm?"):
        assert told in prompt


@pytest.mark.parametrize("template", [QWEN, LLAMA_3, PLAIN_CHATML, None])
def test_tools_are_part_of_what_conversations_share(template: str | None) -> None:
    made = chat(template)
    head = TALK[0]

    opening = made.unfinished([head, Message("user", "")], [WEATHER]).rstrip()

    assert made.prompt([head, Message("user", "Hi")], [WEATHER]).startswith(opening)
    assert "The weather of a city" in opening


def test_mistral_gets_its_own_brackets_and_ids_of_nine() -> None:
    made = chat(MISTRAL_3)

    assert made.notation == MISTRAL
    assert '[TOOL_CALLS] [{"name": "get_weather"' in made.prompt(TALK, [WEATHER])


def test_a_native_call_reads_as_the_template_writes_it() -> None:
    prompt = chat(QWEN).prompt(TALK, [WEATHER])

    assert '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Seoul"}}\n' in prompt


@pytest.mark.parametrize(
    ("notation", "text", "cities"),
    [
        (
            HERMES,
            '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Se}oul"}}\n</tool_call>\n'
            '<tool_call>\n{"name": "get_weather", "arguments": {"city": "서울"}}\n</tool_call>',
            ["Se}oul", "서울"],
        ),
        (MISTRAL, '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "A"}}]', ["A"]),
        (LLAMA, '{"name": "get_weather", "parameters": {"city": "A"}}', ["A"]),
        (
            MISTRAL,
            '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "A"}}, {"name": "get_w',
            ["A"],
        ),
    ],
)
def test_calls_are_read_back(notation: Notation, text: str, cities: list[str]) -> None:
    calls = calls_of(text, notation, BOX)

    assert [json.loads(call.arguments)["city"] for call in calls] == cities
    assert all(len(call.id) == 9 for call in calls)
    assert len({call.id for call in calls}) == len(calls)


@pytest.mark.parametrize("text", ['<tool_call>\n{"name": "get_wea', "", '{"name": "other"}'])
def test_what_is_no_whole_call_of_a_tool_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        calls_of(text, HERMES, BOX)


def test_definitions_of_two_tools_by_one_name_stay_apart() -> None:
    def tool(name: str, word: str) -> Tool:
        definition = {"$defs": {"kind": {"enum": [word]}}}
        properties = {"properties": {"kind": {"$ref": "#/$defs/kind"}}}
        return Tool(name, "", {"type": "object", **definition, **properties})

    rules = grammar(HERMES, Toolbox(tools=(tool("a", "one"), tool("b", "two"))))

    assert "one" in rules and "two" in rules


def test_a_named_tool_is_the_only_one_in_the_grammar() -> None:
    other = Tool("other")

    rules = grammar(
        HERMES, Toolbox(tools=(WEATHER, other), choice="required", named="other", parallel=False)
    )

    assert "other" in rules and "get_weather" not in rules
