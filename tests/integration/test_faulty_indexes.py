"""An index that is faulty: one line with the right code, and the next run with a correct index succeeds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nox_pex.system import locks
from tests.support.commands import run
from tests.support.faulty_index import Fault, FaultyIndex, serve_index
from tests.support.nox_project import Project

_PYPROJECT = """\
[project]
name = "courier"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["parcel==1.0"]

[tool.poetry]
package-mode = false

[tool.nox-pex.binary.courier]
entry-point = "courier"
"""


@pytest.fixture
def index() -> Iterator[FaultyIndex]:
    with serve_index() as served:
        yield served


@pytest.fixture
def courier(
    index: FaultyIndex, built: Callable[[str], Project], shared: Path, tmp_path: Path, environ: dict[str, str]
) -> Project:
    """A locked project whose only dependency comes from `index`, with an empty cache of Poetry."""
    built("loose")  # installs the tools from the real index, which this project does not use
    root = tmp_path / "courier"
    root.mkdir()
    (root / "pyproject.toml").write_text(_PYPROJECT, "utf-8")
    (root / "courier.py").write_text("import parcel\nprint(parcel.GREETING)\n", "utf-8")
    environ = {
        **environ,
        "PIP_INDEX_URL": index.url,
        "PIP_CONFIG_FILE": "/dev/null",
        "POETRY_CACHE_DIR": str(tmp_path / "cache"),
        "POETRY_REQUESTS_MAX_RETRIES": "0",
    }
    project = Project(root=root, environ=environ)
    project.write_noxfile()
    finished = shared / "courier" / "poetry.lock"  # it names no address, so it is the same for every index
    with locks.locked(shared / "courier.lock", waiting=lambda: None):
        if not finished.exists():
            argv = [str(project.poetry()), "-m", "poetry", "lock", "--no-interaction"]
            locked = run(argv, cwd=root, env={**environ, "POETRY_PYPI_MIRROR_URL": index.url})
            assert locked.status == 0, locked.output
            finished.parent.mkdir()
            shutil.copy(root / "poetry.lock", finished)
    shutil.copy(finished, root / "poetry.lock")
    # The install under test must not use the downloads of the lock.
    project.environ["POETRY_CACHE_DIR"] = str(tmp_path / "empty")
    return project


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("401", "index-auth"),
        ("403", "index-auth"),
        ("404", "index-missing"),
        ("empty", "index-missing"),
        ("500", "index-unreachable"),
        ("silent", "index-unreachable"),
        ("half-a-file", "index-unreachable"),
        ("another-file", "hash-mismatch"),
    ],
)
def test_a_fault_of_the_index_is_one_error_and_the_next_run_succeeds(
    courier: Project, index: FaultyIndex, fault: Fault, code: str
) -> None:
    index.fault = fault
    # Poetry gives up after a second, only in this case: a healthy index may answer later on a busy machine.
    courier.refused(code, "-s", "pex", env={"POETRY_REQUESTS_TIMEOUT": "1"} if fault == "silent" else None)

    index.fault = "none"
    courier.nox("-s", "pex")
    assert run([str(courier.binary("courier"))], cwd=courier.root, env=courier.environ).output == "a parcel\n"


def test_a_wheel_that_does_not_match_the_hash_in_the_lock_is_refused(courier: Project) -> None:
    lock = courier.root / "poetry.lock"
    text = lock.read_text("utf-8")
    digest = text.partition("sha256:")[2][:64]
    lock.write_text(text.replace(digest, digest[::-1]), "utf-8")

    assert "parcel" in courier.refused("hash-mismatch", "-s", "pex")
