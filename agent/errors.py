"""What can fail, by stage and cause.

    AgentError
    ├── EngineError            a stage's engine did not do its work   (.stage)
    │   ├── EngineMissing      it cannot be built here: a model, a library, a device is missing
    │   │   └── WrongSetting   because a setting names what can't be used; nothing replaces it
    │   ├── EngineTimeout      it did not answer within its deadline
    │   ├── EngineUnavailable  its circuit is open after repeated failures
    │   ├── EngineFailed       it raised
    │   └── LanguageUnsupported
    └── CallClosed             the call has ended; nothing more can be said in it

An adapter translates its library's errors into these (`raise ... from`) and never retries.
"""

from __future__ import annotations

from typing import Literal

Stage = Literal["stt", "llm", "tts"]


class AgentError(Exception):
    """Anything expected that the agent raises."""


class EngineError(AgentError):
    """A stage's engine did not do its work. The message says what failed and what to do."""

    def __init__(self, stage: Stage, message: str) -> None:
        super().__init__(message)
        self.stage = stage


class EngineMissing(EngineError):
    """The engine cannot be built here: a model file, a library or a device is missing."""


class WrongSetting(EngineMissing):
    """A setting names what the engine can't use. Whoever set it wants nothing else instead."""


class EngineTimeout(EngineError):
    """The engine did not answer within its deadline."""


class EngineUnavailable(EngineError):
    """The engine's circuit is open: it failed repeatedly and is left alone for a while."""


class EngineFailed(EngineError):
    """The engine raised; the cause is chained."""


class LanguageUnsupported(EngineError):
    """The engine does not know the language that was asked for."""


class CallClosed(AgentError):
    """The call has ended."""
