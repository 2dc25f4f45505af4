"""The hook of pre-commit: the settings of projects, without Nox."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from nox_pex import pre_commit

PROJECT: Final = """\
[project]
name = "shop"
version = "1.0"

[project.scripts]
shop = "shop:main"
"""
BINARY: Final = """
[tool.nox-pex.binary.shop]
script = "shop"

[[tool.nox-pex.binary.shop.smoke.command]]
args = ["--version"]
"""


def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str], *texts: str) -> tuple[int, list[str]]:
    """Check projects with these files. Return the exit status, and the lines on the standard error."""
    files = []
    for number, text in enumerate(texts):
        (directory := tmp_path / f"project{number}").mkdir()
        (directory / "pyproject.toml").write_text(text, "utf-8")
        files.append(str(directory / "pyproject.toml"))
    status = pre_commit.main(files)
    said = capsys.readouterr()
    assert said.out == ""
    return status, said.err.splitlines()


def test_right_settings_and_projects_without_settings_pass_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(tmp_path, capsys, PROJECT + BINARY, PROJECT, "[project]\nname = 'x'\n") == (0, [])


def test_each_problem_of_each_project_is_shown_with_its_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = PROJECT + BINARY.replace("script =", "scrip =") + "\n[tool.nox-pex]\ngroups = 3\n"
    status, lines = checked(
        tmp_path, capsys, wrong, PROJECT + BINARY, PROJECT + BINARY.replace("tool.nox-", "tool.nox_")
    )
    assert status == 1
    assert [line for line in lines if "project1" in line] == []
    text = "\n".join(lines)
    assert f"{tmp_path / 'project0' / 'pyproject.toml'}:9: " in text
    assert "use script, the nearest valid key" in text
    assert "tool.nox-pex.groups" in text
    assert f"{tmp_path / 'project2' / 'pyproject.toml'}" in text
    assert len([line for line in lines if line.startswith("error[config]: ")]) >= 3


def test_a_binary_that_no_check_tests_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = checked(tmp_path, capsys, PROJECT + '\n[tool.nox-pex.binary.shop]\nscript = "shop"\n')
    assert status == 1
    assert lines[-1].startswith("error[config]: ")
    assert "smoke" in lines[-1]


@pytest.mark.parametrize("text", ["[project", "[tool]\n", '[project]\nname = "x"\n[tool]\nnox-pex = 3\n'])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    status, lines = checked(tmp_path, capsys, text)
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith("error[config]: ")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pre_commit.main([str(tmp_path / "none" / "pyproject.toml")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error[config]: there is no pyproject.toml in ")
