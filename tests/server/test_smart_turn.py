"""Smart Turn from the hub to the call: downloaded by its name, found at the next start."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agent.engines import catalog
from server.commands.models import pull
from server.config import Settings
from server.models import ModelsSettings, open_store
from server.stages import _judge
from tests.agent.engines.test_smart_turn import model_file
from tests.server.fake_hub import FakeHub


@pytest.mark.parametrize("enabled", [True, False])
async def test_it_is_pulled_by_name_and_found_at_the_next_start(
    enabled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "NO_PROXY", "localhost,127.0.0.1")
    model = catalog.named("smart-turn")
    assert model is not None
    hub, name = FakeHub(), f"{model.repository}/{model.files[0]}"
    hub.files[name] = model_file(tmp_path).read_bytes()
    hub.large = {name}
    settings = Settings.model_validate({"turn": {"smart_turn": {"enabled": enabled}}})
    async with hub.serving() as endpoint, AsyncExitStack() as started:
        folder = tmp_path / "models"
        store = open_store(ModelsSettings(folder=folder, endpoint=endpoint))
        assert await _judge(settings, store, started) is None
        assert await pull(store, (model,)) == 0
        judge = await _judge(settings, store, started)
    assert (folder / model.path).read_bytes() == hub.files[name]
    assert (judge is not None) is enabled
