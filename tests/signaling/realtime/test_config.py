"""What a session's configuration means for the conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.settings import TurnSettings
from signaling.realtime.client import CreateResponse, ResponseParameters, parse
from signaling.realtime.config import SessionConfig
from signaling.realtime.refusal import Refused

BASE = TurnSettings()


def turn(detection: dict[str, Any] | None, **session: Any) -> TurnSettings:
    changes = {"audio": {"input": {"turn_detection": detection}}, **session}
    return SessionConfig().updated(changes).turn(BASE)


@pytest.mark.parametrize(
    ("eagerness", "preset"),
    [("low", "patient"), ("medium", "balanced"), ("high", "eager"), ("auto", "eager")],
)
def test_eagerness_is_a_preset_and_auto_the_servers_own(eagerness: str, preset: str) -> None:
    base = BASE.model_copy(
        update={"endpoint": BASE.endpoint.model_copy(update={"preset": "eager"})}
    )
    changes = {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}
    config = SessionConfig().updated({"audio": {"input": changes}})
    assert config.turn(base).endpoint.preset == preset


def test_a_fixed_silence_is_waited_for_whatever_is_said() -> None:
    settings = turn(
        {
            "type": "server_vad",
            "threshold": 0.3,
            "prefix_padding_ms": 120,
            "silence_duration_ms": 150,
        }
    )
    waits = settings.endpoint.waits()
    assert {waits.complete, waits.unsure, waits.unfinished, waits.spelling, waits.unread} == {0.15}
    assert settings.endpoint.shortest == 0.15 and not settings.endpoint.follows_rhythm
    assert (settings.endpoint.speech_above, settings.endpoint.silence_below) == (0.3, 0.3)
    assert settings.hearing.margin == 0.12


@pytest.mark.parametrize(
    ("detection", "floor"),
    [
        (None, (True, False, False, None)),
        ({"type": "semantic_vad"}, (False, True, True, None)),
        ({"type": "server_vad", "create_response": False}, (False, False, True, None)),
        ({"type": "semantic_vad", "interrupt_response": False}, (False, True, False, None)),
        ({"type": "server_vad", "idle_timeout_ms": 6000}, (False, True, True, 6.0)),
    ],
)
def test_turn_detection_says_who_has_the_floor(
    detection: dict[str, Any] | None, floor: tuple[bool, bool, bool, float | None]
) -> None:
    it = turn(detection).floor
    assert (it.by_hand, it.answer, it.interrupt, it.idle) == floor


def test_replies_are_as_long_and_as_audible_as_the_client_wants() -> None:
    settings = turn(None, max_output_tokens=3, output_modalities=["text"])
    assert (settings.reply.max_tokens, settings.reply.spoken) == (3, False)
    settings = turn(None, max_output_tokens="inf")
    assert (settings.reply.max_tokens, settings.reply.spoken) == (BASE.reply.max_tokens, True)


def test_one_response_is_configured_for_itself() -> None:
    config = SessionConfig().updated({"max_output_tokens": 100})
    wanted = ResponseParameters(output_modalities=["text"], instructions="Be kind.")
    own = config.of_response(wanted)
    assert (own.output_modalities, own.instructions, own.max_output_tokens) == (
        ["text"],
        "Be kind.",
        100,
    )
    assert config.output_modalities == ["audio"]
    for bad in (
        {"output_modalities": ["text", "audio"]},
        {"audio": {"output": {"format": {"type": "audio/pcmu"}}}},
    ):
        with pytest.raises(Refused) as refused:
            config.of_response(ResponseParameters.model_validate(bad))
        assert str(refused.value.param).startswith("response.")


@pytest.mark.parametrize("milliseconds", [-1, 86_400_001, 10**400], ids=["before", "after", "far"])
def test_nothing_is_cut_outside_of_the_longest_call(milliseconds: int) -> None:
    event = {
        "type": "conversation.item.truncate",
        "item_id": "item_1",
        "content_index": 0,
        "audio_end_ms": milliseconds,
    }
    with pytest.raises(Refused) as refused:
        parse(json.dumps(event))
    assert refused.value.param == "audio_end_ms"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"audio": 7}, "session.audio"),
        ({"audio": {"input": 7}}, "session.audio.input"),
        ({"audio": {"input": {"nonsense": 1}}}, "session.audio.input.nonsense"),
        ({"audio": {"input": {"format": {"type": "audio/pcm", "rate": 1}}}},
         "session.audio.input.format.rate"),
        ({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
         "session.audio.input.turn_detection.threshold"),
        ({"audio": {"output": {"voice": 7}}}, "session.audio.output.voice"),
        ({"max_output_tokens": 0}, "session.max_output_tokens"),
        ({"tool_choice": "perhaps"}, "session.tool_choice"),
        ({"tools": [{"type": "function"}]}, "session.tools.0.name"),
        ({"tracing": 7}, "session.tracing"),
        ({"model": "x" * 257}, "session.model"),
        ({"truncation": ["auto"]}, "session.truncation"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_as_the_client_wrote_it(
    changes: dict[str, Any], param: str
) -> None:
    with pytest.raises(Refused) as refused:
        SessionConfig().updated(changes)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("response", "param"),
    [
        ({"conversation": "another"}, "response.conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "response.prompt"),
        ({"max_output_tokens": 0}, "response.max_output_tokens"),
        ({"tool_choice": 7}, "response.tool_choice"),
        ({"input": [{"type": "message", "id": 7}]}, "response.input.0.id"),
        ({"input": [{"type": "item_reference"}]}, "response.input.0.id"),
        ({"input": [{"type": "nonsense"}]}, "response.input.0"),
    ],
)
def test_a_response_that_cannot_be_made_as_asked_is_refused(
    response: dict[str, Any], param: str
) -> None:
    with pytest.raises(Refused) as refused:
        event = parse(json.dumps({"type": "response.create", "response": response}))
        assert isinstance(event, CreateResponse) and event.response is not None
        SessionConfig().of_response(event.response)
    assert refused.value.param == param


def test_one_response_may_be_without_parallel_calls() -> None:
    wanted = ResponseParameters(parallel_tool_calls=False)
    assert SessionConfig().toolbox.parallel
    assert not SessionConfig().of_response(wanted).toolbox.parallel
