from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.verify.archive import open_pex
from nox_pex.verify.difference import differences
from nox_pex.verify.gates import reproducible
from nox_pex.verify.rebuild import prepare_rebuild
from tests.support.workbench import PROJECTS, Workbench, clean_environ, member, spoiled
from tests.unit.verify.test_archive import archive, wheel

INFO = json.dumps({"deps_are_wheel_files": True})
BACKEND = """\
import time
import zipfile
from pathlib import Path

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "greeting_cards-0.4.0-py3-none-any.whl"
    info = "greeting_cards-0.4.0.dist-info"
    files = {
        "greeting/__init__.py": Path("src/greeting/__init__.py").read_text(),
        "greeting/stamp.py": f"BUILT = {time.time_ns()}\\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: greeting-cards\\nVersion: 0.4.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": "[console_scripts]\\ngreet = greeting:main\\n",
    }
    rows = "".join(f"{file},,\\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(Path(directory, name), "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": rows}.items():
            wheel.writestr(zipfile.ZipInfo(file), text)
    return name
"""
"""A build backend that writes the time into the wheel."""


def first(one: Path, other: Path) -> str:
    with open_pex(one) as a, open_pex(other) as b:
        return str(next(differences(a, b), "nothing"))


@pytest.fixture
def pex(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, changes: dict[str, bytes | str] | None = None, *, head: bytes = b"") -> Path:
        members: dict[str, bytes | str] = {
            ".deps/x-1-py3-none-any.whl": wheel({"a.py": "a = 1\n", "b.py": "b = 1\n", "x-1.dist-info/RECORD": "r"}),
            "PEX-INFO": INFO,
            "main.py": "m = 1\n",
        }
        return archive(tmp_path / name, {**members, **(changes or {})}, head=head)

    return make


def test_the_first_difference_is_a_cause(pex: Callable[..., Path]) -> None:
    one = pex("one.pex")
    assert first(one, pex("0.pex")) == "nothing"
    other = wheel({"a.py": "a = 1\n", "b.py": "b = 2\n", "x-1.dist-info/RECORD": "s"})
    changed = pex("1.pex", {".deps/x-1-py3-none-any.whl": other, "PEX-INFO": f"{INFO} "}, head=b"#!x\n")
    with open_pex(one) as a, open_pex(changed) as b:
        assert [str(difference) for difference in differences(a, b)] == [
            "x-1-py3-none-any.whl: b.py has different content, from byte 4",
            "x-1-py3-none-any.whl: x-1.dist-info/RECORD has different content, from byte 0",
            f"PEX-INFO has different content, from byte {len(INFO)}",
            "the head of the file differs",
        ]
    fewer = wheel({"a.py": "a = 1\n", "x-1.dist-info/RECORD": "r"})
    missing = pex("2.pex", {".deps/x-1-py3-none-any.whl": fewer})
    assert first(one, missing) == "x-1-py3-none-any.whl: b.py is not in the second build"
    assert first(missing, one) == "x-1-py3-none-any.whl: b.py is only in the second build"
    assert first(one, pex("3.pex", {"more.py": ""})) == "more.py is only in the second build"
    order = wheel({"b.py": "b = 1\n", "a.py": "a = 1\n", "x-1.dist-info/RECORD": "r"})
    swapped = pex("4.pex", {".deps/x-1-py3-none-any.whl": order})
    assert first(one, swapped) == "x-1-py3-none-any.whl: a.py is stored in a different order"
    assert first(one, pex("5.pex", {".deps/y-1-py3-none-any.whl": wheel({"y.py": ""})})) == (
        "y-1-py3-none-any.whl: the complete wheel is only in the second build"
    )


def test_only_the_packing_differs(tmp_path: Path) -> None:
    one = archive(tmp_path / "one.pex", {"PEX-INFO": INFO, "main.py": "x = 1\n" * 99}, compression=0)
    other = archive(tmp_path / "other.pex", {"PEX-INFO": INFO, "main.py": "x = 1\n" * 99}, compression=8)
    with open_pex(one) as pex:
        (problem,) = reproducible.judge(pex, other, own_wheels=()).problems
    assert problem == "a second build has the same members, packed differently"


def judged(bench: Workbench, name: str, path: Path | None = None) -> tuple[str, ...]:
    """The gate's problems, with a second build by the real tools."""
    context = bench.context()
    with (
        open_pex(path or bench.binary(name)) as pex,
        prepare_rebuild(context.all_targets[name], context.installer, cold=False) as copy,
    ):
        assert copy.target.project.root != bench.root
        again = copy.build()
        own = [wheel.name for wheel in pex.wheels if wheel.name.startswith("greeting")]
        return reproducible.judge(pex, again, own_wheels=own).problems


@pytest.mark.integration
def test_the_same_bytes_elsewhere(loose: Workbench) -> None:
    assert judged(loose, "loose") == ()


@pytest.mark.integration
def test_a_changed_binary(packaged: Workbench, tmp_path: Path) -> None:
    name, content = member(packaged.binary("greeting-cards"), "idna/core.py")
    path = spoiled(packaged.binary("greeting-cards"), tmp_path / "x.pex", {name: content + b"#"})
    (problem,) = judged(packaged, "greeting-cards", path)
    assert f"idna/core.py has different content, from byte {len(content)}" in problem


@pytest.mark.integration
def test_a_build_backend_that_writes_the_time(shared: Path, tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "packaged", tmp_path / "project")
    bench = Workbench(root=tmp_path / "project", environ=clean_environ(shared / "cache"))
    bench.edit("pyproject.toml", 'requires = ["poetry-core>=2.0,<3.0"]', 'requires = []\nbackend-path = ["."]')
    bench.edit("pyproject.toml", "poetry.core.masonry.api", "backend")
    (bench.root / "backend.py").write_text(BACKEND)
    bench.build()
    (problem,) = judged(bench, "greeting-cards")
    assert "greeting_cards-0.4.0-py3-none-any.whl: greeting/stamp.py has different content" in problem
    assert "in the project's own wheel, which its build backend builds" in problem


@pytest.mark.integration
def test_a_path_dependency_beside_the_project_in_git(environ: dict[str, str], tmp_path: Path) -> None:
    """In one repository: the copies lie to each other as before, and Git says the same of them."""
    repository = tmp_path / "repository"
    shutil.copytree(PROJECTS / "path_dependency", repository / "service")
    shutil.move(repository / "service" / "shelf", repository / "shelf")
    bench = Workbench(root=repository / "service", environ=environ)
    bench.edit("pyproject.toml", 'path = "shelf"', 'path = "../shelf"')
    (bench.root / "app.py").write_text("x = 1\n")
    (bench.root / "ignored.py").write_text("x = 1\n")
    (bench.root / ".gitignore").write_text("ignored.py\n.nox\ndist\n")
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    bench.relock()
    bench.build()
    before = (repository / ".git").stat().st_mtime_ns
    assert judged(bench, "reader") == ()
    assert (repository / ".git").stat().st_mtime_ns == before
    with open_pex(bench.binary("reader")) as pex:
        assert "app.py" in pex.container.members
        assert "ignored.py" not in pex.container.members
