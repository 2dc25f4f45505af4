"""What a person sees on a terminal: colours, one live line, and nothing of it in a log."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support import terminal
from tests.support.nox_project import CHECKOUT, Project, copy_fixture_project

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Project:
    found = Project(root=copy_fixture_project("standard", tmp_path / "standard"), environ=environ)
    found.write_noxfile()
    return found


def on_terminal(project: Project, *arguments: str, columns: int = 100, **variables: str) -> terminal.Shown:
    environ = {**project.environ, "PWD": str(project.root), **variables}
    return terminal.run(project.argv(*arguments), cwd=project.root, env=environ, columns=columns)


def test_a_build_has_a_live_line_that_leaves_nothing(project: Project, scratch: Path) -> None:
    shown = on_terminal(project, "-s", "pex", NOX_PEX_CACHE_DIR=str(scratch))

    assert shown.status == 0, shown.output
    assert shown.live("  install   Poetry")
    assert re.search(r"\d+ of \d+", "\n".join("\n".join(screen) for screen in shown.screens))
    assert not any("━" in line for line in shown.lines)
    assert shown.said(" built in ")
    assert not shown.said("nox > pex: ")
    assert "\x1b[36m" in shown.output
    assert "\x1b[?25l" not in shown.output  # a killed run would leave a terminal without a cursor

    again = on_terminal(project, "-s", "pex", NO_COLOR="1")
    assert again.said("  install   unchanged, ")
    assert not COLOUR.search(again.output)


def test_a_failure_ends_in_one_block_and_one_line(project: Project) -> None:
    (project.root / "poetry.lock").unlink()

    shown = on_terminal(project, "-s", "pex")

    text = [line for line in shown.lines if line]
    assert shown.status == 1
    start = text.index(next(line for line in text if line.startswith("  FAILED")))
    assert text[start + 1].startswith("  see       https://nox-pex.readthedocs.io/en/latest/errors.html#no-lock")
    assert text[start + 2].startswith("nox > Session install aborted: error[no-lock]: ")
    assert shown.output.count("error[") == 1


_WORKING = """
import sys, time
from nox_pex.screen.form import Form
from nox_pex.screen.screen import Screen
from nox_pex.system.messages import working

screen = Screen(Form(columns=True, colour=True, live=True), write=print, stream=sys.stderr)
with screen.opened(), working(screen.say, "pex: packing", total=30) as work:
    for number in range(30):
        work.finished(f"distribution-{number}")
        time.sleep(0.05)
    screen.say("pex: the end")
"""


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_live_line_is_never_wider_than_the_terminal(tmp_path: Path, environ: dict[str, str], columns: int) -> None:
    argv = [sys.executable, "-c", _WORKING]
    environ = {**environ, "PYTHONPATH": str(CHECKOUT / "tasks")}

    shown = terminal.run(argv, cwd=tmp_path, env=environ, columns=columns)

    assert shown.status == 0, shown.output
    drawn = [COLOUR.sub("", part) for part in re.findall(r"\r\x1b\[K([^\r\n]+)", shown.output)]
    assert len(drawn) >= 3
    assert [line for line in drawn if len(line) >= columns] == []
    assert [line for line in shown.lines if line] == ["  pex       the end"]


def test_a_dumb_terminal_has_the_lines_of_a_log(project: Project) -> None:
    shown = on_terminal(project, "-s", "freeze", "--nocolor", TERM="dumb")

    assert shown.status == 0, shown.output
    assert shown.said("nox > freeze: ")
    assert "\x1b" not in shown.output


def test_a_log_with_forced_colours_has_no_live_line(project: Project) -> None:
    shown = project.nox("-s", "freeze", env={"FORCE_COLOR": "1"})

    assert "\x1b[36m" in shown.output or "\x1b[32m" in shown.output
    assert "\r" not in shown.output
    assert "\x1b[K" not in shown.output
