from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.system import locks
from tests.support.workbench import PROJECTS, PYTHON, Workbench, clean_environ, ran


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run share, and no other run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "verify"


@pytest.fixture(scope="session")
def environ(shared: Path, temporary_files: Path) -> dict[str, str]:
    return {**clean_environ(shared / "cache"), "TMPDIR": str(temporary_files)}


@pytest.fixture(autouse=True)
def _temporary_files(temporary_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the steps, which run in this process, write their temporary files to the directory of the tests."""
    monkeypatch.setattr("tempfile.tempdir", str(temporary_files))


@pytest.fixture(scope="session")
def once(shared: Path) -> Callable[[str, Callable[[Path], None]], Path]:
    """Fill a directory once for all workers; it is complete when the call returns."""

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        home = shared / name
        with locks.locked(shared / f"{name}.lock", waiting=lambda: None):
            if not (shared / f"{name}.done").exists():
                shutil.rmtree(home, ignore_errors=True)
                fill(home)
                (shared / f"{name}.done").touch()
        return home

    return make


@pytest.fixture(scope="session")
def packaged(once: Callable[[str, Callable[[Path], None]], Path], environ: dict[str, str]) -> Workbench:
    """The project `packaged`, built as a zipapp; tests only read it."""

    def fill(home: Path) -> None:
        shutil.copytree(PROJECTS / "packaged", home)
        Workbench(root=home, environ=environ).build()

    return Workbench(root=once("packaged", fill), environ=environ)


@pytest.fixture(scope="session")
def loose(once: Callable[[str, Callable[[Path], None]], Path], environ: dict[str, str]) -> Workbench:
    """The project `loose` (`package-mode = false`), built as a PEX directory of wheels; tests only read it."""

    def fill(home: Path) -> None:
        shutil.copytree(PROJECTS / "loose", home)
        bench = Workbench(root=home, environ=environ)
        bench.edit(
            "pyproject.toml",
            "[tool.nox-pex.binary.loose]\n",
            '[tool.nox-pex.binary.loose]\nlayout = "loose"\npre-install-wheels = false\n',
        )
        bench.build()

    return Workbench(root=once("loose", fill), environ=environ)


@pytest.fixture(scope="session")
def careless(packaged: Workbench, once: Callable[[str, Callable[[Path], None]], Path], environ: dict[str, str]) -> Path:
    """The result of a careless pex command: a whole environment with pip, a dev package and another version of idna."""

    def fill(home: Path) -> None:
        home.mkdir(parents=True)
        provisioner = packaged.context().provisioner
        environment = Environment(path=home / "venv")
        provisioner.create(environment.path, python=PYTHON, seed=True)
        wanted = ("pip", "idna==3.10", "pluggy==1.6.0", "setuptools<81")
        provisioner.install(environment, wanted, what="a careless environment")
        (pex,) = (provisioner.caches.root / "tools").glob("pex-*/bin/python")
        ran(pex, "-m", "pex", "--venv-repository", "venv", "-o", "careless.pex", cwd=home, environ=environ)

    return once("careless", fill) / "careless.pex"
