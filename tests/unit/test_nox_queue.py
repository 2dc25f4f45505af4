"""The order of Nox's queue, with its own manifest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import nox_pex

TASKS = Path(nox_pex.__file__).parents[1]
NOXFILE = f"""
import sys
sys.path.insert(0, {str(TASKS)!r})
import nox
from nox_pex import nox_queue

def show(session):
    print("ran", session.name)
    nox_queue.postpone(session, lambda name: {{"sign": 0, "sign-a": 0, "sign-b": 1}}.get(name))

def add(name, *requires):
    nox.session(name=name, requires=list(requires), venv_backend="none")(lambda session: show(session))

"""


@pytest.mark.parametrize(
    ("sessions", "asked", "order"),
    [
        ({"build": (), "sign": ("build",), "docs": ()}, "build sign docs", "build docs sign"),
        ({"build": (), "sign": ("build",), "upload": ("sign",), "docs": ()}, "upload docs", "build docs sign upload"),
        (
            {"build": (), "sign-a": ("build",), "up": ("sign-a",), "sign-b": ("build",), "upper": ("up",), "docs": ()},
            "sign-a upper sign-b docs",
            "build docs sign-a sign-b up upper",
        ),
        ({"build": (), "sign-b": (), "sign-a": (), "docs": ()}, "build sign-b sign-a docs", "build docs sign-a sign-b"),
        ({"sign": (), "docs": ()}, "sign docs", "sign docs"),  # nothing ran before it that could have moved it
    ],
)
def test_the_last_sessions_run_after_all_that_do_not_require_them(
    tmp_path: Path, sessions: dict[str, Sequence[str]], asked: str, order: str
) -> None:
    text = NOXFILE + "".join(f"add({', '.join(map(repr, (name, *needed)))})\n" for name, needed in sessions.items())
    (tmp_path / "noxfile.py").write_text(text, "utf-8")
    argv = [sys.executable, "-m", "nox", "-s", *asked.split()]
    shown = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    ran = [line.removeprefix("ran ") for line in shown.splitlines() if line.startswith("ran ")]
    assert ran == order.split()
