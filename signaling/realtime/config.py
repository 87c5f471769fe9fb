"""The configuration of a Realtime session: what a client may set, merged, checked, and what it
means for the conversation.

What this server can't do is refused by name, never silently ignored; names of foreign models and
voices are accepted (every SDK sends some) and mean this server's own. Pure.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from agent.dialogue.endpointer import EndpointSettings, Preset
from agent.engines.tools import check_parameters
from agent.messages import Tool, Toolbox
from agent.persona import Persona
from agent.settings import TurnSettings
from signaling.realtime.client import NAME, ResponseParameters
from signaling.realtime.extension import Wishes
from signaling.realtime.refusal import Refused, invalid, unsupported

NULLABLE = {"noise_reduction", "transcription", "turn_detection", "tracing", "prompt", "reasoning"}
"""Fields of a session that a client sets to null to turn them off; elsewhere null changes nothing.
"""
NESTED = {"audio", "input", "output", "chuimsae"}
"""Objects that are merged field by field; others are replaced."""


class Pcm(BaseModel, frozen=True, extra="forbid"):
    """Signed 16-bit little-endian samples, one channel."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24_000] = 24_000


class Pcmu(BaseModel, frozen=True, extra="forbid"):
    """G.711 µ-law, 8 kHz."""

    type: Literal["audio/pcmu"]


class Pcma(BaseModel, frozen=True, extra="forbid"):
    """G.711 A-law, 8 kHz."""

    type: Literal["audio/pcma"]


class Opus(BaseModel, frozen=True, extra="forbid"):
    """Opus packets, one a piece of audio; the binary subprotocol's own, and of use in JSON too."""

    type: Literal["audio/opus"]
    rate: Literal[48_000] = 48_000


Format = Annotated[Pcm | Pcmu | Pcma | Opus, Field(discriminator="type")]


class Transcription(BaseModel, frozen=True, extra="ignore"):
    """How the caller's words are told. `language` is the one that is spoken (ISO 639-1)."""

    model: str | None = None
    language: str | None = None
    prompt: str | None = None


class ServerVad(BaseModel, frozen=True, extra="forbid"):
    """A turn ends after a fixed silence."""

    type: Literal["server_vad"]
    threshold: float | None = Field(default=None, gt=0, lt=1)
    prefix_padding_ms: int | None = Field(default=None, ge=0, le=2000)
    silence_duration_ms: int | None = Field(default=None, ge=100, le=5000)
    idle_timeout_ms: int | None = Field(default=None, ge=500, le=300_000)
    create_response: bool | None = True
    interrupt_response: bool | None = True


class SemanticVad(BaseModel, frozen=True, extra="forbid"):
    """A turn ends when what was said is complete: this server's own way."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = "auto"
    create_response: bool | None = True
    interrupt_response: bool | None = True


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class NoiseReduction(BaseModel, frozen=True, extra="forbid"):
    """Accepted and told; the detector here needs none."""

    type: Literal["near_field", "far_field"] | None = None


class AudioInput(BaseModel, frozen=True, extra="forbid"):
    """What the client sends."""

    format: Format = Pcm()
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = Transcription()
    turn_detection: TurnDetection | None = SemanticVad(type="semantic_vad")


class VoiceId(BaseModel, frozen=True, extra="forbid"):
    """A voice by its id."""

    id: str


class AudioOutput(BaseModel, frozen=True, extra="forbid"):
    """What the client hears."""

    format: Format = Pcm()
    voice: str | VoiceId = ""
    speed: float = 1.0


class Audio(BaseModel, frozen=True, extra="forbid"):
    """Both directions."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class FunctionTool(BaseModel, frozen=True, extra="ignore"):
    """A function of the client's, that the model may call."""

    type: Literal["function"]
    name: str = Field(pattern=NAME)
    description: str | None = Field(default=None, max_length=4000)
    parameters: dict[str, Any] = {"type": "object", "properties": {}}

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        check_parameters(schema)
        return schema


class NamedFunction(BaseModel, frozen=True, extra="forbid"):
    """The one function that must be called."""

    type: Literal["function"]
    name: str


