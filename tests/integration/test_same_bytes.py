"""However a binary comes about, it is what pex makes: after an edit, from packed dependencies, or by pex alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import answer, source_members
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

HARMLESS = 'pex-args = ["--jobs", "1"]'
"""An option that changes nothing, but with one pex builds the binary alone."""


def built_anew(project: Project, name: str) -> bytes:
    """The binary as it is built from nothing in another place, pex doing all of it."""
    twin = Project(root=project.root.with_name(f"{project.root.name}-twin"), environ=project.environ)
    shutil.copytree(project.root, twin.root, ignore=shutil.ignore_patterns(".nox", "dist", "__pycache__"))
    table = f"[tool.nox-pex.binary.{name}]\n"
    if table in (twin.root / "pyproject.toml").read_text("utf-8"):
        twin.edit("pyproject.toml", table, f"{table}{HARMLESS}\n")
    else:
        twin.add_setting(f'{table}script = "greet"\n{HARMLESS}')
    twin.nox("-s", "pex")
    assert "compress" not in twin.record(name)["seconds"]
    return twin.binary(name).read_bytes()


def after(project: Project, name: str, *, by: str) -> bytes:
    """The binary after another `nox -s pex`, which pex must have built, or not have been needed for."""
    project.nox("-s", "pex")
    steps = project.record(name)["seconds"]
    assert ("pex" in steps) == (by == "pex"), steps
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
def test_an_edit_gives_what_pex_gives(built: Callable[[str], Project], shape: str) -> None:
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
    edited = after(loose, "loose", by="graft")
    assert "wares/deep/deeper/naïve.txt" in source_members(loose.binary("loose"))
    assert "wares/stock.txt" not in source_members(loose.binary("loose"))
    assert edited == built_anew(loose, "loose")


def test_an_edit_after_an_edit(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.binary("loose").read_bytes()
    original = (loose.root / "counter.py").read_text("utf-8")
    loose.append("counter.py", "\n# one\n")
    first = after(loose, "loose", by="graft")
    loose.append("counter.py", "# two\n")
    second = after(loose, "loose", by="graft")
    (loose.root / "counter.py").write_text(original, "utf-8")
    assert len({before, first, second}) == 3
    assert after(loose, "loose", by="graft") == before


def test_an_edit_changes_what_a_warm_binary_answers(built: Callable[[str], Project], tmp_path: Path) -> None:
    """The hash by which a binary finds what it unpacked must change with its content."""
    loose = built("loose")
    home = tmp_path / "home"
    home.mkdir()
    loose.edit("counter.py", "def main(", 'print("first")\n\n\ndef main(')
    after(loose, "loose", by="graft")
    answer(loose.binary("loose"), home=home)
    loose.edit("counter.py", 'print("first")', 'raise SystemExit("second")')
    after(loose, "loose", by="graft")
    with pytest.raises(AssertionError, match="second"):
        answer(loose.binary("loose"), home=home)


@pytest.mark.parametrize("name", ["packaged", "mixed"])
def test_an_edit_in_a_package(built: Callable[[str], Project], name: str) -> None:
    package = built(name)
    (binary,) = (path.stem for path in (package.root / "dist").glob("*.pex"))
    (module,) = (package.root / "src").glob("*/__init__.py")
    module.write_text(module.read_text("utf-8") + "\n# a comment\n", "utf-8")
    assert after(package, binary, by="graft") == built_anew(package, binary)


def test_what_pex_has_to_judge(built: Callable[[str], Project]) -> None:
    """Another file, another entry point, another version of a package: pex installs its wheel anew."""
    package = built("packaged")
    (binary,) = (path.stem for path in (package.root / "dist").glob("*.pex"))
    (package.root / "src" / "greeting" / "more.py").write_text("", "utf-8")
    assert after(package, binary, by="pex") == built_anew(package, binary)
    package.edit("pyproject.toml", 'version = "0.4.0"', 'version = "0.5.0"')
    package.relock()
    after(package, binary, by="pex")
    assert package.record(binary)["version"] == "0.5.0"


@pytest.mark.parametrize("setting", ["compile = true", 'layout = "packed"', HARMLESS])
def test_shapes_that_pex_builds(built: Callable[[str], Project], setting: str) -> None:
    loose = built("loose")
    loose.add_setting(setting)
    loose.nox("-s", "pex")
    loose.append("counter.py", "\n# a comment\n")
    loose.nox("-s", "pex")
    assert "pex" in loose.record("loose")["seconds"]
    assert loose.nox("-s", "pex").said("pex: loose unchanged")


def test_a_binary_that_is_not_the_last_one_is_not_taken_over(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.binary("loose").read_bytes()
    loose.binary("loose").write_bytes(before[:-4] + b"!!!!")
    assert after(loose, "loose", by="pex") == before
    loose.binary("loose").unlink()
    assert after(loose, "loose", by="pex") == before


def test_an_older_pex(built: Callable[[str], Project]) -> None:
    """It writes the permissions of its members in another way, and other names into its cache."""
    loose = built("loose")
    loose.edit(
        "pyproject.toml", "[tool.nox-pex.binary", '[tool.nox-pex]\npex-version = "2.60.0"\n\n[tool.nox-pex.binary'
    )
    loose.nox("-s", "pex")
    loose.append("counter.py", "\n# a comment\n")
    (loose.root / "wares" / "deep").mkdir()
    (loose.root / "wares" / "deep" / "new.txt").write_text("new", "utf-8")
    assert after(loose, "loose", by="graft") == built_anew(loose, "loose")
    assert [each["name"] for each in loose.record("loose")["distributions"]] == ["idna"]
