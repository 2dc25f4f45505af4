"""Poetry installs into the session's environment only, whatever its configuration and the shell say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.digests import file_digests
from tests.support.nox_project import Project


def users_environment(path: Path) -> Path:
    """A virtual environment of the user. `poetry sync` would change one of its distributions and remove another."""
    subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", str(path)], check=True)
    add_distributions(path)
    return path


def add_distributions(environment: Path) -> None:
    """Add the metadata of a distribution in another version than the locked one, and of one that is not locked."""
    (site,) = environment.glob("lib/python*/site-packages")
    for name in ("idna", "sixth"):
        (site / f"{name}-1.0.dist-info").mkdir()
        (site / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", "utf-8")
        (site / f"{name}-1.0.dist-info" / "RECORD").write_text(f"{name}-1.0.dist-info/METADATA,,\n", "utf-8")


def assert_installs_only_into_the_session(
    project: Project, *untouched: Path, env: dict[str, str] | None = None
) -> None:
    """Assert that Poetry installs into the session's environment, and changes neither `untouched` nor pytest's."""
    of_pytest = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    assert of_pytest
    assert untouched
    before = [file_digests(path) for path in untouched]
    names = [sorted(path.name for path in directory.iterdir()) for directory in of_pytest]
    project.nox("-s", "install", "--", "--force", env=env)  # by force, so that Poetry installs, and no cache
    assert project.installed() == {"idna-3.11"}
    assert [file_digests(path) for path in untouched] == before
    assert [sorted(path.name for path in directory.iterdir()) for directory in of_pytest] == names


def test_an_active_environment_is_not_changed(project: Callable[[str], Project], tmp_path: Path) -> None:
    loose = project("loose")
    other = users_environment(tmp_path / "other")
    active = {"VIRTUAL_ENV": str(other), "PATH": os.pathsep.join([f"{other}/bin", loose.environ["PATH"]])}
    assert_installs_only_into_the_session(loose, other, env=active)


@pytest.mark.parametrize("setting", ["", "create = false", "in-project = true"])
def test_an_environment_that_the_user_chose_with_poetry_is_not_changed(
    built: Callable[[str], Project], project: Callable[[str], Project], tmp_path: Path, setting: str
) -> None:
    poetry = built("packaged").poetry()
    loose = project("loose")
    config, chosen = tmp_path / "config", tmp_path / "chosen"
    config.mkdir()
    (config / "config.toml").write_text(f'[virtualenvs]\npath = "{chosen}"\n', "utf-8")
    env = {**loose.environ, "POETRY_CONFIG_DIR": str(config)}
    result = run([str(poetry), "-m", "poetry", "env", "use", sys.executable], cwd=loose.root, env=env)
    assert result.status == 0, result.output
    assert (chosen / "envs.toml").is_file()
    (environment,) = (path for path in chosen.iterdir() if path.is_dir())
    add_distributions(environment)
    (loose.root / "poetry.toml").write_text(f"[virtualenvs]\n{setting}\n", "utf-8")
    assert_installs_only_into_the_session(loose, chosen, env=env)


@pytest.mark.parametrize("setting", ["create = false", "in-project = true", 'path = "{project-dir}/.here"'])
def test_poetry_toml_does_not_change_where_poetry_installs(project: Callable[[str], Project], setting: str) -> None:
    loose = project("loose")
    (loose.root / "poetry.toml").write_text(f"[virtualenvs]\n{setting}\n", "utf-8")
    assert_installs_only_into_the_session(loose, users_environment(loose.root / ".venv"))
    assert not (loose.root / ".here").exists()


def test_variables_of_poetry_and_conda_do_not_change_where_poetry_installs(
    project: Callable[[str], Project], tmp_path: Path
) -> None:
    loose = project("loose")
    (loose.root / "poetry.toml").write_text("[virtualenvs]\ncreate = false\n", "utf-8")
    other = users_environment(tmp_path / "conda")
    conda = {"CONDA_PREFIX": str(other), "CONDA_DEFAULT_ENV": "work", "POETRY_VIRTUALENVS_CREATE": "false"}
    assert_installs_only_into_the_session(loose, other, env=conda)


def test_distributions_that_are_not_locked_are_removed(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    add_distributions(loose.environment())
    assert loose.nox("-s", "install").said("it was changed after Poetry installed it")
    assert loose.installed() == {"idna-3.11"}
