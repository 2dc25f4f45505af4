"""Strange places and poor surroundings: a binary, or one clear line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

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
def app(written: Callable[..., Project], lock: Callable[[Project], None]) -> Project:
    """A packaged project that depends on nothing."""
    made = written("app", FILES)
    lock(made)
    return made


def test_eight_at_once(app: Project, home: Path) -> None:
    running = [app.start("-s", "pex") for _ in range(8)]
    outputs = [process.communicate(timeout=200)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 8, "\n\n".join(outputs)
    assert sum("pex: building app" in output for output in outputs) == 1
    assert launch(app.binary("app"), home=home).output == "here\n"
    assert app.dist().keys() == {"app.pex", "app.pex.json", "app.requirements.txt"}


def test_a_very_long_path(app: Project, home: Path) -> None:
    root = app.root.parent / ("long " * 40) / ("länger" * 15) / "app"
    root.parent.mkdir(parents=True)
    moved = Project(root=app.root.rename(root), environ=app.environ)
    moved.nox("-s", "pex")
    assert launch(moved.binary("app").rename(home / "app.pex"), home=home).output == "here\n"


def test_a_checkout_behind_a_link(app: Project, home: Path) -> None:
    real = app.root.rename(app.root.with_name("real"))
    app.root.symlink_to(real)
    app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output == "here\n"
    assert app.nox("-s", "pex").said("pex: app unchanged")
    assert Project(root=real, environ=app.environ).nox("-s", "pex").said("pex: app unchanged")


def test_without_git_and_without_a_home(app: Project, home: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for directory in reversed([Path(entry) for entry in app.environ["PATH"].split(os.pathsep)]):
        for program in directory.iterdir() if directory.is_dir() and directory.parts[1] != "root" else ():
            if not program.name.startswith("git"):
                (tools / program.name).unlink(missing_ok=True)
                (tools / program.name).symlink_to(program)
    poor = {**{name: value for name, value in app.environ.items() if name != "HOME"}, "PATH": str(tools)}
    assert shutil.which("git", path=str(tools)) is None
    Project(root=app.root, environ=poor).nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output == "here\n"
    assert app.record("app")["git"] is None


def mounted(app: Project, mount: str) -> list[str]:
    """Nox's command line, in a namespace of its own in which `mount` has been done first."""
    script = f'{mount} && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *app.argv("-s", "pex")]


def may_mount() -> bool:
    try:
        argv = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_mount(), reason="needs leave to mount a file system")
@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ("mount -t tmpfs -o ro none dist", ("ead-only",)),
        ("mount -t tmpfs -o size=64k none dist", ("o space left",)),
    ],
    ids=["read-only", "full"],
)
def test_an_output_directory_that_takes_nothing(app: Project, mount: str, words: tuple[str, ...]) -> None:
    (app.root / "dist").mkdir()
    done = subprocess.run(
        mounted(app, mount), cwd=app.root, env=app.environ, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    (line,) = [line for line in output.splitlines() if "error[" in line]
    assert done.returncode != 0
    assert "error[disk-full]" in line
    assert all(word in line for word in words), line
    assert "Traceback" not in output
    app.nox("-s", "pex")


def test_a_file_where_the_output_directory_should_be(app: Project) -> None:
    (app.root / "dist").write_text("in the way", "utf-8")
    result = app.run("-s", "pex")
    lines = [line for line in result.output.splitlines() if "error[" in line]
    assert len(lines) == 1, result.output
    assert "error[disk-full]" in lines[0]
    assert "Traceback" not in result.output, result.output
