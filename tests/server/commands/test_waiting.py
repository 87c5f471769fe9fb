"""What is shown while the server starts."""

from __future__ import annotations

import io

from server.commands.waiting import Waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_one_line_that_leaves_no_trace() -> None:
    terminal = Terminal()
    waiting = Waiting(terminal)
    waiting.for_("loading llama")
    waiting.for_("loading piper")
    waiting.over()
    waiting.over()
    assert "\n" not in terminal.getvalue()
    lines = terminal.getvalue().split("\r\x1b[K")
    assert lines == ["", "loading llama …", "loading piper …", ""]


def test_elsewhere_each_thing_is_a_line() -> None:
    file = io.StringIO()
    waiting = Waiting(file)
    waiting.briefly_for("loading the packages")
    waiting.for_("loading llama")
    waiting.for_("loading piper")
    waiting.over()
    assert file.getvalue() == "loading llama …\nloading piper …\n"


def test_nothing_is_written_for_who_does_not_wait() -> None:
    terminal = Terminal()
    waiting = Waiting(terminal, shown=False)
    waiting.for_("loading llama")
    waiting.over()
    assert terminal.getvalue() == ""
