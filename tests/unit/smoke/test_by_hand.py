"""Command lines to run by hand, run by a real shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nox_pex.smoke import by_hand
from nox_pex.system.secrets import Secrets

PRINT = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), sys.stdin.read()]))"
TMP = Path("/gone/tmp")
NASTY = "-a'b $HOME `id` \\ %s \x1b[31m\nü\u2028 \"*?"


def run(line: str, env: Mapping[str, str]) -> list[Any]:
    assert "\n" not in line
    done = subprocess.run(
        ["/bin/sh", "-c", line], env={"PATH": os.environ["PATH"], **env}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    found: list[Any] = json.loads(done.stdout)
    return found


def test_a_shell_runs_the_program_with_the_same_arguments_and_variables(tmp_path: Path) -> None:
    (tmp_path / "in").write_text(NASTY, "utf-8")
    env = {"A": NASTY, "SOCKET": f"unix:{TMP}/app.sock", "EMPTY": "", "API_TOKEN": "s3cr3t-value"}
    line = by_hand.program(
        Path(sys.executable), ["-c", PRINT, f"-{NASTY}", NASTY, f"{TMP}", f"--at={TMP}/x y", ""],
        env=env, pass_env=["DATABASE_URL"], tmp=TMP, secrets=Secrets.of(env), stdin=tmp_path / "in",
    )  # fmt: skip
    assert "s3cr3t" not in line
    shell = {"DATABASE_URL": "postgres://h/d", "API_TOKEN": "of the shell", "PYTHONPATH": "/x"}
    args, variables, directory, stdin = run(line, shell)
    assert args == [f"-{NASTY}", NASTY, directory, f"--at={directory}/x y", ""]
    assert stdin == NASTY
    assert not os.listdir(directory)  # noqa: PTH208  # only the names
    os.rmdir(directory)  # noqa: PTH106  # only the name
    wanted = {
        "A": NASTY, "SOCKET": f"unix:{directory}/app.sock", "EMPTY": "", "HOME": directory, "TMPDIR": directory,
        "DATABASE_URL": "postgres://h/d", "API_TOKEN": "of the shell", "PATH": os.environ["PATH"],
    }  # fmt: skip
    assert wanted.items() <= variables.items()
    assert variables.keys() - wanted.keys() <= {"PWD", "LC_CTYPE", "OLDPWD", "_", "SHLVL"}


def test_a_short_line_stays_short() -> None:
    line = by_hand.program(
        Path("/p/dist/service.pex"), ["main:app", "--port", "8000"], env={}, pass_env=[], tmp=TMP, secrets=Secrets()
    )
    assert line == (
        'cd "$(mktemp -d)" && env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD" /p/dist/service.pex main:app --port 8000'
    )


def test_a_command_of_the_project_runs_in_its_directory(tmp_path: Path) -> None:
    project = tmp_path / "my project"
    project.mkdir()
    env = {"A": "1 2", "API_TOKEN": "s3cr3t-value"}
    line = by_hand.own_command(
        [sys.executable, "-c", PRINT, f"{TMP}/x", "it's"], env=env, project=project, tmp=TMP, secrets=Secrets.of(env)
    )
    args, variables, directory, _ = run(line, {})
    assert (args[0][-2:], args[1], variables["A"], directory) == ("/x", "it's", "1 2", str(project))
    assert Path(args[0]).parent.is_dir()
    Path(args[0]).parent.rmdir()
    plain = by_hand.own_command(["make", "up"], env={}, project=Path("/p"), tmp=TMP, secrets=Secrets())
    assert plain == "cd /p && make up"
