"""The arguments after `--`, as the real Nox passes them on: help, unusable ones, binaries of other projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.nox_project import Project, copy_fixture_project


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Project:
    found = Project(root=copy_fixture_project("loose", tmp_path / "loose"), environ=environ)
    found.write_noxfile()
    return found


def test_help_is_said_once_and_nothing_else_is_done(project: Project) -> None:
    for arguments in (["-s", "smoke", "clean"], ["-s", "smoke", "clean", "--parallel", "2"], ["-R", "-s", "smoke"]):
        result = project.nox(*arguments, "--", "--help")
        assert "\nusage  nox -s smoke" in f"\n{result.output}"
        assert result.output.count("\n  --only CONDITION") == 1
        assert "Running session install" not in result.output
    (project.root / "pyproject.toml").write_text("[tool.nox-pex]\nwrong = 1\n", "utf-8")
    assert "usage  nox -s pex" in project.nox("-s", "pex", "--", "-h").output
    assert not (project.root / "dist").exists()
    assert not (project.root / ".nox" / ".cache" / "nox-pex").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pex", "--", "--helpp"], "there is no option '--helpp'; correct the name (did you mean --help?)"),
        (
            ["pex", "--", "--only", "warm"],
            "no session of this run uses --only; omit it, or run `nox -s smoke -- ",
        ),
        (
            ["pex", "smoke", "--", "--deep"],
            "no session of this run uses --deep; omit it, or run `nox -s verify ",
        ),
        (["pex", "--", "--binary", "x.pex"], "no session of this run uses --binary; omit it, or run smoke, "),
        (["cache-key", "--", "name"], "'name' names a binary, and cache-key does not work by binary; omit the name"),
    ],
)
def test_an_argument_that_no_session_can_use_is_refused_before_any_work(
    project: Project, arguments: list[str], said: str
) -> None:
    assert said in project.refused("usage", "-s", *arguments)


def test_an_argument_of_one_session_goes_to_all_of_them(project: Project) -> None:
    result = project.run("-s", "clean", "cache-key", "--", "--dry-run")
    assert result.status == 0, result.output
    result = project.run("-s", "cache-key", "clean", "--", "--dry-run")
    assert result.status == 0, result.output


def test_a_project_without_the_named_binaries_is_skipped(shop: Project) -> None:
    (shop.root / "services" / "worker" / "pyproject.toml").write_text("[tool.nox-pex]\nwrong = 1\n", "utf-8")

    result = shop.run("-s", "freeze", "--", "clock")

    assert result.said("install: skipped, api has no clock")
    assert result.said("freeze: skipped, api has no clock")
    assert result.said("freeze: clock pinned") or result.said("freeze: clock unchanged")
    assert result.status == 1  # the settings of the worker are wrong, and its own session says so
    assert result.output.count("error[") == 1
    assert "error[config]: " in result.output

    unknown = shop.run("-s", "freeze(api)", "--", "clokc")
    assert "error[usage]: no binary is called 'clokc'; correct the name (did you mean 'clock'?); " in unknown.output