ToolChoice = Literal["auto", "none", "required"] | NamedFunction


class SessionConfig(BaseModel, frozen=True, extra="forbid"):
    """A session as its client has configured it."""

    type: Literal["realtime"] = "realtime"
    model: str = Field(default="", max_length=256)
    instructions: str = Field(default="", max_length=20_000)
    output_modalities: list[Literal["text", "audio"]] = ["audio"]
    audio: Audio = Audio()
    tools: list[FunctionTool] = Field(default=[], max_length=128)
    tool_choice: ToolChoice = "auto"
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] = "inf"
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None
    parallel_tool_calls: bool | None = None
    prompt: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    tracing: str | dict[str, Any] | None = None
    truncation: str | dict[str, Any] = "auto"
    chuimsae: Wishes = Wishes()

    def updated(self, changes: dict[str, Any]) -> SessionConfig:
        """This configuration with a client's changes. Raises Refused; then nothing changed."""
        wanted = _merged(self.model_dump(), changes)
        try:
            config = SessionConfig.model_validate(wanted)
        except ValidationError as error:
            raise invalid(error, wanted, "session") from error
        config.check()
        return config

    def check(self) -> None:
        """Raises Refused when this server can't do what is asked for."""
        if self.output_modalities not in (["audio"], ["text"]):
            raise Refused(
                "invalid_value",
                'output_modalities is ["audio"], which brings its transcript, or ["text"]',
                param="session.output_modalities",
            )
        self._check_tools()
        if self.prompt is not None:
            raise unsupported("a stored prompt", "session.prompt")
        if self.audio.output.speed != 1.0:
            raise unsupported("a speed other than 1", "session.audio.output.speed")

    def _check_tools(self) -> None:
        names = [tool.name for tool in self.tools]
        for number, name in enumerate(names):
            if name in names[:number]:
                where = f"session.tools.{number}.name"
                raise Refused("invalid_value", f"there are two tools named {name!r}", param=where)
        choice = self.tool_choice
        if isinstance(choice, NamedFunction) and choice.name not in names:
            told = f"none of the tools is named {choice.name[:64]!r}"
            raise Refused("invalid_value", told, param="session.tool_choice.name")

    @property
    def toolbox(self) -> Toolbox:
        """The client's tools, as the model is offered them."""
        choice = self.tool_choice
        return Toolbox(
            tools=tuple(Tool(t.name, t.description or "", t.parameters) for t in self.tools),
            choice="required" if isinstance(choice, NamedFunction) else choice,
            named=choice.name if isinstance(choice, NamedFunction) else "",
            parallel=self.parallel_tool_calls is not False,
        )

    @property
    def language(self) -> str | None:
        """The language the client says is spoken."""
        transcription = self.audio.input.transcription
        return transcription.language if transcription else None

    @property
    def voice(self) -> str:
        voice = self.audio.output.voice
        return voice if isinstance(voice, str) else voice.id

    def turn(self, base: TurnSettings) -> TurnSettings:
        """The conversation's settings, with what the client has set of them."""
        changes: dict[str, Any] = {
            "endpoint": _endpoint(base.endpoint, self._detection),
        }
        if not self.chuimsae.silence:
            # A client of the protocol may be silent for as long as it likes.
            changes["silence"] = base.silence.model_copy(update={"enabled": False})
        if (padding := self._padding_ms) is not None:
            changes["hearing"] = base.hearing.model_copy(update={"margin": padding / 1000})
        changes["floor"] = base.floor.model_copy(update=self._floor)
        reply: dict[str, Any] = {"spoken": not self.is_written}
        if self.max_output_tokens != "inf":
            reply["max_tokens"] = self.max_output_tokens
        changes["reply"] = base.reply.model_copy(update=reply)
        return base.model_copy(update=changes)

    @property
    def _floor(self) -> dict[str, Any]:
        detection = self._detection
        if detection is None:
            return {"by_hand": True, "answer": False, "interrupt": False, "idle": None}
        idle = detection.idle_timeout_ms if isinstance(detection, ServerVad) else None
        return {
            "by_hand": False,
            "answer": detection.create_response is not False,
            "interrupt": detection.interrupt_response is not False,
            "idle": None if idle is None else idle / 1000,
        }

    @property
    def _padding_ms(self) -> int | None:
        detection = self._detection
        return detection.prefix_padding_ms if isinstance(detection, ServerVad) else None

    @property
    def padding(self) -> float:
        """Seconds before the caller's speech that belong to it, as the client has set them."""
        return (self._padding_ms or 0) / 1000

    @property
    def is_written(self) -> bool:
        """Responses are text alone."""
        return self.output_modalities == ["text"]

    @property
    def max_tokens(self) -> int | None:
        """Of a response; None: as many as the server's settings say."""
        return None if self.max_output_tokens == "inf" else self.max_output_tokens

    @property
    def answers_turns(self) -> bool:
        """The caller's turns are answered by themselves."""
        detection = self._detection
        return detection is not None and detection.create_response is not False

    def of_response(self, wanted: ResponseParameters) -> SessionConfig:
        """One response's configuration. Raises Refused."""
        changes: dict[str, Any] = {}
        if wanted.output_modalities is not None:
            changes["output_modalities"] = wanted.output_modalities
        if wanted.max_output_tokens is not None:
            changes["max_output_tokens"] = wanted.max_output_tokens
        if wanted.instructions is not None:
            changes["instructions"] = wanted.instructions
        if wanted.tools is not None:
            changes["tools"] = wanted.tools
        if wanted.tool_choice is not None:
            changes["tool_choice"] = wanted.tool_choice
        if wanted.parallel_tool_calls is not None:
            changes["parallel_tool_calls"] = wanted.parallel_tool_calls
        if wanted.audio is not None:
            changes["audio"] = wanted.audio
        if wanted.prompt is not None:
            raise unsupported("a stored prompt", "response.prompt")
        try:
            config = self.updated(changes)
        except Refused as refused:
            refused.param = (refused.param or "session").replace("session", "response", 1)
            raise
        if config.audio.output.format != self.audio.output.format:
            raise unsupported("an audio format for one response", "response.audio.output.format")
        if config.voice != self.voice:
            raise unsupported("a voice for one response", "response.audio.output.voice")
        return config

    @property
    def _detection(self) -> ServerVad | SemanticVad | None:
        return self.audio.input.turn_detection


