"""Unusual paths, missing programs and unwritable directories: nox-pex builds the binary or shows one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.commands import HANGS_AFTER, run
from tests.support.nox_project import Project, built_files

FILES = {
    "pyproject.toml": (
        '[tool.poetry]\nname = "app"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
        'packages = [{ include = "app" }]\n\n[tool.poetry.dependencies]\npython = ">=3.10"\n\n'
        '[tool.poetry.scripts]\napp = "app:main"\n\n'
        '[build-system]\nrequires = ["poetry-core>=2.0"]\nbuild-backend = "poetry.core.masonry.api"\n\n'
        '[tool.nox-pex.binary.app]\nscript = "app"\n'
    ),
    "app/__init__.py": "def main() -> None:\n    print('here')\n",
}


@pytest.fixture
def app(write_project: Callable[..., Project], lock: Callable[[Project], None]) -> Project:
    """A packaged project that depends on nothing."""
    project = write_project("app", FILES)
    lock(project)
    return project


def test_of_eight_builds_at_once_one_builds_and_all_succeed(app: Project, home: Path) -> None:
    running = [app.start("-s", "pex") for _ in range(8)]
    outputs = [process.communicate(timeout=HANGS_AFTER)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 8, "\n\n".join(outputs)
    assert sum("pex: building app" in output for output in outputs) == 1
    assert launch(app.binary("app"), home=home).output == "here\n"
    assert app.dist().keys() == built_files("app")


def test_a_project_is_built_at_a_very_long_path(app: Project, home: Path) -> None:
    root = app.root.parent / ("long " * 40) / ("länger" * 15) / "app"
    root.parent.mkdir(parents=True)
    moved = Project(root=app.root.rename(root), environ=app.environ)
    moved.nox("-s", "pex")
    assert launch(moved.binary("app").rename(home / "app.pex"), home=home).output == "here\n"


def test_a_project_is_built_through_a_symbolic_link_to_it(app: Project, home: Path) -> None:
    real = app.root.rename(app.root.with_name("real"))
    app.root.symlink_to(real)
    app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output == "here\n"
    assert app.nox("-s", "pex").said("pex: app unchanged")
    assert Project(root=real, environ=app.environ).nox("-s", "pex").said("pex: app unchanged")


def test_a_project_is_built_without_git_and_without_a_home_directory(app: Project, home: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for directory in reversed([Path(entry) for entry in app.environ["PATH"].split(os.pathsep)]):
        for program in directory.iterdir() if directory.is_dir() and directory.parts[1] != "root" else ():
            if not program.name.startswith("git"):
                (tools / program.name).unlink(missing_ok=True)
                (tools / program.name).symlink_to(program)
    without = {**{name: value for name, value in app.environ.items() if name != "HOME"}, "PATH": str(tools)}
    assert shutil.which("git", path=str(tools)) is None
    Project(root=app.root, environ=without).nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output == "here\n"
    assert app.record("app")["git"] is None


def argv_after_mount(app: Project, mount: str) -> list[str]:
    """The command line of Nox in a new mount namespace, after the command `mount`."""
    script = f'{mount} && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *app.argv("-s", "pex")]


def may_mount() -> bool:
    """Whether this machine lets the tests mount a file system."""
    try:
        argv = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ("mount -t tmpfs -o ro none dist", "ead-only"),
        ("mount -t tmpfs -o size=64k none dist", "o space left"),
    ],
    ids=["read-only", "full"],
)
def test_an_output_directory_that_is_full_or_read_only_is_one_error(app: Project, mount: str, reason: str) -> None:
    if not may_mount():
        pytest.skip("this machine does not let the tests mount a file system")
    (app.root / "dist").mkdir()
    result = run(argv_after_mount(app, mount), cwd=app.root, env=app.environ)
    (line,) = [line for line in result.output.splitlines() if "error[" in line]
    assert result.status != 0
    assert "error[disk-full]" in line
    assert reason in line
    assert "Traceback" not in result.output
    app.nox("-s", "pex")


def test_a_file_in_place_of_the_output_directory_is_one_error(app: Project) -> None:
    (app.root / "dist").write_text("in the way", "utf-8")
    result = app.run("-s", "pex")
    lines = [line for line in result.output.splitlines() if "error[" in line]
    assert len(lines) == 1, result.output
    assert "error[config]" in lines[0]
    assert "dist is not a directory" in lines[0]
    assert "Traceback" not in result.output, result.output
