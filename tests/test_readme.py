"""The README promises what the code does: its examples are run, its figures compared."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from agent.dialogue.endpointer import EndpointSettings
from agent.engines import catalog
from server.commands import parser
from server.config import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def examples(kind: str) -> list[str]:
    """The fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_configuration_shown_can_be_used(tmp_path: Path) -> None:
    text = "\n".join(examples("toml"))
    shown = tmp_path / "shown.toml"
    shown.write_text(text, "utf-8")
    settings = load(shown, {}, [])
    assert settings.language == "ko"
    assert settings.llm.engine == "openai"
    assert settings.ice.servers[0].urls == ("stun:stun.example.org:3478",)
    assert settings.tools[0].name == "opening_hours"


def test_the_python_shown_is_python() -> None:
    for text in examples("python"):
        compile(
            f"async def shown():\n    {text.replace(chr(10), chr(10) + '    ')}", "README", "exec"
        )


def test_the_commands_shown_are_understood() -> None:
    typed = re.findall(r"^python run\.py (.+?)(?:\s{2,}#.*)?$", README, re.MULTILINE)
    assert len(typed) >= 4
    for line in typed:
        parser().parse_args(line.split())


@pytest.mark.parametrize("target", sorted(set(re.findall(r"^make (\w+)", README, re.MULTILINE))))
def test_what_is_said_to_be_made_can_be_made(target: str) -> None:
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_the_waits_told_are_those_that_ship() -> None:
    settings = EndpointSettings()
    waits = settings.waits()
    assert f"{settings.speculate_after * 1000:.0f} ms after you pause" in README
    for words, seconds in (
        ("a finished sentence", waits.complete),
        ("an unsure one", waits.unsure),
        ('"and then I…"', waits.unfinished),
        ("a number being spelled", waits.spelling),
    ):
        assert re.search(rf"{re.escape(words)}\s+{seconds:g} s", README)


def test_the_models_named_are_known() -> None:
    rows = re.findall(r"^\|[^|]*\| `([\w.-]+)`[^|]*\| ([\d.]+) ([MG])B \|", README, re.MULTILINE)
    rows += re.findall(r"^\|[^|]*\| `(en_[\w-]+)` \| ([\d.]+) ([MG])B \|", README, re.MULTILINE)
    assert len(rows) >= 6
    for name, size, unit in rows:
        model = catalog.named(name)
        assert model is not None, name
        scale = catalog.GIGABYTE if unit == "G" else catalog.MEGABYTE
        assert model.size / scale == pytest.approx(float(size), rel=0.05), name