def default_config(persona: Persona) -> SessionConfig:
    """The session of a client that configures nothing."""
    return SessionConfig(model=persona.name)


_PRESETS: dict[str, Preset] = {"low": "patient", "medium": "balanced", "high": "eager"}


def _endpoint(
    base: EndpointSettings, detection: ServerVad | SemanticVad | None
) -> EndpointSettings:
    match detection:
        case SemanticVad(eagerness="low" | "medium" | "high" as eagerness):
            return base.model_copy(update={"preset": _PRESETS[eagerness]})
        case ServerVad():
            silence = (detection.silence_duration_ms or 500) / 1000
            kinds = ("complete", "unsure", "unfinished", "spelling", "unread")
            changes: dict[str, Any] = dict.fromkeys(kinds, silence)
            # A fixed silence: neither the words nor the caller's rhythm nor a judge change it.
            changes["shortest"] = min(base.shortest, silence)
            changes["judge_weight"] = 0.0
            changes["follows_rhythm"] = False
            if detection.threshold is not None:
                changes["speech_above"] = detection.threshold
                changes["silence_below"] = min(base.silence_below, detection.threshold)
            return base.model_copy(update=changes)
        case _:
            return base


def _merged(old: dict[str, Any], changes: dict[str, Any], where: str = "session") -> dict[str, Any]:
    """`where`: the path of both."""
    merged = dict(old)
    for name, value in changes.items():
        if value is None and name not in NULLABLE:
            continue
        before = merged.get(name)
        if name in NESTED and isinstance(before, dict):
            if not isinstance(value, dict):
                raise Refused("invalid_type", f"{name} is an object", param=f"{where}.{name}")
            value = _merged(before, value, f"{where}.{name}")
        merged[name] = value
    return merged
