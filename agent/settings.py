"""The settings of the conversation: the sum of what its modules declare, and the turn's own."""

from __future__ import annotations

from pydantic import BaseModel, Field

from agent.dialogue.barge_in import BargeInSettings
from agent.dialogue.echo import EchoSettings
from agent.dialogue.endpointer import EndpointSettings
from agent.dialogue.filler import FillerSettings
from agent.dialogue.history import HistorySettings
from agent.dialogue.sentences import SentenceSettings
from agent.dialogue.silence import SilenceSettings
from agent.dialogue.speculation import SpeculationSettings
from agent.engines.smart_turn import SmartTurnSettings


class HearingSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What becomes of the caller's audio while they speak."""

    margin: float = Field(default=0.3, ge=0, le=2)
    """Seconds of audio from before the detected onset that belong to an utterance."""
    partial_every: float = Field(default=0.24, ge=0.1, le=5)
    """Seconds between two partial transcripts, when the recogniser keeps up."""
    partial_slowest: float = Field(default=0.5, ge=0.1, le=10)
    """Seconds between two partial transcripts at most: under load they come more seldom."""
    partials: bool = True
    """Whether partial transcripts are made at all."""
    read_along: bool = True
    """Whether the language model reads the stable words while the caller speaks."""
    min_voiced: float = Field(default=0.12, ge=0, le=2)
    """Seconds of voice below which an utterance is taken for noise."""


class FloorSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Who takes the floor by itself. A client of the Realtime protocol sets these for its call."""

    by_hand: bool = False
    """Turns end when the caller's client says so (push to talk), not when the caller pauses."""
    answer: bool = True
    """Whether a turn is answered by itself; otherwise an answer has to be asked for."""
    interrupt: bool = True
    """Whether the caller's voice stops the agent."""
    idle: float | None = Field(default=None, ge=0.5, le=300)
    """Seconds of the caller's silence after which the agent speaks into it; unset: never."""


class ReplySettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How a reply is made and spoken."""

    max_tokens: int = Field(default=48, ge=8, le=1024)
    """Tokens of a reply at most."""
    spoken: bool = True
    """Whether replies are spoken; otherwise they are text alone, for clients that show it."""
    sentences_ahead: int = Field(default=2, ge=1, le=8)
    """Sentences whose sound is made while an earlier one is spoken."""
    sentence_gap: float = Field(default=0.0, ge=0, le=1)
    """Seconds of silence between two pieces of a reply, on top of the pause that the voice itself
    makes after each: it knows a comma from a full stop (`sentence_pause`, `clause_pause`)."""
    longest_wait: float = Field(default=25.0, ge=1, le=600)
    """Seconds of a turn in which the caller waits for a reply, or for it to go on, after which they
    are told that something went wrong, and the call goes on."""
    hurry_after: float = Field(default=0.25, ge=0, le=5)
    """Seconds after the first token from which the first clause need not be a whole one, also
    when the model has stalled meanwhile."""
    soft_end: float = Field(default=1.0, ge=0, le=5)
    """Seconds after the end of a turn in which a caller who goes on continues that turn."""
    soft_words: int = Field(default=1, ge=0, le=20)
    """Words of the reply that the caller may have heard for that to be so."""


class ToolUseSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How a reply uses tools."""

    rounds: int = Field(default=4, ge=1, le=20)
    """Times that the model may ask for tools within one reply; then it must answer."""
    max_tokens: int = Field(default=256, ge=16, le=4096)
    """Tokens of the calls that a model makes at once."""


class TurnSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Everything that shapes a conversation."""

    hearing: HearingSettings = HearingSettings()
    endpoint: EndpointSettings = EndpointSettings()
    smart_turn: SmartTurnSettings = SmartTurnSettings()
    speculation: SpeculationSettings = SpeculationSettings()
    floor: FloorSettings = FloorSettings()
    reply: ReplySettings = ReplySettings()
    tools: ToolUseSettings = ToolUseSettings()
    sentences: SentenceSettings = SentenceSettings()
    barge_in: BargeInSettings = BargeInSettings()
    echo: EchoSettings = EchoSettings()
    fillers: FillerSettings = FillerSettings()
    silence: SilenceSettings = SilenceSettings()
    history: HistorySettings = HistorySettings()
    pronunciations: dict[str, str] = Field(default_factory=dict)
    """How to say what the voice says wrong: written form to spoken form."""
