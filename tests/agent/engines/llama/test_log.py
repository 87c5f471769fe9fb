"""What of llama.cpp's own log is heard."""

from __future__ import annotations

import logging

import pytest

from agent.engines.llama.library import _log_line as heard


def test_warnings_for_programmers_stay_off_the_terminal_and_errors_do_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        heard(3, b"llama_context: n_ctx_seq (16384) > n_ctx_train (256)\n", None)
        heard(4, b"failed to allocate the cache\n", None)
    assert [record.getMessage() for record in caplog.records] == [
        "llama.cpp: failed to allocate the cache"
    ]


def test_everything_is_there_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        heard(3, b"n_ctx_seq > n_ctx_train\n", None)
    assert caplog.records[0].levelno == logging.DEBUG
