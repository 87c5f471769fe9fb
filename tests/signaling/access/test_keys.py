"""API keys: made, stored, found, removed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from signaling.access.keys import KeyFile, KeyFileError, Keys
from signaling.access.settings import AccessSettings


def test_a_key_is_kept_as_its_hash_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "state" / "keys.json")
    key = file.add("phone")
    text = file.path.read_text()
    assert "phone" in text and key not in text and len(key) > 40
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert not list(tmp_path.glob("**/*.new"))


def test_keys_of_the_settings_and_of_the_file_are_found_by_name(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    made = file.add("made")
    keys = Keys({"set": SecretStr("a-key-from-the-settings")}, file)
    assert keys.names == ("set", "made")
    assert keys.find(made) == "made"
    assert keys.find("a-key-from-the-settings") == "set"
    assert keys.find(made[:-1]) is None
    assert keys.find("") is None
    assert keys.find("한국어 \ud800") is None


def test_what_changes_in_the_file_counts_at_once(tmp_path: Path) -> None:
    running = Keys({}, KeyFile(tmp_path / "keys.json"))
    elsewhere = KeyFile(tmp_path / "keys.json")
    key = elsewhere.add("late")
    assert running.find(key) == "late"
    elsewhere.remove("late")
    assert running.find(key) is None


def test_a_name_is_given_once_and_only_names_that_exist_are_removed(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    file.add("phone")
    with pytest.raises(KeyFileError, match="already"):
        file.add("phone")
    with pytest.raises(KeyFileError, match="it has: phone"):
        file.remove("fone")
    with pytest.raises(KeyFileError, match="no name of a key"):
        file.add("Two Words")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": [{"name": "x"}]}', "\xff"])
def test_a_spoilt_file_is_told_at_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content, "latin-1")
    with pytest.raises(KeyFileError, match=f"{path} is no file of keys"):
        Keys({}, KeyFile(path))


def test_a_file_that_is_spoilt_later_locks_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = KeyFile(tmp_path / "keys.json")
    key = file.add("phone")
    keys = Keys({}, file)
    file.path.write_text("{")
    assert keys.find(key) == "phone"
    assert "The file of keys cannot be used" in caplog.text


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    with pytest.raises(KeyFileError, match="cannot be written: "):
        KeyFile(tmp_path / "state" / "keys.json").add("phone")


@pytest.mark.parametrize("key", ["short", "with a space in the midst", "ek_looks-like-a-secret"])
def test_a_key_that_could_not_work_is_refused_by_the_settings(key: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        AccessSettings.model_validate({"keys": {"phone": key}})
    assert "key" in str(refusal.value)


@pytest.mark.parametrize(
    "written",
    [
        {"origins": ["app.example.org"]},
        {"origins": ["https://app.example.org/path"]},
        {"trusted_proxies": ["proxy.example.org"]},
        {"keys": {"Two Words": "a-key-from-the-settings"}},
    ],
)
def test_what_is_no_origin_proxy_or_name_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AccessSettings.model_validate(written)
