"""Which engine and which models each stage will use, and why. Decides; builds and loads nothing.

For each language, in this order: what the configuration names; what lies in the models folder; the
hub; an engine that needs no model. What had to be done without is said, with the command that
mends it. An engine that was asked for by name is never replaced silently: that is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from agent.engines import catalog
from agent.engines.catalog import ANY_LANGUAGE, Hardware
from agent.engines.llama import LlamaSettings
from agent.errors import Stage
from server.config import Settings
from server.models import ModelStore, ModelUnavailable

_GGUF = b"GGUF"  # what such a file begins with
LIST = "python run.py models list shows the known ones"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something a stage had to do without, why, and what to type or do about it."""

    what: str
    why: str
    mend: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a stage will use. `models`: by language, `*` for any other; empty: none is needed."""

    stage: Stage
    engine: str
    why: str
    device: str = "cpu"
    models: dict[str, Path] = field(default_factory=dict)
    lacks: tuple[Lack, ...] = ()
    forced: bool = False
    """The configuration names this engine: nothing may take its place."""

    spare: Path | None = None
    """The model that replies while the server is strained."""

    @property
    def model(self) -> str:
        """The models' names with their languages, for a person."""
        by_name: dict[str, list[str]] = {}
        for language, path in self.models.items():
            by_name.setdefault(_name(path), []).append(language)
        return ", ".join(
            name if languages == [ANY_LANGUAGE] else f"{name} ({', '.join(languages)})"
            for name, languages in by_name.items()
        )


class StageUnavailable(Exception):
    """A stage cannot be served as it was asked for; the message says why and what to do."""

    def __init__(self, stage: Stage, why: str, mend: str) -> None:
        super().__init__(f"{stage}: {why}\n    mend: {mend}")


async def plan(settings: Settings, store: ModelStore, hardware: Hardware) -> tuple[Choice, ...]:
    """A choice for each stage. Raises StageUnavailable; downloads what `store` may download."""
    return (
        await speech_to_text(settings, store, hardware),
        await language_model(settings, store, hardware),
        await text_to_speech(settings, store),
    )


async def speech_to_text(settings: Settings, store: ModelStore, hardware: Hardware) -> Choice:
    stt = settings.stt
    forced = stt.engine != "auto"
    languages = tuple(settings.personas)
    if stt.engine == "pocketsphinx":
        return _sphinx(languages, "the configuration asks for it", (), forced=True)
    models: dict[str, Path] = {}
    lacks: list[Lack] = []
    for language in languages:
        named = stt.models.get(language) or stt.models.get(ANY_LANGUAGE) or ""
        try:
            models[language] = await _model("stt", language, named, store)
        except ModelUnavailable as error:
            lacks.append(_lack(error, language))
    if lacks and forced:
        raise StageUnavailable("stt", f"whisper was asked for; {lacks[0]}", lacks[0].mend)
    if not models:
        return _sphinx(languages, "no Whisper model could be had", tuple(lacks), forced=False)
    return Choice(
        stage="stt",
        engine="whisper",
        why="the configuration asks for it" if forced else "its models are there",
        device=_device(stt.whisper.device, bool(hardware.gpu)),
        models=models,
        lacks=tuple(lacks),
        forced=forced,
    )


def _sphinx(languages: Iterable[str], why: str, lacks: tuple[Lack, ...], *, forced: bool) -> Choice:
    silent = [language for language in languages if language != "en"]
    if silent:
        why += f"; it knows English only, so calls in {', '.join(silent)} are not understood"
    if silent and not lacks:
        lacks = (
            Lack(
                what=", ".join(silent),
                why="PocketSphinx understands English only",
                mend="set stt.engine to auto or whisper",
            ),
        )
    return Choice(stage="stt", engine="pocketsphinx", why=why, lacks=lacks, forced=forced)


async def language_model(settings: Settings, store: ModelStore, hardware: Hardware) -> Choice:
    llm = settings.llm
    forced = llm.engine != "auto"
    if llm.engine == "openai":
        return Choice(
            stage="llm",
            engine="openai",
            device="remote",
            why=f"the configuration asks for {llm.openai.model} at {llm.openai.base_url}",
            forced=True,
        )
    if llm.engine == "scripted":
        return Choice(
            stage="llm", engine="scripted", why="the configuration asks for it", forced=True
        )
    _adapters_there(llm.llama)
    try:
        path = await _gguf(llm.model, store, hardware)
        spare = await _gguf(llm.spare, store, hardware) if llm.spare else None
    except ModelUnavailable as error:
        if forced:
            raise StageUnavailable("llm", f"llama was asked for; {error}", error.mend) from error
        return Choice(
            stage="llm",
            engine="scripted",
            why="no language model could be had",
            lacks=(_lack(error),),
        )
    return Choice(
        stage="llm",
        engine="llama",
        why="the configuration names it" if llm.model else _suits(path, hardware),
        device=_device(llm.llama.device, hardware.llama_gpu),
        models={ANY_LANGUAGE: path},
        spare=spare,
        forced=forced,
    )


