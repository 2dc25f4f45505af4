"""Poetry installs into the session's environment and nowhere else, whatever the user has told it, or the shell."""

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

pytestmark = pytest.mark.integration


def foreign(path: Path) -> Path:
    """A virtual environment of the user's own: a sync of Poetry's would change one distribution and remove another."""
    subprocess.run([sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", str(path)], check=True)
    pretend(path)
    return path


def pretend(environment: Path) -> None:
    (site,) = environment.glob("lib/python*/site-packages")
    for name in ("idna", "sixth"):
        (site / f"{name}-1.0.dist-info").mkdir()
        (site / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", "utf-8")
        (site / f"{name}-1.0.dist-info" / "RECORD").write_text(f"{name}-1.0.dist-info/METADATA,,\n", "utf-8")


def installs_at_home(project: Project, *untouched: Path, env: dict[str, str] | None = None) -> None:
    """Assert that Poetry installs into the session's environment, and touches none of the others, nor our own."""
    own = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    assert own
    assert untouched
    before = [file_digests(path) for path in untouched]
    names = [sorted(path.name for path in directory.iterdir()) for directory in own]
    project.nox("-s", "install", "--", "--force", env=env)  # so that it is Poetry, whatever is kept from others
    assert project.installed() == {"idna-3.11"}
    assert [file_digests(path) for path in untouched] == before
    assert [sorted(path.name for path in directory.iterdir()) for directory in own] == names


def test_another_environment_is_active(project: Callable[[str], Project], tmp_path: Path) -> None:
    loose = project("loose")
    other = foreign(tmp_path / "other")
    active = {"VIRTUAL_ENV": str(other), "PATH": os.pathsep.join([f"{other}/bin", loose.environ["PATH"]])}
    installs_at_home(loose, other, env=active)


@pytest.mark.parametrize("setting", ["", "create = false", "in-project = true"])
def test_the_user_chose_an_environment_with_poetry(
    built: Callable[[str], Project], project: Callable[[str], Project], tmp_path: Path, setting: str
) -> None:
    poetry = built("packaged").poetry()
    loose = project("loose")
    config, chosen = tmp_path / "config", tmp_path / "chosen"
    config.mkdir()
    (config / "config.toml").write_text(f'[virtualenvs]\npath = "{chosen}"\n', "utf-8")
    env = {**loose.environ, "POETRY_CONFIG_DIR": str(config)}
    used = run([str(poetry), "-m", "poetry", "env", "use", sys.executable], cwd=loose.root, env=env)
    assert used.status == 0, used.output
    assert (chosen / "envs.toml").is_file()
    (environment,) = (path for path in chosen.iterdir() if path.is_dir())
    pretend(environment)
    (loose.root / "poetry.toml").write_text(f"[virtualenvs]\n{setting}\n", "utf-8")
    installs_at_home(loose, chosen, env=env)


@pytest.mark.parametrize("setting", ["create = false", "in-project = true", 'path = "{project-dir}/.here"'])
def test_a_poetry_toml_says_otherwise(project: Callable[[str], Project], setting: str) -> None:
    loose = project("loose")
    (loose.root / "poetry.toml").write_text(f"[virtualenvs]\n{setting}\n", "utf-8")
    installs_at_home(loose, foreign(loose.root / ".venv"))
    assert not (loose.root / ".here").exists()


def test_variables_of_poetry_and_conda_say_otherwise(project: Callable[[str], Project], tmp_path: Path) -> None:
    loose = project("loose")
    (loose.root / "poetry.toml").write_text("[virtualenvs]\ncreate = false\n", "utf-8")
    other = foreign(tmp_path / "conda")
    conda = {"CONDA_PREFIX": str(other), "CONDA_DEFAULT_ENV": "work", "POETRY_VIRTUALENVS_CREATE": "false"}
    installs_at_home(loose, other, env=conda)


def test_what_is_not_in_the_lock_goes(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    pretend(loose.environment())
    assert loose.nox("-s", "install").said("not as Poetry left it")
    assert loose.installed() == {"idna-3.11"}
