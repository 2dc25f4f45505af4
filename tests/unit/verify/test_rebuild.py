from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from nox_pex.poetry.install import Installer
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.selection import Selection
from nox_pex.project import pyproject
from nox_pex.settings import parse
from nox_pex.system import plain_paths
from nox_pex.system.command import Shell, Stop, Stopped
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner
from nox_pex.verify.rebuild import Rebuild, copied_project, other_umask
from tests.support.shown import say_into

LOOSE = """\
[tool.poetry]
name = "app"
package-mode = false

[tool.nox-pex.binary.app]
sources.exclude = ["draft.py"]
executable = "tools/start"
"""
PACKAGED = """\
[project]
name = "app"
dynamic = ["version"]

[project.scripts]
app = "app:main"
"""
LOCK = """\
[[package]]
name = "shelf"
version = "1.0"
description = ""
optional = false
python-versions = "*"
files = []

[package.source]
type = "directory"
url = "{path}"

[metadata]
lock-version = "2.1"
python-versions = "*"
content-hash = "0"
"""


class StubInstaller(Installer, frozen=True, kw_only=True):
    """An installer that installs nothing, and reports one distribution."""

    def install(self, wanted: Selection, environment: Environment) -> Installed:
        assert not self.cached
        if "refuse" in self.shell.environ:
            raise NoxPexError("install-failed", "Poetry fails", "find out why")
        self.shell.say("installed")
        with self.meanwhile(environment) as report:
            assert report is not None
            report("Zope_Shelf", "1.0")
        return Installed(selection=wanted, environment=environment, distributions=(), path_digests={}, seconds=0.0)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def installer(said: list[str], tmp_path: Path) -> Callable[..., StubInstaller]:
    def make(target: Target, **environ: str) -> StubInstaller:
        shell = Shell(environ={"PATH": os.environ["PATH"], **environ}, secrets=Secrets(), say=say_into(said.append))
        return StubInstaller(
            project=target.project,
            base=BasePython(name="3", find=lambda: Path(sys.executable)),
            provisioner=Provisioner(shell=shell, caches=Caches(chosen=tmp_path / "cache"), uv=None),
            poetry_version=None,
            force=True,
        )

    return make


