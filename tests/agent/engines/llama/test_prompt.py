"""Templates of the models that are used, and what they refuse."""

from __future__ import annotations

import pytest

from agent.engines.llama.prompt import ChatTemplate
from agent.messages import Message

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/...') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
TALK = [Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello.")]


def chat(template: str | None) -> ChatTemplate:
    return ChatTemplate(template, bos="<s>", eos="</s>")


def test_a_template_is_rendered_as_the_model_learnt_it() -> None:
    prompt = chat(CHATML).prompt(TALK[:2])

    assert prompt == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_a_model_without_a_template_gets_plain_lines() -> None:
    assert chat(None).prompt(TALK[:2]) == "Be kind.\n\nUser: Hi\nAssistant:"


@pytest.mark.parametrize("template", [CHATML, None])
def test_an_unfinished_message_ends_at_its_last_word(template: str | None) -> None:
    text = chat(template).unfinished([*TALK, Message("user", "I would like ")])

    assert text.endswith("I would like")
    assert chat(template).prompt([*TALK, Message("user", "I would like tea")]).startswith(text)


@pytest.mark.parametrize("template", [MISTRAL, GEMMA])
@pytest.mark.parametrize(
    "messages",
    [
        TALK[:2],
        [TALK[0], Message("assistant", "Good day!"), Message("user", "Hi")],
        [TALK[0], Message("user", "Hi"), Message("user", "there")],
        [Message("assistant", "Good day!"), Message("user", "Hi")],
        [TALK[0]],
    ],
)
def test_strict_templates_bear_every_conversation(template: str, messages: list[Message]) -> None:
    prompt = chat(template).prompt(messages)

    for message in messages:
        assert message.text in prompt


def test_a_system_prompt_that_a_template_does_not_know_leads_the_first_words() -> None:
    assert chat(GEMMA).prompt(TALK[:2]) == (
        "<s><start_of_turn>user\nBe kind.\n\nHi<end_of_turn>\n<start_of_turn>model\n"
    )


@pytest.mark.parametrize(
    ("template", "stops"),
    [
        (CHATML, {"<|im_start|>user", "<|im_end|>", "</s>"}),
        (MISTRAL, {"[INST]", "</s>"}),
        (GEMMA, {"<start_of_turn>user", "<end_of_turn>"}),
        (None, {"User:"}),
    ],
)
def test_stop_strings_are_the_markers_after_a_reply(template: str | None, stops: set[str]) -> None:
    assert stops <= set(chat(template).stops)


def test_an_empty_greeting_is_no_message() -> None:
    silent = [TALK[0], Message("assistant", ""), TALK[1]]

    assert chat(CHATML).prompt(silent) == chat(CHATML).prompt(TALK[:2])


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{% if %}"])
def test_a_template_that_serves_nothing_is_refused(template: str) -> None:
    with pytest.raises(Exception, match="fails on a single user message|Expected an expression"):
        chat(template)
