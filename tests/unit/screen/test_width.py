"""The columns of the terminal that a stream writes to, with a real pseudo-terminal."""

from __future__ import annotations

import io
import os
import pty
import sys
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from nox_pex.screen import width


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    """A terminal of 44 columns."""
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (10, 44))
    with os.fdopen(child, "w") as stream:
        yield stream
    os.close(parent)


def test_the_terminal_of_the_stream_counts_and_not_the_standard_output(
    terminal: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "__stdout__", None)
    assert width.of(terminal, {}) == 44


@pytest.mark.parametrize(
    ("columns", "expected"), [("30", 30), ("200", 44), ("0", 44), ("-1", 44), ("1000000000", 44), ("²", 44), ("", 44)]
)
def test_the_variable_makes_lines_shorter_and_never_longer_than_the_terminal(
    terminal: TextIO, columns: str, expected: int
) -> None:
    assert width.of(terminal, {"COLUMNS": columns}) == expected


@pytest.mark.parametrize(
    ("columns", "expected"), [("", 80), ("30", 30), ("9999", 1000), ("1" * 5000, 80), ("-1", 80), ("x", 80)]
)
def test_without_a_terminal_the_variable_counts_within_limits(columns: str, expected: int) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, io.StringIO(), closed):
        assert width.of(stream, {"COLUMNS": columns}) == expected
