"""Fixtures and options for all tests."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nox_pex.steps import run_end
from tests.support.commands import clean_environ
from tests.support.nox_project import Project, copy_fixture_project

run_end._WATCHED.append(None)  # noqa: SLF001  # the end of pytest is not the end of a run


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run of pytest share, and no other run."""
    of_worker = tmp_path_factory.getbasetemp()
    return of_worker.parent if "PYTEST_XDIST_WORKER" in os.environ else of_worker


@pytest.fixture
def home(shared: Path) -> Iterator[Path]:
    """A directory to run a binary in. Its path is short: a shebang below it has at most 127 bytes.

    It is empty, except that the pex in a binary finds there what it knows about Pythons and its own compiled code.
    Nothing of that is from a binary.
    """
    with tempfile.TemporaryDirectory(prefix="h") as directory:
        (root := Path(directory) / ".cache" / "pex").mkdir(parents=True)
        for name in ("interpreters", "bootstraps"):
            (known := shared / "known" / name).mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(known)
        yield Path(directory).resolve()


@pytest.fixture
def environ(shared: Path) -> dict[str, str]:
    """The variables of a user's shell, with a cache of nox-pex for this run of pytest."""
    return {**clean_environ(), "NOX_PEX_CACHE_DIR": str(shared / "cache")}


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Callable[[str], Project]:
    """Copy a fixture project. Nothing is installed in it yet."""

    def copy(name: str) -> Project:
        project = Project(root=copy_fixture_project(name, tmp_path / name), environ=environ)
        project.write_noxfile()
        return project

    return copy


def pytest_configure() -> None:
    # A shell may start pytest in the background, so that it and its children ignore Ctrl-C. Tests send that signal.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes each")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Return two more than the processors of this process, because tests also wait: for timeouts, servers, the disk."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist reads it
    return len(psutil.Process().cpu_affinity()) + 2 if sys.platform == "linux" else (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # A worker that begins a long test last would leave the others without work.
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run it with --slow"))