def written(root: Path, text: str, *, shelf: str, files: dict[str, str] | None = None) -> Target:
    """A project in `root` with a path dependency in the directory `shelf`, relative to it."""
    for name, content in {
        "pyproject.toml": text,
        "poetry.lock": LOCK.format(path=shelf),
        "app.py": "def main(): ...\n",
        f"{shelf}/pyproject.toml": '[project]\nname = "shelf"\nversion = "1.0"\n',
        f"{shelf}/shelf.py": "BOOKS = 3\n",
        **(files or {}),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")
    project = pyproject.read(root)
    settings = parse.parse(project.document, file="pyproject.toml", project_name=project.name, scripts=project.scripts)
    return Target(name="app", suffix="", project=project, settings=settings, state=root / ".nox" / "state")


@contextlib.contextmanager
def rebuilt(target: Target, installer: Installer, *, cold: bool, size: int | None = None) -> Iterator[Rebuild]:
    with copied_project(target, installer, cold=cold, size=size) as copy:
        yield copy.install()


def files_below(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def test_the_copy_has_what_a_build_reads_and_nothing_else(
    tmp_path: Path, installer: Callable[..., StubInstaller], said: list[str]
) -> None:
    files = {"draft.py": "", "tools/start": "#!/bin/sh\n", "dist/app.pex": "old", "poetry.toml": "", "note.txt": ""}
    root = tmp_path / "service"
    (root / "tools").mkdir(parents=True)
    (root / "tools" / "start").touch(mode=0o755)
    target = written(root, LOOSE, shelf="../shelf", files=files)
    with rebuilt(target, installer(target), cold=False) as rebuild:
        copy = rebuild.target.project.root
        assert copy.name == "service"
        assert files_below(copy) == {"pyproject.toml", "poetry.lock", "poetry.toml", "app.py", "tools/start"}
        assert files_below(copy.parent / "shelf") == {"pyproject.toml", "shelf.py"}
        assert (copy / "tools" / "start").stat().st_mode & 0o777 == 0o700
        assert (copy / "app.py").stat().st_mode & 0o777 == 0o600
        assert rebuild.target.output == copy / "dist" / "app.pex"
        assert not rebuild.target.state.is_relative_to(tmp_path / "service")
        assert rebuild.installed.environment.path.parent == rebuild.target.state.parent
        (rebuild.target.state.parent / "made").touch()
    assert not copy.exists()
    assert not rebuild.target.state.parent.exists()
    assert said == ["verify: second build: installed"]


def test_a_path_dependency_within_the_project_is_copied_with_it(
    tmp_path: Path, installer: Callable[..., StubInstaller]
) -> None:
    target = written(tmp_path / "service", LOOSE, shelf="libs/shelf", files={"tools/start": ""})
    with rebuilt(target, installer(target), cold=False) as rebuild:
        copied = files_below(rebuild.target.project.root)
    assert {"libs/shelf/pyproject.toml", "libs/shelf/shelf.py"} <= copied


def test_the_second_build_has_other_surroundings(tmp_path: Path, installer: Callable[..., StubInstaller]) -> None:
    target = written(tmp_path / "service", LOOSE, shelf="../shelf", files={"tools/start": ""})
    before = os.umask(0o022)
    try:
        with other_umask(), rebuilt(target, installer(target, TZ="UTC"), cold=False) as rebuild:
            shell, caches = rebuild.provisioner.shell, rebuild.provisioner.caches
            directory = rebuild.target.state.parent
            assert (shell.environ["TZ"], shell.environ["LC_ALL"]) == ("Pacific/Chatham", "C")
            assert shell.environ["TMPDIR"] == str(directory / "tmp")
            assert "POETRY_CACHE_DIR" not in shell.environ
            assert os.umask(0o077) == 0o077
            outcome = shell.run(["/bin/sh", "-c", "echo $PYTHONHASHSEED"], what="ask", env=shell.environ)
            assert outcome.output == "4711"
            cold = (caches.root, caches.pex_root, caches.environments, caches.dependencies)
            assert all(path.is_relative_to(directory) for path in cold)
            assert caches.wheels == tmp_path / "cache" / "wheels"
            assert caches.tools == caches.home_of("pex") == tmp_path / "cache" / "tools"  # those of the installer
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_cold_rebuild_downloads_everything_again(tmp_path: Path, installer: Callable[..., StubInstaller]) -> None:
    target = written(tmp_path / "service", LOOSE, shelf="../shelf", files={"tools/start": ""})
    with rebuilt(target, installer(target), cold=True) as rebuild:
        directory = rebuild.target.state.parent
        assert rebuild.provisioner.shell.environ["POETRY_CACHE_DIR"] == str(directory / "cache")
        assert rebuild.provisioner.caches.wheels.is_relative_to(directory)


def test_the_tools_of_a_second_build_end_with_the_others(
    tmp_path: Path, installer: Callable[..., StubInstaller]
) -> None:
    target, stop = written(tmp_path / "service", LOOSE, shelf="../shelf", files={"tools/start": ""}), Stop()
    given = installer(target)
    provisioner = replace(given.provisioner, shell=replace(given.shell, stop=stop))
    with rebuilt(target, replace(given, provisioner=provisioner), cold=False) as rebuild:
        stop.stop()
        shell = rebuild.provisioner.shell
        with pytest.raises(Stopped):
            shell.run(["/bin/true"], what="it", env=shell.environ)


def test_the_plan_is_what_poetry_reports(tmp_path: Path, installer: Callable[..., StubInstaller]) -> None:
    target = written(tmp_path / "service", LOOSE, shelf="../shelf", files={"tools/start": ""})
    with rebuilt(target, installer(target), cold=False) as rebuild:
        assert rebuild.planned == {"zope-shelf": "1.0"}


@pytest.mark.parametrize(("size", "in_memory"), [(None, False), (10, True), (1 << 60, False)])
def test_what_is_installed_is_in_memory_if_its_size_is_known_and_fits(
    tmp_path: Path,
    installer: Callable[..., StubInstaller],
    monkeypatch: pytest.MonkeyPatch,
    size: int | None,
    *,
    in_memory: bool,
) -> None:
    target = written(tmp_path / "service", LOOSE, shelf="../shelf", files={"tools/start": ""})
    (memory := tmp_path / "memory").mkdir()
    monkeypatch.setattr(plain_paths, "_MEMORY", memory)
    monkeypatch.setattr("nox_pex.system.memory.available", lambda: 1 << 30)
    with rebuilt(target, installer(target), cold=False, size=size) as rebuild:
        environment, caches = rebuild.installed.environment.path, rebuild.provisioner.caches
        assert [path.is_relative_to(memory) for path in (environment, caches.root)] == [in_memory] * 2
        assert not rebuild.target.project.root.is_relative_to(memory)  # nor what build backends write
        assert not rebuild.provisioner.shell.environ["TMPDIR"].startswith(str(memory))
    assert list(memory.iterdir()) == []


def test_a_failed_install_leaves_no_copy(
    tmp_path: Path, installer: Callable[..., StubInstaller], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = written(tmp_path / "service", LOOSE, shelf="../shelf", files={"tools/start": ""})
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with (
        pytest.raises(NoxPexError, match="Poetry fails"),
        rebuilt(target, installer(target, refuse="1"), cold=False),
    ):
        pass
    assert list((tmp_path / "tmp").iterdir()) == []


def test_in_a_repository_the_copy_is_a_work_tree_of_it(tmp_path: Path, installer: Callable[..., StubInstaller]) -> None:
    top = tmp_path / "top"
    target = written(top / "service", PACKAGED, shelf="../shelf", files={"../other/readme.txt": "", "notes.txt": ""})
    subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    with rebuilt(target, installer(target), cold=False) as rebuild:
        copy = rebuild.target.project.root.parent
        assert (copy / ".git" / "commondir").read_text("utf-8") == f"{top / '.git'}\n"
        status = subprocess.run(["git", "ls-files", "--others"], cwd=copy, check=True, capture_output=True, text=True)
        assert "service/app.py" in status.stdout.splitlines()
        # The build backend takes the version from Git, so the whole repository is copied.
        assert {"other/readme.txt", "shelf/shelf.py", "service/notes.txt", "service/app.py"} <= files_below(copy)
