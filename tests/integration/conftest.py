"""Projects that the real Nox, Poetry and pex work on. Every test below this directory is an integration test."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nox_pex.system import locks
from tests.support import memory
from tests.support.commands import clean_environ
from tests.support.locker import Locker
from tests.support.monorepo import write_monorepo
from tests.support.nox_project import CHECKOUT, Project, copy_fixture_project
from tests.support.same_bytes import provide_tools
from tests.support.warm.tools import COLD, warm, warm_nox


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test below this directory: pytest calls this hook for no other test."""
    item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def temporary_files() -> Iterator[Path]:
    """The directory for temporary files of the programs under test, which is removed at the end."""
    with memory.temporary_directory() as directory:
        yield directory


@pytest.fixture
def scratch(temporary_files: Path) -> Iterator[Path]:
    """An empty directory among the temporary files: for a new cache, in which all tools are installed again."""
    with tempfile.TemporaryDirectory(dir=temporary_files, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def _warm_tools(shared: Path, temporary_files: Path) -> Iterator[None]:
    """Install the tools into the cache of this run of pytest, and let them start fast."""
    environ = {**clean_environ(), "NOX_PEX_CACHE_DIR": str(shared / "cache"), "TMPDIR": str(temporary_files)}
    with contextlib.ExitStack() as stack:
        with locks.locked(shared / "warm.lock", waiting=lambda: None):
            stack.enter_context(warm(provide_tools(environ), environ=environ))
        stack.enter_context(warm_nox(environ))
        yield


@pytest.fixture
def environ(
    environ: dict[str, str], temporary_files: Path, _warm_tools: None, request: pytest.FixtureRequest
) -> dict[str, str]:
    """The variables of a user's shell, with a directory for temporary files."""
    return {**environ, "TMPDIR": str(temporary_files), **(COLD if "cold_tools" in request.fixturenames else {})}


@pytest.fixture
def cold_tools() -> None:
    """Let all tools start as they do for a user, and let `verify` install them again.

    For tests of their processes, of what they import, and of where they are.
    """


@pytest.fixture
def built(
    shared: Path, tmp_path: Path, environ: dict[str, str], request: pytest.FixtureRequest
) -> Callable[[str], Project]:
    """Copy a fixture project in which `nox -s pex` has run, once in this run of pytest."""

    def copy(name: str) -> Project:
        template = Project(root=shared / "built" / name, environ=environ)
        with locks.locked(shared / "built" / f"{name}.lock", waiting=lambda: None):
            if not (template.root / "complete").exists():
                shutil.rmtree(template.root, ignore_errors=True)
                copy_fixture_project(name, template.root)
                template.write_noxfile()
                template.nox("-s", "pex")
                (template.root / "complete").touch()
        shutil.copytree(template.root, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("complete"))
        project = Project(root=tmp_path / name, environ=environ)
        if "cold_tools" in request.fixturenames:  # the noxfile of the template may be another one
            project.write_noxfile()
        return project

    return copy


@pytest.fixture
def shop(shared: Path, tmp_path: Path, environ: dict[str, str]) -> Project:
    """A copy of the example of a monorepo, in which all services were built once in this run of pytest."""
    template = shared / "built" / "monorepo"
    with locks.locked(shared / "built" / "monorepo.lock", waiting=lambda: None):
        if not (template / "complete").exists():
            shutil.rmtree(template, ignore_errors=True)
            monorepo = write_monorepo(template, environ)
            monorepo.nox("-s", "pex(api)")
            Project(root=template / "services" / "clock", environ=monorepo.environ).relock()
            monorepo.nox("-s", "pex")
            (template / "complete").touch()
    shutil.copytree(template, tmp_path / "shop", symlinks=True, ignore=shutil.ignore_patterns("complete"))
    return Project(root=tmp_path / "shop", environ={**environ, "PYTHONPATH": str(CHECKOUT / "tasks")})


@pytest.fixture
def write_project(tmp_path: Path, environ: dict[str, str]) -> Callable[[str, dict[str, str]], Project]:
    """Write a project of files that are given as text. It is not locked yet."""

    def write(name: str, files: dict[str, str]) -> Project:
        for path, text in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        # A separate cache: Poetry caches the pages of a source by the source's name.
        separate = {"POETRY_CACHE_DIR": str(tmp_path / "poetry-cache")}
        project = Project(root=tmp_path / name, environ={**environ, **separate})
        project.write_noxfile()
        return project

    return write


@pytest.fixture
def lock(environ: dict[str, str]) -> Locker:
    """Write a project's `poetry.lock` with the real Poetry that nox-pex pins."""
    return Locker(environ=environ)


@pytest.fixture
def unreachable_index() -> Iterator[str]:
    """The address of an index that no program serves: the port is bound, so that no other program can listen there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/simple/"
