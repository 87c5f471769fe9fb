"""When a key is asked for, and what a server does that has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.access import FIRST, all_keys, first_key, is_required
from server.commands import main
from server.config import ConfigurationError, Settings, load, show
from server.talk import at_home
from signaling.access.keys import KeyFileError
from signaling.client import Caller
from tests.server.house import settings, stages

ROOT = Path(__file__).resolve().parents[2]


def listening(host: str, folder: Path, **access: Any) -> Settings:
    return settings(server={"host": host, "port": 0, "state": str(folder)}, access=access)


@pytest.mark.parametrize(
    ("host", "access", "required"),
    [
        ("127.0.0.1", {}, False),
        ("::1", {}, False),
        ("localhost", {}, False),
        ("0.0.0.0", {}, True),
        ("::", {}, True),
        ("192.168.1.5", {}, True),
        ("voice.example.org", {}, True),
        ("127.0.0.1", {"trusted_proxies": ["127.0.0.1"]}, True),
        ("127.0.0.1", {"required": True}, True),
        ("0.0.0.0", {"required": False}, False),
    ],
)
def test_a_key_is_asked_for_where_others_can_call(
    tmp_path: Path, host: str, access: dict[str, Any], required: bool
) -> None:
    assert is_required(listening(host, tmp_path, **access)) is required


def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    open_to_all = listening("0.0.0.0", tmp_path)
    key = first_key(open_to_all, is_attended=True)
    assert all_keys(open_to_all).find(key) == FIRST
    assert first_key(open_to_all, is_attended=True) == ""
    assert first_key(open_to_all, is_attended=False) == ""


def test_no_key_is_made_where_none_is_needed(tmp_path: Path) -> None:
    assert first_key(listening("127.0.0.1", tmp_path), is_attended=True) == ""
    configured = listening("0.0.0.0", tmp_path, keys={"phone": "a-key-from-the-settings"})
    assert first_key(configured, is_attended=True) == ""
    assert not list(tmp_path.iterdir())


def test_a_service_without_a_key_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="run.py keys add"):
        first_key(listening("0.0.0.0", tmp_path), is_attended=False)
    assert not list(tmp_path.iterdir())


def test_a_service_without_a_key_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "run.py", "--host", "0.0.0.0", "--port", "0"]
    state = ["--set", f"server.state={tmp_path}"]
    ended = subprocess.run(
        [*command, *state], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "calls at 0.0.0.0 need a key" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_keys_are_made_listed_and_removed_at_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--set", f"server.state={tmp_path}"]
    assert main(["keys", "add", "phone", *state]) == 0
    key = capsys.readouterr().out.strip()
    assert all_keys(listening("0.0.0.0", tmp_path)).find(key) == "phone"
    assert main(["keys", "list", *state]) == 0
    listed = capsys.readouterr().out
    assert "phone" in listed and key not in listed
    assert main(["keys", "remove", "phone", *state]) == 0
    assert main(["keys", "remove", "phone", *state]) == 1
    assert "has no key 'phone'" in capsys.readouterr().err
    assert main(["keys", "list", *state]) == 0
    assert "There are no keys" in capsys.readouterr().out


TURN = ('ice.turn.urls=["turn:127.0.0.1:3478"]',)


def test_a_key_that_cannot_be_used_is_not_shown_either() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(None, {"CHUIMSAE_ACCESS__KEYS__PHONE": "a secret"})
    assert "access.keys.phone = (hidden)" in str(refusal.value)
    assert "a secret" not in str(refusal.value)


def test_keys_are_not_shown_with_the_settings() -> None:
    env = {"CHUIMSAE_ACCESS__KEYS__PHONE": "a-key-from-the-environment"}
    shown = show(None, env, ["ice.turn.secret=the-secret-of-coturn", *TURN])
    assert "a-key-from-the-environment" not in shown
    assert "the-secret-of-coturn" not in shown
    assert "keys = (hidden)" in shown


async def test_a_server_that_calls_itself_asks_itself_for_no_key(tmp_path: Path) -> None:
    configured = listening("0.0.0.0", tmp_path, required=True)
    async with stages("x") as standing, at_home(configured, standing) as (url, ice):
        async with Caller(url, settings=ice) as caller:
            await caller.wait_for("call.started")
