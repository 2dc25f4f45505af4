"""nox-pex as a binary of itself: what its smoke test lets it do, done here by the same code without the binary."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from typing import Final

import pytest

from nox_pex import command_line
from nox_pex.evidence.kinds import PREDICATE_TYPES
from nox_pex.settings import parse
from nox_pex.settings.smoke import Smoke
from publishing import smoke_files

ROOT: Final = Path(__file__).resolve().parents[2]


def own_smoke() -> Smoke:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found = parse.parse(document, file=str(ROOT / "pyproject.toml"), project_name="nox-pex", scripts=())
    smoke = found.binary["nox-pex"].smoke
    assert smoke is not None
    return smoke


def test_the_commands_of_the_smoke_test_end_as_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smoke_files.write(tmp_path, now=dt.datetime.now(dt.UTC))
    commands = [each for each in own_smoke().command if each.args != ("--version",)]
    found = []
    for command in commands:
        arguments = [argument.replace("{tmp}", str(tmp_path)) for argument in command.args]
        found.append((command_line.main(arguments), command.args[0]))
    assert found == [(0, "sign"), (0, "check"), (1, "check"), (1, "check")]
    assert [command.exit_code for command in commands] == [status for status, _ in found]
    said = capsys.readouterr().out
    assert "signed the statements in" in said
    assert "passed: 4 statements about this file" in said


def test_the_statements_are_of_all_kinds() -> None:
    found = {kind: type_ for kind, (type_, _) in smoke_files.predicates("2026-11-27T00:00:00Z").items()}
    assert found == PREDICATE_TYPES


def test_a_statement_that_is_too_old_proves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smoke_files.write(tmp_path, now=dt.datetime.now(dt.UTC) - dt.timedelta(days=2))
    assert command_line.main(["sign", str(tmp_path / "proven"), "--key", str(tmp_path / "key.pem")]) == 0
    proven = ["check", str(tmp_path / "proven" / "service.pex"), "--key", str(tmp_path / "key.pub")]
    assert command_line.main(proven) == 0
    assert command_line.main([*proven, "--max-age", "1d"]) == 1
    assert "older" in capsys.readouterr().err


def test_ci_makes_the_binary_and_lets_it_check_itself() -> None:
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()]
    assert '.venv/bin/nox -s own-attest -- --key "$keys/key.pem"' in lines
    assert 'dist/nox-pex.pex check dist/nox-pex.pex --key "$keys/key.pub" --max-age 1d' in lines
