"""The command line as a person types it: what it prints, where, and how it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import run
from media.audio import silence
from server import recordings
from server.commands import main
from tests.conftest import TestData

ROOT = Path(run.__file__).parent
NOTHING = ["--set", "models.download=false", "--set", "models.folder=/nowhere"]


@contextmanager
def typed(*arguments: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_serving_says_what_was_chosen_answers_and_ends_cleanly_on_ctrl_c() -> None:
    with typed("--port", "0", *NOTHING) as process:
        assert process.stdout is not None
        block = ""
        while (found := re.search(r"http://localhost:\d+", block)) is None:
            line = process.stdout.readline()
            assert line, block + process.communicate()[1]
            block += line
        with urllib.request.urlopen(f"{found[0]}/readyz", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert re.search(r"hears with\s+pocketsphinx \(cpu\)", block)
    assert re.search(r"thinks with\s+scripted \(cpu\)", block)
    assert re.search(r"speaks with\s+espeak \(cpu\)", block)
    assert "mend: python run.py models pull whisper-tiny.en" in block
    assert "Traceback" not in err
    assert process.returncode == 0, out + err


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with typed("serve", "--port", port, *NOTHING) as process:
            _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert f"127.0.0.1 port {port} cannot be used: address already in use" in err
    assert "mend: --port" in err
    assert "pocketsphinx" not in err, "nothing is loaded for a server that cannot be reached"


def test_without_the_packages_one_line_says_make_run(tmp_path: Path) -> None:
    for name in ("run.py", "server", "agent", "media", "signaling"):
        source = ROOT / name
        (shutil.copy if source.is_file() else shutil.copytree)(source, tmp_path / name)
    bare = [sys.executable, "-S", "-I", "-c"]
    start = f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import run; sys.exit(run.main())"
    ended = subprocess.run([*bare, start], capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 1
    assert re.fullmatch(r"The package \w+ is not installed\. Type: make run\n", ended.stderr)


def test_a_wrong_setting_is_told_without_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--set", "server.prot=1", "--set", "stt.engine=wisper"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "run.py: the configuration cannot be used:"
    assert len(told) == 3


def test_required_models_that_are_missing_stop_the_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--require-models", *NOTHING]) == 1
    assert "models are required" in capsys.readouterr().err


def test_an_engine_that_cannot_be_had_stops_the_start_with_its_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--set", "tts.engine=piper", *NOTHING]) == 1
    assert "mend: python run.py models pull en_US-ljspeech-medium" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["talk"], ["models"], ["models", "burn"], ["--port", "many"], ["--bogus"], ["serv"]],
)
def test_a_wrong_command_line_ends_in_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: run.py" in capsys.readouterr().err


def test_a_mistyped_command_is_told_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["serv", "--port", "8081"])
    assert "there is no command 'serv'; did you mean serve?" in capsys.readouterr().err


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out == f"Chuimsae {project['version']}\n"


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--help"], ("numpy", "aiohttp", "server.config")),
        (["models", "where"], ("llama_cpp", "ctranslate2", "faster_whisper")),
    ],
)
def test_a_command_loads_no_library_that_it_has_no_use_for(
    arguments: list[str], unneeded: tuple[str, ...]
) -> None:
    watched = (
        "import atexit, sys, run\n"
        f"atexit.register(lambda: print(*(n for n in {unneeded} if n in sys.modules)))\n"
        f"sys.argv[1:] = {arguments}\n"
        "sys.exit(run.main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", watched], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("\n\n"), ended.stdout.splitlines()[-1]


def test_what_opuslib_is_compiled_with_reaches_no_terminal(
    recwarn: pytest.WarningsRecorder,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        run.hush_compiler()
        compile("code is not 0", "/site-packages/opuslib/api/decoder.py", "exec")
        assert not recwarn.list
        compile("code is not 0", "/here/ours.py", "exec")
    assert [warning.category for warning in recwarn.list] == [SyntaxWarning]


def test_a_missing_libopus_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    assert main(["models", "list"]) == 1
    assert "libopus is not installed. Type: make run" in capsys.readouterr().err


def test_options_without_a_command_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "9123", "--host", "0.0.0.0", "--show-config"]) == 0
    shown = tomllib.loads(capsys.readouterr().out)
    assert shown["server"]["port"] == 9123
    assert shown["server"]["host"] == "0.0.0.0"


def test_models_are_listed_with_size_and_licence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm" / "mine.gguf").write_bytes(b"1")
    assert main(["models", "list", "--set", f"models.folder={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"whisper-small +stt +\* +486 MB +MIT", out)
    assert "mine.gguf" in out


def test_where_prints_a_path_for_each_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "where", "mistral-7b", "--set", f"models.folder={tmp_path}"]) == 0
    name, path = capsys.readouterr().out.strip().split("\t")
    assert name == "mistral-7b"
    assert path == str(tmp_path / "llm" / "Mistral-7B-Instruct-v0.3-Q4_K_M.gguf")


def test_an_unknown_model_is_named_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "gpt-9"]) == 1
    assert "gpt-9" in capsys.readouterr().err


def test_pulling_without_a_hub_fails_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = ["--set", "models.endpoint=http://127.0.0.1:9", "--set", f"models.folder={tmp_path}"]
    assert main(["models", "pull", *nobody]) == 1
    out = capsys.readouterr().out
    assert "http://127.0.0.1:9 does not answer" in out
    assert out.count("HF_ENDPOINT") == 1
    assert f"and put it into {tmp_path}/whisper/tiny.en" in out
    assert f"and put it into {tmp_path}/llm" in out


def test_ctrl_c_ends_a_download_from_a_silent_hub_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"models.endpoint=http://127.0.0.1:{silent.getsockname()[1]}"
        options = ["--set", endpoint, "--set", "models.timeout=600"]
        folder = ["--set", f"models.folder={tmp_path}"]
        with typed("models", "pull", "whisper-tiny.en", *options, *folder) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "Stopped."
    assert "Traceback" not in err


@pytest.mark.real
def test_talk_holds_a_call_and_writes_what_the_agent_said(
    testdata: TestData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = testdata.recording("whatstheweatherlike").path
    written = tmp_path / "agent.wav"
    here = ["--set", f"models.folder={testdata.folder}/models", "--set", "models.download=false"]
    assert main(["talk", str(asked), "--output", str(written), *here]) == 0
    out = capsys.readouterr().out
    assert re.search(r"thinks with llama, tinytalk", out)
    assert re.search(r"caller  what's the weather", out)
    assert re.search(r"agent   \w+", out)
    assert re.search(r"ms      .*endpoint \d+.*first sound \d+.*heard by the caller \d+", out)
    heard = recordings.read(written)
    assert heard.seconds > 2
    assert abs(heard.samples.astype(float)).max() > 1000


def test_talk_names_a_file_that_is_no_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "no.wav").write_text("this is no audio")
    assert main(["talk", str(tmp_path / "no.wav"), *NOTHING]) == 1
    assert main(["talk", str(tmp_path / "none.wav"), *NOTHING]) == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "no.wav cannot be read as audio" in told[0] and "none.wav" in told[1]


def test_talk_refuses_a_place_that_cannot_be_written_before_it_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings.write(tmp_path / "a.wav", silence(0.5))
    nowhere = str(tmp_path / "none" / "agent.wav")
    assert main(["talk", str(tmp_path / "a.wav"), "--output", nowhere, *NOTHING]) == 1
    told = capsys.readouterr()
    assert f"run.py: {nowhere} cannot be written: no such file or directory" in told.err
    assert "hears with" not in told.out


def test_talk_in_a_language_that_nobody_speaks_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings.write(tmp_path / "a.wav", silence(0.5))
    assert main(["talk", str(tmp_path / "a.wav"), "--language", "fr", *NOTHING]) == 1
    told = capsys.readouterr().err
    assert "fr" in told and "Traceback" not in told


def test_a_machine_where_a_call_can_be_served_passes_the_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nobody = ["--set", "models.endpoint=http://127.0.0.1:9"]
    assert main(["check", "--set", "server.port=0", *NOTHING, *nobody]) == 0
    out = capsys.readouterr().out
    assert "A call can be served." in out
    assert "stt: pocketsphinx" in out


def test_a_port_in_use_fails_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        nobody = ["--set", "models.endpoint=http://127.0.0.1:9"]
        assert main(["check", "--set", f"server.port={port}", *NOTHING, *nobody]) == 1
    assert f"BAD   127.0.0.1 port {port} cannot be used" in capsys.readouterr().out


def test_a_language_that_nobody_would_understand_fails_the_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    korean = ["--set", "language=ko", "--set", "models.endpoint=http://127.0.0.1:9"]
    assert main(["check", "--set", "server.port=0", *NOTHING, *korean]) == 1
    assert "A call cannot be served" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted on Linux")
def test_numpy_computes_on_the_thread_that_asks() -> None:
    """A library's thread on each core would spin for a while after every product of matrices."""
    assert _threads() == _threads(OPENBLAS_NUM_THREADS="1")


def _threads(**chosen: str) -> int:
    """How many there are in a process that has run a command and multiplied matrices."""
    asked = """
import os, sys, run
sys.argv = ["run.py", "--show-config"]
run.main()
import numpy
numpy.ones((512, 512)) @ numpy.ones((512, 512))
print(len(os.listdir("/proc/self/task")))
"""
    usual = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    told = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=ROOT,
        env=usual | chosen,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(told.stdout.splitlines()[-1])
