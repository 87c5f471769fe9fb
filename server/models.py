"""Where a model comes from: a path that was configured, the models folder, or the hub.

The folder is laid out by engine, and may be filled by hand:

    models/whisper/NAME/        a CTranslate2 Whisper: model.bin, config.json, tokenizer.json, …
    models/llm/NAME.gguf        a chat model for llama.cpp
    models/piper/VOICE.onnx     a Piper voice, with VOICE.onnx.json beside it

A model is in its place as a whole or not at all.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, Field

from agent.engines.catalog import MODELS, Model, of_stage
from agent.errors import Stage
from server.hub import Hub, HubError, HubUnreachable
from server.progress import DownloadProgress

PROJECT = Path(__file__).resolve().parents[1]


class ModelsSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `models`."""

    folder: Path = PROJECT / "models"
    """Folder of the models; a relative one is taken from the working directory."""
    download: bool = True
    """Download what is missing at the start; otherwise only by `run.py models pull`."""
    endpoint: str = ""
    """URL of the model hub or a mirror of it; empty: HF_ENDPOINT, or the hub itself."""
    timeout: float = Field(10.0, gt=0.0, le=600.0)
    """Seconds that the hub may stay silent before it counts as unreachable."""


class ModelUnavailable(Exception):
    """A model could not be had: `why`, and what to type or do about it (`mend`)."""

    def __init__(self, name: str, why: str, mend: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name
        self.why = why
        self.mend = mend


class ModelStore:
    """The models folder, filled from the hub as needed."""

    def __init__(self, settings: ModelsSettings, hub: Hub) -> None:
        self.folder = settings.folder
        self.may_download = settings.download
        self._hub = hub
        self._unreachable: str | None = None

    def place(self, model: Model) -> Path:
        """Where the model is kept once it is here."""
        return self.folder / model.path

    def files(self, model: Model) -> tuple[tuple[str, Path], ...]:
        """The model's files: name in the repository, and place in the folder."""
        folder = self.place(model) if model.is_folder else self.place(model).parent
        return tuple((name, folder / Path(name).name) for name in model.files)

    def find(self, model: Model) -> Path | None:
        """The model's place, if all of it is there."""
        there = all(path.is_file() for _, path in self.files(model))
        return self.place(model) if there else None

    def brought(self, stage: Stage) -> tuple[Path, ...]:
        """Models of a stage that lie in the folder and are not of the catalogue, largest first."""
        weights = {
            "stt": self.folder.glob("whisper/*/model.bin"),
            "llm": self.folder.glob("llm/*.gguf"),
            "tts": self.folder.glob("piper/*.onnx"),
        }[stage]
        known = {self.place(model) for model in of_stage(stage)}
        found = [
            (path.stat().st_size, path.parent if stage == "stt" else path)
            for path in weights
            if stage != "tts" or Path(f"{path}.json").is_file()
        ]
        return tuple(path for _, path in sorted(found, reverse=True) if path not in known)

    def lying_there(self, pattern: str) -> Path | None:
        """The last file in the folder that fits the glob `pattern`: the newest version by name."""
        return max(self.folder.glob(pattern), default=None)

    async def obtain(self, model: Model) -> Path:
        """The model's place, downloaded first if need be. Raises ModelUnavailable."""
        if found := self.find(model):
            return found
        if not self.may_download:
            raise ModelUnavailable(model.name, f"not in {self.folder}", _pull(model))
        return await self.pull(model)

    async def pull(self, model: Model) -> Path:
        """Download what is missing of the model. Raises ModelUnavailable.

        Once the hub did not answer it is not asked again, so that a start without a network is
        not slowed down by each model in turn."""
        if self._unreachable:
            raise ModelUnavailable(model.name, self._unreachable, _pull(model))
        try:
            for name, path in self.files(model):
                if not path.is_file():
                    await self._fetch(model.repository, name, path)
        except HubUnreachable as error:
            self._unreachable = str(error)
            raise ModelUnavailable(model.name, str(error), _pull(model)) from error
        except (HubError, OSError) as error:
            raise ModelUnavailable(model.name, str(error), _pull(model)) from error
        return self.place(model)

    async def reachable(self) -> str:
        """Empty if the hub answers, otherwise why it does not."""
        model = MODELS[0]
        try:
            await _aside(lambda: self._hub.look_up(model.repository, model.files[-1]))
        except HubError as error:
            return str(error)
        return ""

    async def _fetch(self, repository: str, name: str, path: Path) -> None:
        try:
            await _aside(lambda: self._hub.fetch(repository, name, path))
        except asyncio.CancelledError:
            self._hub.stop()
            raise


async def _aside(work: Callable[[], object]) -> None:
    """Do blocking work in a thread that the end of the process does not wait for.

    (`asyncio.to_thread` would: after Ctrl-C, until a silent hub has timed out.)"""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: Exception | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def perform() -> None:
        error: Exception | None = RuntimeError("a download's thread died: its trace is above")
        try:
            work()
            error = None
        except (HubError, OSError) as failed:
            error = failed
        finally:
            with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=perform, name="hub", daemon=True).start()
    await done


def _pull(model: Model) -> str:
    return f"python run.py models pull {model.name}"


def open_store(settings: ModelsSettings) -> ModelStore:
    """The store, with a hub that tells how far downloads are on standard error."""
    hub = Hub(endpoint=settings.endpoint, timeout=settings.timeout, progress=DownloadProgress())
    return ModelStore(settings, hub)
