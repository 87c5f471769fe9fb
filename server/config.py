"""The sum of every module's settings, and how it is read: file, environment, `--set`.

A module declares its settings beside the code that uses them; here they only get a section. An
unknown key or a bad value stops the start (`ConfigurationError`), with everything that is wrong
listed at once. This is the only module that is handed the environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, field_validator, model_validator

from agent.engines.caches import CacheSettings, ReplyCacheSettings
from agent.engines.espeak import EspeakSettings
from agent.engines.llama import LlamaSettings
from agent.engines.mcp.settings import McpSettings
from agent.engines.openai import OpenAISettings
from agent.engines.phrases import PhraseSettings
from agent.engines.piper import PiperSettings
from agent.engines.pocketsphinx import PocketSphinxSettings
from agent.engines.resilience import GuardSettings
from agent.engines.scripted import ScriptedSettings
from agent.engines.tools import HttpToolSettings
from agent.engines.whisper import WhisperSettings
from agent.persona import Persona, english, korean
from agent.settings import TurnSettings
from media.line import LineSettings
from media.native import OFF
from media.speaker import SpeakerSettings
from media.voice import VoiceSettings
from server.load.ladder import LoadSettings
from server.logs import LogSettings
from server.models import PROJECT, ModelsSettings
from server.problems import validated
from server.settings import ServerSettings
from server.show import as_toml
from server.sources import PREFIX, ConfigurationError, Layers, read
from signaling.access.settings import AccessSettings, LimitSettings
from signaling.ice import IceSettings

__all__ = ["ConfigurationError", "Settings", "configuration_file", "load", "show"]

DEFAULT_FILE = PROJECT / "chuimsae.toml"


class SttSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `stt`: speech to text."""

    engine: Literal["auto", "whisper", "pocketsphinx"] = "auto"
    """`auto`: Whisper if its models can be had, otherwise PocketSphinx (English only)."""
    models: dict[str, str] = Field(default_factory=dict)
    """Whisper's model of a language, such as {en = "whisper-tiny.en", "*" = "/path/to/a/folder"};
    the name of a known model (`run.py models list`) or a path. `*`: all other languages."""
    whisper: WhisperSettings = WhisperSettings()
    pocketsphinx: PocketSphinxSettings = PocketSphinxSettings()
    guard: GuardSettings = GuardSettings()


class LlmSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `llm`: the language model."""

    engine: Literal["auto", "llama", "openai", "scripted"] = "auto"
    """`auto`: llama.cpp if a model can be had, otherwise a script that says what it is."""
    model: str = ""
    """The name of a known model (`run.py models list`) or the path of a .gguf file; empty: the
    best known one that this machine runs fast enough."""
    spare: str = ""
    """A smaller model, named in the same way, that replies while the server is strained (from the
    rung `brief` on); empty: replies only get shorter."""
    llama: LlamaSettings = LlamaSettings()
    openai: OpenAISettings = OpenAISettings()
    scripted: ScriptedSettings = ScriptedSettings()
    replies: ReplyCacheSettings = ReplyCacheSettings()
    guard: GuardSettings = GuardSettings()


class TtsSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `tts`: text to speech."""

    engine: Literal["auto", "piper", "espeak"] = "auto"
    """`auto`: Piper for the languages whose voice can be had, espeak-ng for the others."""
    voices: dict[str, str] = Field(default_factory=dict)
    """Piper's voice of a language, such as {en = "en_US-lessac-medium"}: the name of a known
    voice (`run.py models list`) or the path of an .onnx file with its .onnx.json beside it."""
    spare: Literal["", "espeak"] = ""
    """The voice that speaks while the server is strained (from the rung `brief` on), for a
    hundredth of the work; empty: the usual one."""
    piper: PiperSettings = PiperSettings()
    espeak: EspeakSettings = EspeakSettings()
    phrases: PhraseSettings = PhraseSettings()
    guard: GuardSettings = GuardSettings()


