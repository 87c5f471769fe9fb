"""The sum of all settings: what ships, what is refused, and what `--show-config` prints."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from server import config
from server.config import ConfigurationError, Settings, configuration_file, load, show

EXAMPLES = sorted((Path(__file__).parents[2] / "config").glob("*.toml"))


def refused(*overrides: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, overrides)
    return str(caught.value)


def test_what_ships_speaks_english_and_korean() -> None:
    settings = load(None)
    assert set(settings.personas) == {"en", "ko"}
    assert settings.language == "en"
    assert all(persona.greeting for persona in settings.personas.values())


def test_a_persona_keeps_what_was_not_set_of_it() -> None:
    korean = load(None, {}, ["personas.ko.name=소리"]).personas["ko"]
    assert korean.name == "소리"
    assert korean.greeting == load(None).personas["ko"].greeting


def test_a_language_can_be_added_and_left_out() -> None:
    settings = load(None, {}, ["personas.de.greeting=Hallo!", "personas.ko=false"])
    assert set(settings.personas) == {"en", "de"}
    assert settings.personas["de"].language == "de"


ADAPTER = "llm.llama.adapters.polite.path=polite.gguf"


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["language=fr"], "language is 'fr', but the personas speak en, ko"),
        (["personas.en=false", "personas.ko=false"], "personas"),
        (["personas.ko.language=en"], "named by its language's code"),
        (["personas.english.greeting=Hi"], "personas.english.language"),
        (["personas=3"], "must be a table of settings"),
        (["server.port=80800"], "server.port = 80800 (--set server.port): must be less than"),
        (["server.prot=80"], "did you mean server.port?"),
        (["stt.engine=wisper"], "did you mean whisper?"),
        (
            ["server.max_calls=-1"],
            "server.max_calls = -1 (--set server.max_calls): must be 'auto', or must be greater",
        ),
        (["server.max_calls=many"], "must be 'auto', or must be a valid integer"),
        (["max_calls=3"], "did you mean server.max_calls?"),
        (["personas.ko.adapter=polite"], "the adapters of llm.llama.adapters are: none"),
        ([ADAPTER, "personas.ko.adapter=polte"], "is 'polte', but the adapters of llm.llama"),
        ([ADAPTER, "personas.ko.adapter=polite", "llm.engine=openai"], "but llm.engine is openai"),
        (["llm.llama.adapters.polite.scale=2"], "llm.llama.adapters.polite.path"),
    ],
)
def test_what_cannot_be_used_is_said(overrides: list[str], says: str) -> None:
    assert says in refused(*overrides)


TOOL = '{name="hours", description="d", url="http://localhost/"}'


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([f"tools=[{TOOL}, {TOOL}]"], "several are called hours"),
        ([f"tools=[{TOOL}]", 'mcp=[{name="a", command="c", tools=["hours"]}]'], "called hours"),
        (['mcp=[{name="a", command="c"}, {name="a", command="d"}]'], "servers are called a"),
    ],
)
def test_names_that_clash_are_refused(overrides: list[str], says: str) -> None:
    assert says in refused(*overrides)


def test_a_prefix_tells_two_tools_apart() -> None:
    server = 'mcp=[{name="a", command="c", tools=["hours"], prefix="a_"}]'
    assert load(None, {}, [f"tools=[{TOOL}]", server]).mcp[0].promised == ("a_hours",)


def test_tools_get_the_variables_that_they_name_and_nobody_sees_them() -> None:
    block = 'mcp=[{name="a", url="http://localhost/", headers={Authorization="${A_KEY}${NONE}"}}]'
    env = {"A_KEY": "s3cret", "B_KEY": "other"}
    settings = load(None, env, [block])

    assert dict(settings.secrets) == {"A_KEY": "s3cret"}
    assert "s3cret" not in show(None, env, [block]) + repr(settings) + settings.model_dump_json()
    assert "${A_KEY}" in show(None, env, [block])


def test_an_unknown_variable_is_refused_and_that_of_the_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[server]\nport = 9000")
    env = {"CHUIMSAE_CONFIG": str(tmp_path / "a.toml")}
    assert load(None, env).server.port == 9000
    with pytest.raises(ConfigurationError, match="CHUIMSAE_SERVER__PROT"):
        load(None, {**env, "CHUIMSAE_SERVER__PROT": "1"})


def test_the_file_is_the_chosen_one_then_the_variables_then_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "chuimsae.toml")
    env = {"CHUIMSAE_CONFIG": "/b.toml"}
    assert configuration_file(Path("/a.toml"), env) == Path("/a.toml")
    assert configuration_file(None, env) == Path("/b.toml")
    assert configuration_file(None, {}) is None
    (tmp_path / "chuimsae.toml").touch()
    assert configuration_file(None, {}) == tmp_path / "chuimsae.toml"


def test_doing_without_the_compiled_part_is_no_setting() -> None:
    assert load(None, {"CHUIMSAE_NATIVE": "off"}) == load(None)


def test_the_settings_shown_are_the_settings_read(tmp_path: Path) -> None:
    overrides = ["server.port=9001", "personas.de.name=Anna", "stt.models={ko = 'whisper-small'}"]
    shown = tmp_path / "shown.toml"
    shown.write_text(show(None, {}, overrides))
    assert load(shown) == load(None, {}, overrides)


def test_tools_are_shown_as_they_are_read(tmp_path: Path) -> None:
    schema = 'parameters={type="object", properties={city={type="string"}}}'
    tool = f'{{name="hours", description="d", url="http://localhost/", {schema}, safe=true}}'
    written = [f"tools=[{tool}]", 'mcp=[{name="a", command="c", env={A="b"}, timeout=3.0}]']
    shown = tmp_path / "shown.toml"
    shown.write_text(show(None, {}, written))
    assert load(shown).tools == load(None, {}, written).tools
    assert load(shown).mcp == load(None, {}, written).mcp


def test_adapters_are_shown_as_they_are_read(tmp_path: Path) -> None:
    written = [ADAPTER, "llm.llama.adapters.polite.scale=0.5", "personas.ko.adapter=polite"]
    shown = tmp_path / "shown.toml"
    shown.write_text(show(None, {}, written))
    assert load(shown).llm.llama.adapters == load(None, {}, written).llm.llama.adapters
    assert load(shown).personas["ko"].adapter == "polite"


def test_a_secret_is_not_shown() -> None:
    shown = show(None, {"CHUIMSAE_LLM__OPENAI__API_KEY": "sk-hush"}, [])
    assert "sk-hush" not in shown
    assert "# api_key = (hidden)" in shown


def test_every_setting_is_documented() -> None:
    undocumented = [path for path, told in described(Settings) if not told]
    assert undocumented == []


def described(model: type[BaseModel], above: str = "") -> list[tuple[str, str]]:
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += described(inner, f"{above}{name}.")
        else:
            found.append((f"{above}{name}", field.description or ""))
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_can_be_used_as_it_stands_and_with_its_comments_taken_away(
    example: Path, tmp_path: Path
) -> None:
    load(example)
    text = re.sub(r"^# ([a-z_.\"*\[]+.*(=|\]$).*)", r"\1", example.read_text(), flags=re.M)
    assert tomllib.loads(text) != tomllib.loads(example.read_text())
    full = tmp_path / "full.toml"
    full.write_text(text)
    load(full)
