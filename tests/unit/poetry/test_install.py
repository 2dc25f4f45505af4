from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.poetry import cli
from nox_pex.poetry.cli import poetry_environ, sync_argv
from nox_pex.poetry.failures import failure
from nox_pex.poetry.selection import Selection, selection
from nox_pex.project import pyproject
from nox_pex.project.pyproject import Project
from nox_pex.settings.model import Binary, Settings
from nox_pex.system.command import Outcome
from nox_pex.tools.pinned import Poetry

POETRY = Poetry(python=Path("/tools/python"), version="2.5.1", default_index="https://index.invalid/simple/")


@pytest.fixture
def service(tmp_path: Path) -> Project:
    text = """
        [project]
        name = "service"
        dependencies = ["idna"]
        optional-dependencies = { fast = ["h11"] }
        [dependency-groups]
        server = ["h11"]
    """
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    return pyproject.read(tmp_path)


def test_a_binary_has_the_projects_groups_unless_it_names_its_own(service: Project) -> None:
    settings = Settings(groups=("main", "Server"), extras=("fast",))
    assert selection(settings, Binary(script="x"), service) == Selection(groups=("main", "server"), extras=("fast",))
    own = Binary(script="x", groups=("server", "server"), extras=())
    assert selection(settings, own, service) == Selection(groups=("server",), extras=())


@pytest.mark.parametrize(
    ("binary", "code", "said"),
    [
        (Binary(script="x", groups=("servr",)), "poetry-missing-group", "did you mean 'server'?"),
        (Binary(script="x", groups=("zzz",)), "poetry-missing-group", "it has main, server"),
        (Binary(script="x", extras=("fats",)), "config", "did you mean 'fast'?"),
    ],
)
def test_a_group_or_extra_that_is_not_there(service: Project, binary: Binary, code: str, said: str) -> None:
    with pytest.raises(NoxPexError) as caught:
        selection(Settings(), binary, service)
    assert caught.value.code == code
    assert said in caught.value.remedy


def test_each_selection_has_a_key_of_its_own() -> None:
    distinct = [Selection(("a",), ()), Selection(("a", "b"), ()), Selection(("a",), ("b",)), Selection((), ("a",))]
    assert len({one.key for one in distinct}) == 4
    assert [str(one) for one in distinct[:3]] == ["group a", "groups a, b", "group a, extras b"]


@pytest.mark.parametrize(("version", "command"), [("2.5.1", ["sync"]), ("1.8.5", ["install", "--sync"])])
def test_poetrys_command_line(service: Project, version: str, command: list[str]) -> None:
    poetry = Poetry(python=Path("/tools/python"), version=version, default_index="")
    argv = sync_argv(poetry, Selection(("main", "server"), ("fast", "more")), service)
    text = " ".join(argv)
    assert f" poetry {' '.join(command)} " in text
    assert "--only main,server" in text
    assert "--extras fast --extras more" in text
    assert {"--no-root", "--no-interaction", "--no-ansi"} < set(argv)


def test_poetry_is_told_one_environment_and_no_other(tmp_path: Path) -> None:
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
        user, poetry=POETRY, environment=Environment(path=Path("/ours")), environments=Path("/empty"), project=tmp_path
    )
    assert found["VIRTUAL_ENV"] == "/ours"
    assert found["POETRY_VIRTUALENVS_PATH"] == "/empty"
    assert found["POETRY_VIRTUALENVS_CREATE"] == "true"
    assert found["POETRY_VIRTUALENVS_IN_PROJECT"] == "false"
    assert found["POETRY_HTTP_BASIC_MILL_PASSWORD"] == "flour"
    assert not {"CONDA_PREFIX", "PYTHONPATH"} & found.keys()


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        (
            "pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock`",
            "lock-stale",
            "run `poetry lock`",
        ),
        ("The lock file is not compatible with the current version of Poetry.", "lock-unreadable", "poetry-version"),
        (
            "This project requires Poetry >=1.8,<2.0, but you are using Poetry 2.5.1",
            "poetry-version",
            'poetry-version = "1.8"',
        ),
        (
            "This project requires Poetry <2.0, but you are using Poetry 2.5.1",
            "poetry-version",
            'poetry-version = "…"',
        ),
        (
            "Current Python version (3.11.7) is not allowed by the project (>=3.12,<4.0).\nPlease change",
            "python-mismatch",
            "allows Python >=3.12,<4.0, but the session runs on 3.11.7",
        ),
        (
            "Current Python version (3.12.1) is not allowed by the project (3.11.7).\nPlease change",
            "python-mismatch",
            'register(python="3.11")',
        ),
        (
            "is likely not a problem with poetry but one of the following issues with greenlet (1.1.2)\n\n  - not",
            "no-wheel",
            "greenlet (1.1.2) in",
        ),
        (
            "[Errno -2] Name or service not known\n\nCannot install poetry-core.\n",
            "index-unreachable",
            "could not install poetry-core of",
        ),
        (
            "[Errno -2] Name or service not known\nMax retries exceeded: host='git.invalid'",
            "index-unreachable",
            "git.invalid",
        ),
        ("Group(s) not found: srv (via --only)", "poetry-missing-group", "srv"),
        (
            "Hash for idna (3.11) from archive idna-3.11-py3-none-any.whl not found in known hashes (was: sha256:0)",
            "hash-mismatch",
            "idna-3.11-py3-none-any.whl",
        ),
        (
            "Downloaded distributions for h11 (0.16.0) did not match any known checksums in your lock file.",
            "hash-mismatch",
            "h11 (0.16.0)",
        ),
        ("All attempts to connect to example.invalid failed.", "index-unreachable", "All attempts"),
        ("HTTPError: 401 Client Error: Unauthorized", "index-auth", "credentials"),
        ("OSError: [Errno 28] No space left on device", "disk-full", "make room"),
        ("something else", "install-failed", "exit status 1"),
    ],
)
def test_what_poetry_met(service: Project, output: str, code: str, said: str) -> None:
    error = failure(Outcome(status=1, output=f"Installing\n  {output}\n", seconds=0.0), service)
    assert error.code == code
    assert said in str(error)
    assert "{" not in str(error)
    assert error.log[0] == "Installing"


def test_what_poetry_says_that_it_installed() -> None:
    output = """
Package operations: 3 installs, 1 update, 1 removal, 1 skipped
  - Removing gone (1.0)
  - Installing Zope_Parts (2.0)
  - Updating idna (3.10 -> 3.11)
  - Downgrading h11 (0.16.0 -> 0.15)
  - Installing here (1.0): Skipped for the following reason: Already installed
"""
    found = cli.installed_by(Outcome(status=0, output=output, seconds=0.0))  # there is no other way to see it
    assert found == {"zope-parts", "idna", "h11"}