class Settings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Everything that can be set, by section."""

    language: str = "en"
    """Language of a call that does not ask for one: one of the personas'."""
    server: ServerSettings = ServerSettings()
    load: LoadSettings = LoadSettings()
    access: AccessSettings = AccessSettings()
    limits: LimitSettings = LimitSettings()
    ice: IceSettings = IceSettings()
    log: LogSettings = LogSettings()
    models: ModelsSettings = ModelsSettings()
    personas: dict[str, Persona] = Field(
        default_factory=lambda: {"en": english(), "ko": korean()}, min_length=1
    )
    """Who answers, by language. What is not set of `en` and `ko` stays as it ships;
    `ko = false` leaves a language out."""
    voice: VoiceSettings = VoiceSettings()
    speaker: SpeakerSettings = SpeakerSettings()
    line: LineSettings = LineSettings()
    stt: SttSettings = SttSettings()
    llm: LlmSettings = LlmSettings()
    tts: TtsSettings = TtsSettings()
    cache: CacheSettings = CacheSettings()
    tools: list[HttpToolSettings] = Field(default_factory=list)
    """HTTP endpoints that the model may use: one `[[tools]]` block each."""
    mcp: list[McpSettings] = Field(default_factory=list)
    """MCP servers whose tools the model may use: one `[[mcp]]` block each."""
    turn: TurnSettings = TurnSettings()
    _secrets: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def secrets(self) -> Mapping[str, str]:
        """The set variables of the environment that `tools` and `mcp` name; shown to nobody."""
        return self._secrets

    @field_validator("personas", mode="before")
    @classmethod
    def _complete_personas(cls, written: Any) -> Any:
        if not isinstance(written, dict):
            return written
        shipped = {"en": english(), "ko": korean()}
        complete: dict[str, Any] = {
            language: persona.model_dump()
            for language, persona in shipped.items()
            if written.get(language) is not False
        }
        for language, block in written.items():
            if isinstance(block, dict):
                complete[language] = {**complete.get(language, {"language": language}), **block}
            elif block is not False:
                complete[language] = block
        return complete

    @model_validator(mode="after")
    def _tell_tools_apart(self) -> Settings:
        names = [tool.name for tool in self.tools]
        names += [name for server in self.mcp for name in server.promised]
        if twice := _repeated(names):
            raise ValueError(
                f"tools: several are called {', '.join(twice)}: a tool's name must be its own "
                "(an MCP server's can be given a prefix)"
            )
        if twice := _repeated([server.name for server in self.mcp]):
            raise ValueError(f"mcp: several servers are called {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _know_the_adapters(self) -> Settings:
        known = ", ".join(sorted(self.llm.llama.adapters)) or "none"
        for name, persona in self.personas.items():
            if not persona.adapter:
                continue
            if self.llm.engine == "openai":
                raise ValueError(
                    f"personas.{name}.adapter is {persona.adapter!r}, but llm.engine is openai: "
                    "only llama.cpp here can be given adapters"
                )
            if persona.adapter not in self.llm.llama.adapters:
                raise ValueError(
                    f"personas.{name}.adapter is {persona.adapter!r}, but the adapters of "
                    f"llm.llama.adapters are: {known}"
                )
        return self

    @model_validator(mode="after")
    def _know_the_languages(self) -> Settings:
        for name, persona in self.personas.items():
            if persona.language != name:
                raise ValueError(
                    f"personas.{name} speaks {persona.language!r}: "
                    "a persona's block is named by its language's code"
                )
        if self.language not in self.personas:
            raise ValueError(
                f"language is {self.language!r}, but the personas speak "
                f"{', '.join(sorted(self.personas))}"
            )
        return self


_NO_SETTINGS = (f"{PREFIX}CONFIG", OFF)
"""Variables of the environment that begin like settings and are none."""


def configuration_file(chosen: Path | None, env: Mapping[str, str]) -> Path | None:
    """The file to read: the chosen one, that of CHUIMSAE_CONFIG, or chuimsae.toml beside run.py."""
    if chosen is not None:
        return chosen
    if named := env.get(f"{PREFIX}CONFIG"):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def load(
    path: Path | None, env: Mapping[str, str] | None = None, overrides: Sequence[str] = ()
) -> Settings:
    """The settings in effect. Raises ConfigurationError with every problem, one a line."""
    env = env or {}
    settings = validated(Settings, _layers(path, env, overrides))
    blocks: list[HttpToolSettings | McpSettings] = [*settings.tools, *settings.mcp]
    for block in blocks:
        settings._secrets.update({name: env[name] for name in block.variables if env.get(name)})
    return settings


def show(path: Path | None, env: Mapping[str, str], overrides: Sequence[str]) -> str:
    """The settings in effect as commented TOML. Raises ConfigurationError."""
    layers = _layers(path, env, overrides)
    return as_toml(validated(Settings, layers), layers)


def _layers(path: Path | None, env: Mapping[str, str], overrides: Sequence[str]) -> Layers:
    named = {name: value for name, value in env.items() if name not in _NO_SETTINGS}
    return read(configuration_file(path, env), named, overrides)


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
