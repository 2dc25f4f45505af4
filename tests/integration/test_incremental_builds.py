"""A composed binary has the bytes that pex writes: after an edit, and of another version."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import answer, source_members
from tests.support.nox_project import Project

HARMLESS = 'pex-args = ["--jobs", "1"]'
"""An option that does not change the binary, but because of which nox-pex leaves the whole build to pex."""


def built_by_pex(project: Project, name: str) -> bytes:
    """The bytes of the binary when pex alone builds it, from a copy of the project."""
    twin = Project(root=project.root.with_name(f"{project.root.name}-twin"), environ=project.environ)
    shutil.copytree(project.root, twin.root, ignore=shutil.ignore_patterns(".nox", "dist", "__pycache__"))
    table = f"[tool.nox-pex.binary.{name}]\n"
    if table in (twin.root / "pyproject.toml").read_text("utf-8"):
        twin.edit("pyproject.toml", table, f"{table}{HARMLESS}\n")
    else:
        twin.add_setting(f'{table}script = "greet"\n{HARMLESS}')
    twin.nox("-s", "pex")
    assert "compose" not in twin.record(name)["seconds"]
    return twin.binary(name).read_bytes()


def composed(project: Project, name: str) -> bytes:
    """The bytes of the binary after another `nox -s pex`, in which pex does not build it."""
    project.nox("-s", "pex")
    steps = project.record(name)["seconds"]
    assert "pex" not in steps, steps
    return project.binary(name).read_bytes()


def rebuilt_by_pex(project: Project, name: str) -> bytes:
    """The bytes of the binary after another `nox -s pex`, in which pex builds it."""
    project.nox("-s", "pex")
    steps = project.record(name)["seconds"]
    assert "pex" in steps, steps
    return project.binary(name).read_bytes()


@pytest.mark.parametrize(
    "shape",
    [
        "",
        "sh-boot = false",
        'execution-mode = "zipapp"',
        "compress = false",
        "pre-install-wheels = false",
        "include-tools = true",
        'inject-env = { COLOUR = "blå" }',
    ],
)
def test_a_build_after_an_edit_gives_the_bytes_of_pex(built: Callable[[str], Project], shape: str) -> None:
    loose = built("loose")
    if shape:
        loose.add_setting(shape)
        loose.nox("-s", "pex")
    loose.append("counter.py", "\n# a comment\n")
    (loose.root / "Another.py").write_text("ANSWER = 42\n", "utf-8")
    (loose.root / "wares" / "deep" / "deeper").mkdir(parents=True)
    (loose.root / "wares" / "deep" / "deeper" / "naïve.txt").write_text("é" * 100_000, "utf-8")
    (loose.root / "wares" / "empty.txt").write_bytes(b"")
    (loose.root / "wares" / "stock.txt").unlink()
    (loose.root / "errand.py").chmod(0o755)
    edited = composed(loose, "loose")
    assert "wares/deep/deeper/naïve.txt" in source_members(loose.binary("loose"))
    assert "wares/stock.txt" not in source_members(loose.binary("loose"))
    assert edited == built_by_pex(loose, "loose")


def test_edits_one_after_the_other_are_built_and_their_undoing_gives_the_first_bytes(
    built: Callable[[str], Project],
) -> None:
    loose = built("loose")
    before = loose.binary("loose").read_bytes()
    original = (loose.root / "counter.py").read_text("utf-8")
    loose.append("counter.py", "\n# one\n")
    first = composed(loose, "loose")
    loose.append("counter.py", "# two\n")
    second = composed(loose, "loose")
    (loose.root / "counter.py").write_text(original, "utf-8")
    assert len({before, first, second}) == 3
    assert composed(loose, "loose") == before


def test_a_binary_that_ran_before_an_edit_answers_by_its_new_code(
    built: Callable[[str], Project], tmp_path: Path
) -> None:
    """The hash by which a binary finds its unpacked files must change with its content."""
    loose = built("loose")
    home = tmp_path / "home"
    home.mkdir()
    loose.edit("counter.py", "def main(", 'print("first")\n\n\ndef main(')
    composed(loose, "loose")
    answer(loose.binary("loose"), home=home)
    loose.edit("counter.py", 'print("first")', 'raise SystemExit("second")')
    composed(loose, "loose")
    with pytest.raises(AssertionError, match="second"):
        answer(loose.binary("loose"), home=home)


@pytest.mark.parametrize("name", ["packaged", "mixed"])
def test_a_build_after_an_edit_of_a_package_gives_the_bytes_of_pex(built: Callable[[str], Project], name: str) -> None:
    package = built(name)
    (binary,) = (path.stem for path in (package.root / "dist").glob("*.pex"))
    (module,) = (package.root / "src").glob("*/__init__.py")
    module.write_text(module.read_text("utf-8") + "\n# a comment\n", "utf-8")
    assert composed(package, binary) == built_by_pex(package, binary)


def test_a_new_module_and_a_new_version_of_a_package_of_a_package_are_composed(built: Callable[[str], Project]) -> None:
    package = built("packaged")
    (binary,) = (path.stem for path in (package.root / "dist").glob("*.pex"))
    (package.root / "src" / "greeting" / "more.py").write_text("", "utf-8")
    assert composed(package, binary) == built_by_pex(package, binary)
    package.edit("pyproject.toml", 'version = "0.4.0"', 'version = "0.5.0"')
    package.relock()
    composed(package, binary)
    assert package.record(binary)["version"] == "0.5.0"


@pytest.mark.parametrize("setting", ["compile = true", 'layout = "packed"', HARMLESS])
def test_binaries_of_these_settings_are_always_built_by_pex(built: Callable[[str], Project], setting: str) -> None:
    loose = built("loose")
    loose.add_setting(setting)
    loose.nox("-s", "pex")
    loose.append("counter.py", "\n# a comment\n")
    loose.nox("-s", "pex")
    assert "pex" in loose.record("loose")["seconds"]
    assert loose.nox("-s", "pex").said("pex: loose unchanged")


def test_a_binary_that_was_changed_or_removed_is_composed_again(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.binary("loose").read_bytes()
    loose.binary("loose").write_bytes(before[:-4] + b"!!!!")
    assert composed(loose, "loose") == before
    loose.binary("loose").unlink()
    assert composed(loose, "loose") == before


def test_a_build_after_an_edit_gives_the_bytes_of_an_older_pex(built: Callable[[str], Project]) -> None:
    """That pex writes the permissions of members in another way, and other names into its cache."""
    loose = built("loose")
    loose.edit(
        "pyproject.toml", "[tool.nox-pex.binary", '[tool.nox-pex]\npex-version = "2.60.0"\n\n[tool.nox-pex.binary'
    )
    loose.nox("-s", "pex")
    loose.append("counter.py", "\n# a comment\n")
    (loose.root / "wares" / "deep").mkdir()
    (loose.root / "wares" / "deep" / "new.txt").write_text("new", "utf-8")
    assert rebuilt_by_pex(loose, "loose") == built_by_pex(loose, "loose")
    assert [each["name"] for each in loose.record("loose")["distributions"]] == ["idna"]
