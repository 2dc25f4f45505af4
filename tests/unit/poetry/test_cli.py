from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.poetry.cli import installed_by, poetry_environ, sync_argv
from nox_pex.poetry.selection import Selection
from nox_pex.project import pyproject
from nox_pex.project.pyproject import Project
from nox_pex.system.command import Outcome
from nox_pex.tools.pinned import Poetry

POETRY = Poetry(python=Path("/tools/python"), version="2.5.1")


@pytest.mark.parametrize(("version", "command"), [("2.5.1", ["sync"]), ("1.8.5", ["install", "--sync"])])
def test_poetry_installs_exactly_the_groups_and_extras(service: Project, version: str, command: list[str]) -> None:
    poetry = Poetry(python=Path("/tools/python"), version=version)
    argv = sync_argv(poetry, Selection(("main", "server"), ("fast", "more")), service)
    text = " ".join(argv)
    assert f"launch_script.py {' '.join(command)} " in text
    assert "--only main,server" in text
    assert "--extras fast --extras more" in text
    assert {"--no-root", "--no-interaction", "--no-ansi"} < set(argv)


def test_poetry_installs_into_one_environment_and_no_other(tmp_path: Path) -> None:
    user = {
        "VIRTUAL_ENV": "/mine",
        "CONDA_PREFIX": "/conda",
        "POETRY_VIRTUALENVS_CREATE": "false",
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "POETRY_VIRTUALENVS_PATH": "/theirs",
        "POETRY_HTTP_BASIC_MILL_PASSWORD": "flour",
        "PYTHONPATH": "/bend",
        "PIP_CONFIG_FILE": "/dev/null",
        "HOME": str(tmp_path),
    }
    found = poetry_environ(
        user, environment=Environment(path=Path("/ours")), environments=Path("/empty"), project=tmp_path
    )
    assert found["VIRTUAL_ENV"] == "/ours"
    assert found["POETRY_VIRTUALENVS_PATH"] == "/empty"
    assert found["POETRY_VIRTUALENVS_CREATE"] == "true"
    assert found["POETRY_VIRTUALENVS_IN_PROJECT"] == "false"
    assert found["POETRY_HTTP_BASIC_MILL_PASSWORD"] == "flour"
    assert found["POETRY_INSTALLER_BUILTIN_UNINSTALL"] == "true"
    assert not {"CONDA_PREFIX", "PYTHONPATH"} & found.keys()


def test_poetry_looks_for_a_keyring_only_if_there_may_be_one(service: Project) -> None:
    user = {"HOME": str(service.root), "PIP_CONFIG_FILE": "/dev/null"}

    def enabled(**variables: str) -> str | None:
        environ = {**user, **variables}
        environment = Environment(path=Path("/ours"))
        found = poetry_environ(environ, environment=environment, environments=Path("/empty"), project=service.root)
        return found.get("POETRY_KEYRING_ENABLED")

    assert enabled() == ("false" if sys.platform == "linux" else None)
    assert enabled(DBUS_SESSION_BUS_ADDRESS="unix:path=/run/bus") is None
    assert enabled(POETRY_KEYRING_ENABLED="true") == "true"


def test_installed_are_the_packages_of_the_lock_that_poetry_did_not_skip() -> None:
    output = """
Package operations: 3 installs, 1 update, 1 removal, 1 skipped
  - Removing gone (1.0)
  - Installing Zope_Parts (2.0)
  - Updating idna (3.10 -> 3.11)
  - Downgrading h11 (0.16.0 -> 0.15)
  - Installing here (1.0): Skipped for the following reason: Already installed
"""
    found = installed_by(Outcome(status=0, output=output, seconds=0.0))
    assert found == {"zope-parts", "idna", "h11"}


def argv(root: Path, text: str, *groups: str) -> list[str]:
    (root / "pyproject.toml").write_text(text, "utf-8")
    return sync_argv(POETRY, Selection(groups, ()), pyproject.read(root))


def test_a_project_without_dependencies_has_no_group_main(tmp_path: Path) -> None:
    project = "[tool.poetry]\npackage-mode = false\n"
    docs = "[tool.poetry.group.docs.dependencies]\nsphinx = '*'\n"
    plain = argv(tmp_path, project, "main")
    assert not {"--only", "--without"} & set(plain)
    assert "--without docs" in " ".join(argv(tmp_path, f"{project}{docs}", "main"))
    assert "--only docs" in " ".join(argv(tmp_path, f"{project}{docs}", "docs", "main"))


def test_plugins_that_poetry_installs_first_do_not_count() -> None:
    output = """
  - Installing poetry-plugin-export (1.9)
Installing dependencies from lock file
  - Installing idna (3.11)
"""
    assert installed_by(Outcome(status=0, output=output, seconds=0.0)) == {"idna"}
