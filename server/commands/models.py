"""`run.py models list | pull | where`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.engines import catalog
from agent.engines.catalog import Model
from agent.errors import Stage
from server.config import Settings
from server.hardware import probe
from server.models import ModelStore, ModelUnavailable, open_store


async def perform(settings: Settings, action: str, names: Sequence[str]) -> int:
    """Carry out an action; raises ModelUnavailable for names that are not known."""
    store = open_store(settings.models)
    match action:
        case "list":
            show(store, _named(names) or catalog.MODELS, wanted(settings))
            return 0
        case "pull":
            return await pull(store, _named(names) or wanted(settings))
        case _:
            for model in _named(names) or catalog.MODELS:
                print(f"{model.name}\t{store.place(model)}")
            return 0


def wanted(settings: Settings) -> tuple[Model, ...]:
    """The known models that these settings use on this machine."""
    found: list[Model | None] = []
    for language in settings.personas:
        found.append(_chosen("stt", settings.stt.models, language))
        found.append(_chosen("tts", settings.tts.voices, language))
    if settings.llm.engine in ("auto", "llama"):
        named = settings.llm.model
        found.append(catalog.named(named) if named else catalog.language_model(probe()))
    return tuple(dict.fromkeys(model for model in found if model is not None))


async def pull(store: ModelStore, models: Sequence[Model]) -> int:
    """Download each model that is not here; 1 if one could not be had."""
    failed: list[Model] = []
    for model in models:
        if found := store.find(model):
            print(f"{model.name} is here: {found}")
            continue
        print(f"{model.name}: {model.size / 1e6:.0f} MB, {model.licence}, {model.page}")
        try:
            print(f"{model.name} is here: {await store.pull(model)}")
        except ModelUnavailable as error:
            print(f"{error}")
            failed.append(model)
    if failed:
        print(
            "\nThe hub is reached through HTTPS_PROXY, a mirror of it through HF_ENDPOINT. Or take"
        )
        print("\n".join(_by_hand(store, model) for model in failed))
    return 1 if failed else 0


def _by_hand(store: ModelStore, model: Model) -> str:
    """What to fetch for a model with other means, and where it goes."""
    files = " ".join(name.rpartition("/")[2] for name in model.files)
    place = store.files(model)[0][1].parent
    return f"    {files}\n        from {model.page}\n        and put it into {place}"


def show(store: ModelStore, models: Sequence[Model], used: Sequence[Model]) -> None:
    """Print a table of the models, those `used` here marked, and what else lies in the folder."""
    print(f"Models folder: {store.folder}\n")
    print(f"{'':2}{'name':24}{'for':6}{'languages':11}{'size':>9}  licence")
    for model in models:
        here = "* " if store.find(model) else "> " if model in used else "  "
        languages = "chosen" if not model.languages else ", ".join(model.languages)
        size = f"{model.size / 1e6:.0f} MB"
        print(f"{here}{model.name:24}{model.stage:6}{languages:11}{size:>9}  {model.licence}")
    for stage in ("stt", "llm", "tts"):
        for path in store.brought(stage):
            print(f"* {path.name:24}{stage:6}brought by you: {path}")
    print("\n*: is here. >: would be downloaded by `models pull`, or at the start.")
    print("Languages *: every other one. chosen: only if you name the model.")


def _chosen(stage: Stage, names: Mapping[str, str], language: str) -> Model | None:
    name = names.get(language) or names.get(catalog.ANY_LANGUAGE)
    return catalog.named(name) if name else catalog.for_language(stage, language)


def _named(names: Sequence[str]) -> tuple[Model, ...]:
    models = []
    for name in names:
        model = catalog.named(name)
        if model is None:
            known = ", ".join(known.name for known in catalog.MODELS)
            raise ModelUnavailable(repr(name), f"there is no such model; known: {known}", "")
        models.append(model)
    return tuple(models)
