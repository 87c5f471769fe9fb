"""File, environment and command line into one tree, and what is said about bad values."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from server.problems import validated
from server.show import as_toml
from server.sources import ConfigurationError, read


class Engine(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    threads: int = Field(1, ge=1, le=8)
    """Threads of the engine."""
    api_key: SecretStr = SecretStr("")
    name: str = ""


class Stage(BaseModel, frozen=True, extra="forbid"):
    engine: Literal["auto", "whisper"] = "auto"
    whisper: Engine = Engine()
    folder: Path | None = None


class Example(BaseModel, frozen=True, extra="forbid"):
    stt: Stage = Stage()
    voices: dict[str, Engine] = Field(default_factory=dict)
    wait: float = 0.5
    tried: tuple[Engine, ...] = ()


def loaded(
    tmp_path: Path, toml: str = "", env: dict[str, str] | None = None, *overrides: str
) -> Example:
    file = tmp_path / "a.toml"
    file.write_text(toml)
    return validated(Example, read(file, env or {}, overrides))


def complaint(
    tmp_path: Path, toml: str = "", env: dict[str, str] | None = None, *overrides: str
) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, toml, env, *overrides)
    return str(caught.value)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    toml = '[stt.whisper]\nthreads = 2\nname = "file"\n[voices.en]\nthreads = 3'
    env = {"CHUIMSAE_STT__WHISPER__THREADS": "4", "CHUIMSAE_WAIT": "1.5", "HOME": "/root"}
    settings = loaded(tmp_path, toml, env, "stt.whisper.threads=5")
    assert settings.stt.whisper == Engine(threads=5, name="file")
    assert settings.wait == 1.5
    assert settings.voices == {"en": Engine(threads=3)}


@pytest.mark.parametrize("text", ["1234", "true", "2024-01-01", "1e5", "plain", '"quoted"'])
def test_text_stays_text_however_it_looks(tmp_path: Path, text: str) -> None:
    settings = loaded(tmp_path, "", {"CHUIMSAE_STT__WHISPER__NAME": text})
    assert settings.stt.whisper.name == text.strip('"')


def test_a_table_can_be_given_in_one_value(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "[voices.en]\nthreads = 2", {}, "voices={ko = {threads = 3}}")
    assert settings.voices == {"en": Engine(threads=2), "ko": Engine(threads=3)}


def test_every_problem_is_listed_with_path_value_and_source(tmp_path: Path) -> None:
    told = complaint(
        tmp_path,
        "wiat = 3\n[stt]\nengine = 'wisper'",
        {"CHUIMSAE_STT__WHISPER__THREADS": "99", "CHUIMSAE_SST__ENGINE": "auto"},
        "wait=long",
    ).splitlines()
    assert len(told) == 5
    assert any(
        line.startswith("wiat (") and line.endswith("no such setting; did you mean wait?")
        for line in told
    )
    assert any(
        "stt.engine = 'wisper'" in line and "'auto' or 'whisper'; did you mean whisper?" in line
        for line in told
    )
    assert (
        "stt.whisper.threads = 99 (CHUIMSAE_STT__WHISPER__THREADS): "
        "must be less than or equal to 8" in told
    )
    assert "sst (CHUIMSAE_SST__ENGINE): there is no such setting; did you mean stt?" in told
    assert any(line.startswith("wait = long (--set wait): must be a valid number") for line in told)


def test_a_setting_in_the_wrong_place_is_pointed_to_its_own(tmp_path: Path) -> None:
    assert complaint(tmp_path, "threads = 3").endswith("did you mean stt.whisper.threads?")


def test_a_value_where_a_table_belongs_is_said_so(tmp_path: Path) -> None:
    assert complaint(tmp_path, "stt = 3").endswith("must be a table of settings")


def test_a_bad_secret_is_not_repeated(tmp_path: Path) -> None:
    told = complaint(tmp_path, "[stt.whisper]\napi_key = ['hush']")
    assert "hush" not in told
    assert told.startswith("stt.whisper.api_key = (hidden)")


@pytest.mark.parametrize("override", ["stt", "=3", "stt.=3", ".engine=auto"])
def test_a_malformed_set_is_refused(override: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write it as --set section\.name=value"):
        read(None, {}, [override])


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"a = = 3", "no valid TOML"), (b"\xff\xfe", "no text in UTF-8"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    file = tmp_path / "bad.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"bad\.toml.*{says}"):
        read(file, {}, [])


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    layers = read(
        None,
        {"CHUIMSAE_STT__WHISPER__API_KEY": "hush"},
        ["voices.en.threads=3", "tried=[{threads=2}]", "stt.folder=/models"],
    )
    settings = validated(Example, layers)
    text = as_toml(settings, layers)
    assert "hush" not in text
    assert "# Threads of the engine. [from --set voices.en.threads]\nthreads = 3" in text
    file = tmp_path / "shown.toml"
    file.write_text(text)
    again = validated(Example, read(file, {"CHUIMSAE_STT__WHISPER__API_KEY": "hush"}, []))
    assert again == settings
    assert tomllib.loads(text)["stt"]["folder"] == "/models"
