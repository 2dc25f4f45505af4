from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.project import output_dir, pyproject

PYPROJECT = """
[project]
name = "shop"
dependencies = ["far @ file://{far}"]

[tool.poetry]
packages = [{{ include = "shop", from = "lib" }}]

[tool.poetry.dependencies]
near = {{ path = "../near", develop = true }}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with sources, in a repository with other directories."""
    root = tmp_path / "repo" / "services" / "shop"
    for name in ("lib/shop", "app", "tests", "static", "app/dist", "venv/lib", "dist/api.pex", "src"):
        (root / name).mkdir(parents=True)
    for name in ("lib/shop/__init__.py", "app/__init__.py", "app/x.css", "tests/test.txt", "dist/api.pex/__main__.py"):
        (root / name).touch()
    for name in ("venv/pyvenv.cfg", "src/main.py", "static/x.css", "file", "dist/other-1.0-py3-none-any.whl"):
        (root / name).touch()
    for name in ("near/near", "repo/far", "home", "out"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "repo" / "services" / "near").mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT.format(far=tmp_path / "repo" / "far"), "utf-8")
    for link, target in {
        "up": "..",
        "to-git": ".git/x",
        "to-lib": "lib",
        "to-out": "../../../out",
        "loop": "loop",
    }.items():
        (root / link).symlink_to(target)
    return root


def problem(root: Path, directory: str) -> str | None:
    found = output_dir.problem_with(pyproject.read(root), Path(directory), stems=["api", "a.b"])
    return None if found is None else found[0]


@pytest.mark.parametrize(
    ("directory", "why"),
    [
        (".", "directory of the project"),
        ("dist/..", "directory of the project"),
        ("..", "above the directory of the project"),
        ("../..", "above the directory of the project"),
        ("up", "above the directory of the project"),
        ("/", "above the directory of the project"),
        *((directory, "system") for directory in ("/etc/x", "/usr/local/x", "/usr/bin", "/proc/x", "/dev", "/var")),
        *((directory, "belongs to another program") for directory in (".git", ".git/x", ".GIT", ".nox", "a/.git/b")),
        ("../../.git", "belongs to another program"),
        ("to-git", "belongs to another program"),
        ("venv/lib", "virtual environment"),
        *((directory, "holds sources") for directory in ("lib", "lib/shop", "app", "tests", "src", "to-lib")),
        *((directory, "holds sources") for directory in ("../near", "../../far")),
        ("file", "is not a directory"),
        ("file/x", "is not a directory"),
        ("loop", "is not a directory"),
        ("x" * 300, "cannot be used"),
        ("a\0b", "cannot be used"),
    ],
)
def test_a_directory_that_holds_something_else_is_refused(root: Path, directory: str, why: str) -> None:
    found = problem(root, directory)
    assert found is not None
    assert why in found


@pytest.mark.parametrize(
    "directory", ["dist", "new/dir", "../../dist", "/srv/out", "to-out", "app/dist", "../out", "static"]
)
def test_a_separate_directory_is_allowed(root: Path, directory: str) -> None:
    assert problem(root, directory) is None


def test_a_directory_in_a_package_may_hold_results(root: Path) -> None:
    for name in ("api.pex", ".api.pex.12345678", "pylock.api.toml", "pylock.a-b.toml", "api-linux-x86_64"):
        (root / "app" / "dist" / name).touch()
    assert problem(root, "app/dist") is None
    (root / "app" / "dist" / "x.css").touch()
    assert problem(root, "app/dist") is not None


def test_a_directory_that_the_settings_name_as_sources_is_refused(root: Path) -> None:
    project = pyproject.read(root)
    for named in ("static", "static/", "static/*.css", "static/x.css"):
        assert output_dir.problem_with(project, Path("static"), named=[named]) is not None
    assert output_dir.problem_with(project, Path("static/out"), named=["static/x.css"]) is None


def test_the_home_directory_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert "home directory" in (problem(root, str(tmp_path / "home")) or "")
    assert problem(root, str(tmp_path / "home" / "out")) is None


def test_a_project_in_a_directory_of_the_system_may_have_results_there() -> None:
    system = output_dir.system_directory
    assert system(Path("/usr/src/app/dist"), Path("/usr/src/app")) is None
    assert system(Path("/usr/bin"), Path("/usr/src/app")) == Path("/usr/bin")
