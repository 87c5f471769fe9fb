"""The endpointer's settings: its presets, what outranks them, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from agent.dialogue.endpointer import (
    PRESETS,
    EndpointSettings,
)


def test_patience_grows_from_eager_to_patient() -> None:
    for kind in ("complete", "unsure", "unfinished", "spelling", "unread"):
        eager, balanced, patient = (
            getattr(PRESETS[name], kind) for name in ("eager", "balanced", "patient")
        )
        assert eager < balanced < patient


@pytest.mark.parametrize(
    "bad", [{"preset": "hasty"}, {"complete": 0.0}, {"min_speech": 2}, {"unknown": 1}]
)
def test_a_bad_setting_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EndpointSettings.model_validate(bad)


def test_the_waits_of_a_preset_can_be_read() -> None:
    chosen = EndpointSettings(preset="patient", unread=2.0).waits()

    assert chosen == replace(PRESETS["patient"], unread=2.0)
