"""The commands of `run.py`: their arguments, and what is said when they cannot be carried out.

What a person can cause (a wrong setting, a missing model, a port in use) ends in one message on
standard error and exit code 1 (2 for a wrong command line, 130 for Ctrl-C). A stack trace is a
bug.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from agent.errors import EngineError
from server import logs
from server.config import ConfigurationError, Settings, load, show
from server.models import ModelUnavailable
from server.plan import StageUnavailable
from signaling.client import CallFailed

EXPECTED = (
    CallFailed,
    ConfigurationError,
    EngineError,
    ModelUnavailable,
    StageUnavailable,
    OSError,
)
COMMANDS = ("serve", "talk", "models", "check")
ACTIONS = {
    "list": "which models are known: size, licence, languages, and whether they are here",
    "pull": "download models (without a NAME: those that this machine would use)",
    "where": "print where models are, or would be, one path a line",
}


def main(arguments: Sequence[str]) -> int:
    """Carry out a command line. Returns the exit code."""
    given = list(arguments)
    if not given or (given[0] not in COMMANDS and given[0] not in ("-h", "--help", "--version")):
        given.insert(0, "serve")
    options = parser().parse_args(given)
    try:
        overrides = _overrides(options)
        if options.command == "serve" and options.show_config:
            print(show(options.config, os.environ, overrides), end="")
            return 0
        settings = load(options.config, os.environ, overrides)
        logs.configure(settings.log)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_perform(options, settings))
    except EXPECTED as error:
        print(f"run.py: {_told(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


async def _perform(options: argparse.Namespace, settings: Settings) -> int:
    # Each command loads what it needs, and no more: `models list` answers at once.
    match options.command:
        case "talk":
            from server.commands.talking import talk

            return await talk(settings, options.files, options.language, options.output)
        case "models":
            from server.commands.models import perform

            return await perform(settings, options.action, options.names)
        case "check":
            from server.commands.inspecting import check

            return await check(settings)
        case _:
            from server.commands.serving import serve

            return await serve(settings)


def _overrides(options: argparse.Namespace) -> list[str]:
    """`--set`, with the options that are short for one."""
    short = ("host", "port", "require_models")
    values = {name: getattr(options, name, None) for name in short}
    given = {name: value for name, value in values.items() if value is not None}
    return [*options.overrides, *(f"server.{k}={str(v).lower()}" for k, v in given.items())]


def _told(error: BaseException) -> str:
    if isinstance(error, ConfigurationError):
        lines = str(error).splitlines()
        return "the configuration cannot be used:\n" + "\n".join(f"  {line}" for line in lines)
    return str(error)


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    common.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="NAME=VALUE",
        help="one setting, such as stt.engine=whisper (may be repeated)",
    )
    whole = argparse.ArgumentParser(
        prog="run.py",
        description="Chuimsae, a self-hosted voice agent. Without a command: serve.",
        epilog="Every setting: run.py serve --show-config",
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")

    serve = commands.add_parser("serve", parents=[common], help="answer calls (the default)")
    serve.add_argument("--host", help="address to listen on (server.host)")
    serve.add_argument("--port", type=int, help="port to listen on (server.port)")
    serve.add_argument(
        "--require-models",
        action="store_const",
        const=True,
        help="an engine that needs no model is an error where a model was to be had",
    )
    serve.add_argument(
        "--show-config", action="store_true", help="print the settings in effect as TOML, and end"
    )

    talk = commands.add_parser("talk", parents=[common], help="call it with recordings")
    talk.add_argument(
        "files", nargs="+", type=Path, metavar="FILE.wav", help="one thing the caller says each"
    )
    talk.add_argument("--language", default="", help="the call's language, such as ko")
    talk.add_argument(
        "--output", type=Path, default=Path("agent.wav"), help="where the agent's audio is written"
    )

    store = commands.add_parser("models", help="list, download and find models")
    actions = store.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, parents=[common], help=text)
        action.add_argument("names", nargs="*", metavar="NAME", help="a model of the list")

    commands.add_parser("check", parents=[common], help="say what is there and what would be used")
    return whole
