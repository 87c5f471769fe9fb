"""The commands of `run.py`: their arguments, and what is said when they cannot be carried out.

What a person can cause (a wrong setting, a missing model, a port in use) ends in one message on
standard error and exit code 1 (2 for a wrong command line, 130 for Ctrl-C). A stack trace is a
bug.

What a command needs is imported once the command line is understood, so that `--help` and a slip
of the fingers are answered at once.
"""

from __future__ import annotations

import argparse
import ctypes.util
import difflib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from server.commands.waiting import Waiting
from server.version import version

if TYPE_CHECKING:
    from server.config import Settings

COMMANDS = ("serve", "talk", "warm", "models", "keys", "check")
OPUS = "Type: make run, or as root: apt-get install libopus0"
ACTIONS = {
    "list": "which models are known: size, licence, languages, and whether they are here",
    "pull": "download models (without a NAME: those that this machine would use)",
    "where": "print where models are, or would be, one path a line",
}


KEY_ACTIONS = {
    "add": "make a key, and print it this once",
    "list": "the names of the keys, and when they were made",
    "remove": "forget a key; its client secrets die with it",
}


def main(arguments: Sequence[str]) -> int:
    """Carry out a command line. Returns the exit code."""
    given = list(arguments)
    grammar = parser()
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help", "--version")):
        given.insert(0, "serve")
    elif not given[0].startswith("-") and given[0] not in COMMANDS:
        grammar.error(_unknown(given[0]))
    options = grammar.parse_args(given)
    waiting = Waiting(sys.stderr, shown=options.command in ("serve", "talk", "warm"))
    try:
        return _carry_out(options, waiting)
    except KeyboardInterrupt:
        waiting.over()
        print("Stopped.", file=sys.stderr)
        return 130


def _carry_out(options: argparse.Namespace, waiting: Waiting) -> int:
    if ctypes.util.find_library("opus") is None:  # without it, `opuslib` cannot even be imported
        waiting.over()
        print(f"run.py: libopus is not installed. {OPUS}", file=sys.stderr)
        return 1
    import asyncio

    import uvloop

    waiting.briefly_for("loading the packages")
    from agent.errors import EngineError
    from server import logs
    from server.config import ConfigurationError, load, show
    from server.models import ModelUnavailable
    from server.plan import StageUnavailable
    from signaling.client import CallFailed

    expected = (
        CallFailed,
        ConfigurationError,
        EngineError,
        ModelUnavailable,
        StageUnavailable,
        OSError,
    )
    try:
        overrides = _overrides(options)
        if options.command == "serve" and options.show_config:
            shown = show(options.config, os.environ, overrides)
            waiting.over()
            print(shown, end="")
            return 0
        settings = load(options.config, os.environ, overrides)
        logs.configure(_for(options, settings).log)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_perform(options, settings, waiting))
    except ConfigurationError as error:
        waiting.over()
        lines = "".join(f"\n  {line}" for line in str(error).splitlines())
        print(f"run.py: the configuration cannot be used:{lines}", file=sys.stderr)
    except expected as error:
        waiting.over()
        print(f"run.py: {error}", file=sys.stderr)
    return 1


def _for(options: argparse.Namespace, settings: Settings) -> Settings:
    """The settings as the command wants them: `talk` prints what a log would tell a second time."""
    if options.command != "talk" or settings.log.level != "info":
        return settings
    return settings.model_copy(update={"log": settings.log.model_copy(update={"level": "error"})})


async def _perform(options: argparse.Namespace, settings: Settings, waiting: Waiting) -> int:
    # Each command loads what it needs, and no more: `models list` answers at once.
    match options.command:
        case "talk":
            from server.commands.talking import talk

            return await talk(settings, options.files, options.language, options.output, waiting)
        case "warm":
            from server.commands.warming import warm

            return await warm(settings, options.file, options.language, waiting)
        case "models":
            from server.commands.models import perform

            return await perform(settings, options.action, options.names)
        case "keys":
            from server.commands.keys import perform as manage

            return manage(settings, options.action, getattr(options, "name", ""))
        case "check":
            from server.commands.inspecting import check

            return await check(settings)
        case _:
            from server.commands.serving import serve

            return await serve(settings, waiting)


def _overrides(options: argparse.Namespace) -> list[str]:
    """`--set`, with the options that are short for one."""
    short = ("host", "port", "https", "require_models")
    values = {name: getattr(options, name, None) for name in short}
    given = {name: value for name, value in values.items() if value is not None}
    return [*options.overrides, *(f"server.{k}={str(v).lower()}" for k, v in given.items())]


def _unknown(command: str) -> str:
    near = difflib.get_close_matches(command, COMMANDS, n=1)
    meant = f"did you mean {near[0]}?" if near else f"there are: {', '.join(COMMANDS)}"
    return f"there is no command {command!r}; {meant}"


class _PrintVersion(argparse.Action):
    """`--version`, read only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        print(f"Chuimsae {version()}")
        parser.exit()


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
    whole.add_argument(
        "--version", action=_PrintVersion, nargs=0, help="print the version, and end"
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")

    _serve(commands.add_parser("serve", parents=[common], help="answer calls (the default)"))
    _talk(commands.add_parser("talk", parents=[common], help="call it with recordings"))

    _warm(commands.add_parser("warm", parents=[common], help="answer frequent questions ahead"))

    store = commands.add_parser("models", help="list, download and find models")
    actions = store.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, parents=[common], help=text)
        action.add_argument("names", nargs="*", metavar="NAME", help="a model of the list")

    _keys(commands.add_parser("keys", help="make, list and remove API keys"), common)

    commands.add_parser("check", parents=[common], help="say what is there and what would be used")
    return whole


def _keys(command: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in KEY_ACTIONS.items():
        action = actions.add_parser(name, parents=[common], help=text)
        if name != "list":
            action.add_argument("name", metavar="NAME", help="such as phone, or backend")


def _serve(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", help="address to listen on (server.host)")
    command.add_argument("--port", type=int, help="port to listen on (server.port)")
    command.add_argument(
        "--https",
        action="store_const",
        const=True,
        help="serve HTTPS with a certificate of its own, for a phone in the same network",
    )
    command.add_argument(
        "--require-models",
        action="store_const",
        const=True,
        help="an engine that needs no model is an error where a model was to be had",
    )
    command.add_argument(
        "--show-config", action="store_true", help="print the settings in effect as TOML, and end"
    )


def _talk(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "files", nargs="+", type=Path, metavar="FILE.wav", help="one thing the caller says each"
    )
    command.add_argument("--language", default="", help="the call's language, such as ko")
    command.add_argument(
        "--output", type=Path, default=Path("agent.wav"), help="where the agent's audio is written"
    )


def _warm(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, metavar="FILE", help="a question a line")
    command.add_argument("--language", default="", help="the lines' language, such as ko")
