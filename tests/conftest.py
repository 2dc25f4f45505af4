"""What the tests of all kinds share."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.commands import clean_environ
from tests.support.nox_project import Project, copy_fixture_project


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run share, and no other run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty directory to run a binary in; of a short name, since a shebang in PEX_ROOT below has 127 characters."""
    with tempfile.TemporaryDirectory(prefix="h") as made:
        yield Path(made).resolve()


@pytest.fixture
def environ(shared: Path) -> dict[str, str]:
    return {**clean_environ(), "NOX_PEX_CACHE_DIR": str(shared / "cache")}


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Callable[[str], Project]:
    """Make a copy of a fixture project: nothing is installed in it yet."""

    def make(name: str) -> Project:
        made = Project(root=copy_fixture_project(name, tmp_path / name), environ=environ)
        made.write_noxfile()
        return made

    return make


def pytest_configure() -> None:
    # Where a shell starts the tests in the background, Ctrl-C is ignored, by all that they start too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes each, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; --slow runs it"))
