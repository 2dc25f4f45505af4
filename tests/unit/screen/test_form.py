"""The form of the lines, from the stream, the flags of the front end and the variables."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest

from nox_pex.screen.form import LOG, Form, choose, colour_of

PLAIN = Form(columns=True, live=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "wanted", "form"),
    [
        ({"TERM": "xterm"}, (True, False, True), Form(columns=True, colour=True, live=True)),
        ({}, (False, False, True), PLAIN),
        ({"TERM": "xterm"}, (True, False, False), Form(columns=True, colour=True)),
        ({"TERM": "dumb"}, (True, False, True), LOG),
        ({"TERM": "dumb"}, (True, True, True), Form(columns=True, colour=True)),
    ],
)
def test_a_terminal_has_colours_and_a_live_line_unless_something_forbids_it(
    environ: Mapping[str, str], wanted: tuple[bool, bool, bool], form: Form
) -> None:
    colour, forced, alone = wanted
    assert choose(Terminal(), colour=colour, forced=forced, environ=environ, alone=alone) == form


def test_a_log_is_plain_unless_colours_are_forced() -> None:
    for stream in (io.StringIO(), None):
        assert choose(stream, colour=True, forced=False, environ={}, alone=True) == LOG
        assert choose(stream, colour=True, forced=True, environ={}, alone=True) == Form(columns=True, colour=True)


def test_a_closed_stream_is_no_terminal() -> None:
    stream = Terminal()
    stream.close()
    closed = io.StringIO()
    closed.close()
    assert choose(closed, colour=True, forced=False, environ={}, alone=True) == LOG


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, (True, False)),
        ({"NO_COLOR": ""}, (False, False)),
        ({"FORCE_COLOR": "1"}, (True, True)),
        ({"FORCE_COLOR": "0"}, (True, False)),
        ({"FORCE_COLOR": "false", "NO_COLOR": "1"}, (False, False)),
        ({"FORCE_COLOR": "3", "NO_COLOR": "1"}, (True, True)),
    ],
)
def test_the_variables_are_read_as_nox_reads_them(environ: Mapping[str, str], wanted: tuple[bool, bool]) -> None:
    assert colour_of(environ) == wanted