async def text_to_speech(settings: Settings, store: ModelStore) -> Choice:
    tts = settings.tts
    forced = tts.engine == "piper"
    if tts.engine == "espeak":
        return Choice(
            stage="tts", engine="espeak", why="the configuration asks for it", forced=True
        )
    voices: dict[str, Path] = {}
    lacks: list[Lack] = []
    for language in settings.personas:
        named = tts.voices.get(language, "")
        if not named and catalog.for_language("tts", language) is None:
            brought = _fitting(store.brought("tts"), language)
            if brought:
                voices[language] = brought
            continue  # no neural voice is known for it: espeak-ng is its voice, not a stopgap
        try:
            voices[language] = await _model("tts", language, named, store)
        except ModelUnavailable as error:
            lacks.append(_lack(error, language))
    if forced and (lacks or not voices):
        lack = (
            lacks[0]
            if lacks
            else Lack(what="piper", why="no voice is known", mend="set tts.voices")
        )
        raise StageUnavailable("tts", f"piper was asked for; {lack}", lack.mend)
    if not voices:
        why = "no neural voice could be had" if lacks else "no neural voice is known"
        return Choice(stage="tts", engine="espeak", why=why, lacks=tuple(lacks))
    plain = [language for language in settings.personas if language not in voices]
    return Choice(
        stage="tts",
        engine="piper",
        why="its voices are there" + (f"; espeak-ng speaks {', '.join(plain)}" if plain else ""),
        models=voices,
        lacks=tuple(lacks),
        forced=forced,
    )


async def _model(stage: Stage, language: str, named: str, store: ModelStore) -> Path:
    """The model of a stage for a language. Raises ModelUnavailable."""
    if named:
        return await _named(stage, named, store)
    known = catalog.for_language(stage, language)
    there = [known] if known else []
    # A larger model of the same kind that someone has put there serves as well.
    there += sorted(catalog.of_stage(stage), key=lambda model: -model.size)
    for model in there:
        if _serves(model.name, language) and (found := store.find(model)):
            return found
    if brought := _fitting(store.brought(stage), language):
        return brought
    if known is None:
        raise ModelUnavailable(f"a model for {language}", "none is known", "name one by its path")
    return await store.obtain(known)


async def _gguf(named: str, store: ModelStore, hardware: Hardware) -> Path:
    if named:
        return await _named("llm", named, store)
    suited = catalog.language_model(hardware)
    others = [m for m in reversed(catalog.of_stage("llm")) if m.memory < hardware.memory]
    for model in (suited, *others):
        if found := store.find(model):
            return found
    for path in store.brought("llm"):
        if path.stat().st_size < hardware.memory:
            return path
    return await store.obtain(suited)


async def _named(stage: Stage, named: str, store: ModelStore) -> Path:
    """A model by its name in the catalogue, or by its path. A wrong one is an error: nobody who
    names a model wants another."""
    if (model := catalog.named(named)) is not None:
        if model.stage != stage:
            raise StageUnavailable(stage, f"{named} is a model for {model.stage}", LIST)
        return await store.obtain(model)
    return _given(stage, named)


def _adapters_there(llama: LlamaSettings) -> None:
    """Whether each is a GGUF file; that it fits the model is seen when both are loaded."""
    for name, adapter in llama.adapters.items():
        mend = f"set llm.llama.adapters.{name}.path to a LoRA adapter in GGUF"
        try:
            with adapter.path.expanduser().open("rb") as file:
                is_gguf = file.read(len(_GGUF)) == _GGUF
        except OSError as error:
            why = f"the adapter {name}: {adapter.path}: {error.strerror or error}"
            raise StageUnavailable("llm", why, mend) from error
        if not is_gguf:
            raise StageUnavailable("llm", f"the adapter {name}: {adapter.path} is no GGUF", mend)


def _given(stage: Stage, named: str) -> Path:
    """A model that the configuration names by its path."""
    path = Path(named).expanduser()
    weights = path / "model.bin" if stage == "stt" else path
    if not weights.is_file():
        kind = "folder with a model.bin" if stage == "stt" else "file"
        why = f"{named} is neither the name of a known model nor an existing {kind}"
        raise StageUnavailable(stage, why, LIST)
    if stage == "tts" and not Path(f"{path}.json").is_file():
        raise StageUnavailable(stage, f"{path}.json is missing", f"put it beside {path.name}")
    return path


def _lack(error: ModelUnavailable, language: str = "") -> Lack:
    what = f"{error.name} ({language})" if language else error.name
    return Lack(what=what, why=error.why, mend=error.mend)


def _fitting(paths: Iterable[Path], language: str) -> Path | None:
    return next((path for path in paths if _serves_path(path, language)), None)


def _serves_path(path: Path, language: str) -> bool:
    """Whether a model that someone brought is for a language, by its own description or name."""
    if path.suffix != ".onnx":
        return _serves(path.name, language)
    try:
        told = json.loads(Path(f"{path}.json").read_text("utf-8"))
        voice = str(told.get("espeak", {}).get("voice") or path.name)
    except (OSError, ValueError, AttributeError):
        return False
    return voice[:2] == language


def _serves(name: str, language: str) -> bool:
    """Whisper's English models end in `.en`; Piper's voices begin with their locale."""
    if name[2:3] == "_":
        return name[:2] == language
    return language == "en" or not name.endswith(".en")


def _suits(path: Path, hardware: Hardware) -> str:
    suited = catalog.language_model(hardware)
    machine = hardware.gpu if hardware.llama_gpu and hardware.gpu else f"{hardware.cores} CPU cores"
    if path.name == Path(suited.path).name:
        return f"the best known one for {machine}"
    return "it is in the models folder"


def _device(wanted: str, has_gpu: bool) -> str:
    if wanted == "auto":
        return "cuda" if has_gpu else "cpu"
    return wanted


def _name(path: Path) -> str:
    known = next((m.name for m in catalog.MODELS if path.parts[-2:] == Path(m.path).parts), None)
    return known or path.name
