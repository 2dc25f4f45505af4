"""Details of scripts; whole distributions with scripts are compared with pex in `test_installed_wheel`."""

from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.distributions import pex_scripts

BODY = b"import board\nboard.main()\n"
ENCODING = b"# coding: latin-1\n"
EXEC = b"'''exec' /python \"$0\" \"$@\"\n' '''\n"


@pytest.mark.parametrize(
    "shebang",
    [
        *("python", "python3", "python3.11", "/usr/bin/python", "/usr/bin/env python3", "/usr/bin/env -S python3 -I"),
        *("pypy", "/opt/pypy3.10/bin/pypy3.10", "PYTHON.EXE", "/a b/python", " /usr/bin/python  "),
    ],
)
def test_the_first_line_of_a_script_of_python_is_replaced(tmp_path: Path, shebang: str) -> None:
    (tmp_path / "tool").write_bytes(f"#!{shebang}\n".encode() + ENCODING + BODY)
    assert pex_scripts.for_any_python(tmp_path / "tool") == b"#!python\n" + ENCODING + BODY


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"#", b"#!", b"#!/bin/sh\n", b"#!/bin/bash\n'''exec' python \"$0\"\n' '''\n", b"import os\n"),
        *(b"#!/usr/bin/env pythonista\n", b"#!/usr/bin/python-config\n", b"#!/usr/bin/env python3x\n", b"\x7fELF"),
        *(b"#!/bin/sh\n'''exec python\n", b"#!/bin/sh\nexec python \"$0\" ''''\n", b"#!/bin/sh\n\n" + EXEC),
        b"#! /bin/sh\n" + EXEC,
    ],
)
def test_another_program_is_left_as_it_is(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "tool").write_bytes(text)
    assert pex_scripts.for_any_python(tmp_path / "tool") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"#!/bin/sh\n" + EXEC + BODY, BODY),
        (b"#!/bin/sh  \n" + EXEC + BODY, BODY),
        (b"#!/bin/sh\n" + ENCODING + EXEC + BODY, ENCODING + BODY),
        (b"#!/bin/sh\n" + EXEC + ENCODING + BODY, ENCODING + BODY),
        (b"#!/bin/sh\n'''': pshprs\nexec python\n'''\n" + BODY, BODY),
        (b"#!/bin/sh\n" + ENCODING + b"'''': pshprs\nexec python\n'''\n" + BODY, ENCODING + BODY),
        (b"#!/bin/sh\n'''exec' /python \"$0\"\n" + BODY, b""),  # pex drops what it takes for lines of the shell
        (b"#!/bin/sh\n" + EXEC.replace(b"\n", b"\r\n") + BODY, b""),
        (b"#!/bin/sh\n" + EXEC, b""),
    ],
)
def test_the_lines_by_which_a_shell_starts_python_are_replaced(tmp_path: Path, text: bytes, expected: bytes) -> None:
    (tmp_path / "tool").write_bytes(text)
    assert pex_scripts.for_any_python(tmp_path / "tool") == b"#!python\n" + expected


def test_scripts_are_generated_for_console_and_then_for_gui_entry_points() -> None:
    text = (
        "# a comment\n\n[gui_scripts]\nwindow = board.gui:main\n[console_scripts]\n b=board : main [fast]\na = board\n"
        "[console_scripts]\nc = board:Board.main.run\n[other]\nd = board:main\n"
    )
    found = pex_scripts.generated(text.encode())
    assert list(found.items()) == [
        ("b", "board : main"),
        ("a", "board"),
        ("c", "board:Board.main.run"),
        ("window", "board.gui:main"),
    ]
    assert pex_scripts.generated(b"") == {}


def test_a_later_entry_point_of_the_same_name_wins() -> None:
    assert pex_scripts.generated(b"[console_scripts]\na = x:y\na = z:w\n") == {"a": "z:w"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a = b:c\n", "without a group"),
        (b"[console_scripts]\na = b:c\n[gui_scripts]\na = b:c\n", "the same name"),
        (b"[console_scripts]\n\xff = b:c\n", "utf-8"),
    ],
)
def test_entry_points_of_an_unknown_form_are_refused(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        pex_scripts.generated(text)


@pytest.mark.parametrize(
    ("reference", "lines"),
    [
        ("board:main", ["entry_point = importlib.import_module('board')", "for attr in ('main',):"]),
        (
            "board.cli : Main.run",
            ["entry_point = importlib.import_module('board.cli')", "for attr in ('Main', 'run'):"],
        ),
        ("board.__main__", ["runpy.run_module('board.__main__', run_name=\"__main__\", alter_sys=True)"]),
    ],
)
def test_a_launcher_is_a_program_that_starts_its_object(reference: str, lines: list[str]) -> None:
    text = pex_scripts.launcher(reference).decode()
    compile(text, "launcher", "exec")
    assert text.startswith("#!python\n# -*- coding: utf-8 -*-\n")
    assert [line for line in lines if line not in map(str.strip, text.splitlines())] == []
