"""`nox -s diff`: a real binary against the build before it, and two finished files without a project."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.contents import difference as differences
from nox_pex.contents import read
from nox_pex.contents.compare import compare
from tests.support.nox_project import Project


def result(directory: Path, name: str) -> dict[str, Any]:
    """The content of `NAME.diff.json`."""
    found: dict[str, Any] = json.loads((directory / f"{name}.diff.json").read_text("utf-8"))
    return found


def test_a_build_is_compared_with_the_one_before_it_and_with_any_file(
    built: Callable[[str], Project], tmp_path: Path
) -> None:
    loose = built("loose")
    first = loose.nox("-s", "diff")
    assert first.said("diff: no previous build of loose is known here")
    assert not (loose.root / "dist" / "loose.diff.json").exists()
    old = tmp_path / "old.pex"
    shutil.copy(loose.binary("loose"), old)

    loose.edit("counter.py", "def main(", "ADDED = 1\n\n\ndef main(")
    (loose.root / "wares" / "fresh.py").write_text("FRESH = 1\n", "utf-8")
    loose.add_setting('inject-env = { MODE = "fast" }')
    second = loose.nox("-s", "diff")
    growth = loose.binary("loose").stat().st_size - old.stat().st_size
    assert second.said("pex: loose built in ", f" MB (+{growth} B), ")
    assert second.said("diff: loose.pex compared with the build of ")
    assert second.said("added", "wares/fresh.py", "own code", "+10 B")

    found = result(loose.root / "dist", "loose")
    assert (found["baseline"], found["compared-by"], found["growth"]) == ("previous-build", "crc32", growth)
    assert {each["path"]: each["change"] for each in found["own"]} == {
        "counter.py": "changed",
        "wares/fresh.py": "added",
    }
    assert [each["key"] for each in found["settings"]] == ["inject_env"]
    assert found["distributions"] == {"added": [], "removed": [], "changed": []}

    for arguments in ((), ("--force",)):  # nothing changed, or the same bytes: the previous build stays the same one
        again = loose.nox("-s", "diff", "--", *arguments)
        assert again.said("pex: loose ", "unchanged" if not arguments else "built in ")
        same = result(loose.root / "dist", "loose")
        del same["new"]["built"]  # the time of the build
        assert same == {**found, "new": {key: value for key, value in found["new"].items() if key != "built"}}

    by_file = loose.nox("-s", "diff", "--", "--against", str(old))
    assert by_file.said("diff: loose.pex compared with old.pex")
    of_files = result(loose.root / "dist", "loose")
    assert (of_files["baseline"], of_files["compared-by"], of_files["own"]) == ("file", "sha256", found["own"])
    assert (loose.root / "dist" / "loose.diff.md").read_text("utf-8").startswith("### `loose.pex`: ")

    cleaned = loose.nox("-s", "clean")
    assert cleaned.said("clean: removed dist/loose.diff.md")
    assert not list((loose.root / "dist").glob("*.diff.*"))


def test_a_new_version_of_a_packaged_project_is_compared_by_its_own_code(built: Callable[[str], Project]) -> None:
    cards = built("packaged")
    module = next((cards.root / "src" / "greeting").glob("*.py")).relative_to(cards.root)
    cards.edit("pyproject.toml", 'version = "0.4.0"', 'version = "0.5.0"')
    cards.append(str(module), "\n\nADDED = 1\n")
    said = cards.nox("-s", "diff")
    assert said.said("changed", "greeting-cards", "0.4.0 → 0.5.0")
    assert said.said("changed", f"greeting/{module.name}", "own code")

    (changed,) = result(cards.root / "dist", "greeting-cards")["distributions"]["changed"]
    assert (changed["name"], changed["from"], changed["to"], changed["project"]) == (
        "greeting-cards",
        "0.4.0",
        "0.5.0",
        True,
    )


@pytest.mark.parametrize("shape", ['layout = "loose"', 'layout = "packed"', "pre-install-wheels = false"])
def test_every_shape_of_a_binary_is_compared_with_its_list(built: Callable[[str], Project], shape: str) -> None:
    loose = built("loose")
    loose.add_setting(shape)
    loose.nox("-s", "pex")
    before = read.read(loose.binary("loose"))
    loose.edit("counter.py", "def main(", "ADDED = 1\n\n\ndef main(")
    loose.nox("-s", "diff")

    found = result(loose.root / "dist", "loose")
    by_files = compare(before, read.read(loose.binary("loose")))
    assert [each["path"] for each in found["own"]] == ["counter.py"]
    assert [file.path for file in differences.own_code(by_files)] == ["counter.py"]
    assert found["distributions"] == {"added": [], "removed": [], "changed": []}
    assert by_files.distributions == ()
    assert (found["old"]["size"], found["old"]["files"], found["old"]["unpacked"]) == (
        before.size,
        before.file_count,
        before.unpacked,
    )


def test_two_finished_files_are_compared_in_a_directory_without_a_project(
    built: Callable[[str], Project], tmp_path: Path
) -> None:
    loose = built("loose")
    (tmp_path / "empty").mkdir()
    empty = Project(root=tmp_path / "empty", environ=loose.environ)
    empty.write_noxfile()
    shutil.copy(loose.binary("loose"), empty.root / "old.pex")
    loose.edit("counter.py", "def main(", "ADDED = 1\n\n\ndef main(")
    loose.nox("-s", "pex")
    shutil.copy(loose.binary("loose"), empty.root / "new.pex")
    two = ("--binary", "new.pex", "--against", "old.pex")

    assert empty.nox("-s", "diff", "--", *two).said("diff: new.pex compared with old.pex")
    assert [each["path"] for each in result(empty.root, "new")["own"]] == ["counter.py"]

    (empty.root / "new.diff.json").unlink()
    line = empty.refused("budget", "-s", "diff", "--", *two, "--max-growth", "1 B")
    assert "new.pex grew by " in line
    assert result(empty.root, "new")["passed"] is False

    (empty.root / "pyproject.toml").write_text("[[broken", "utf-8")
    empty.nox("-s", "diff", "--", *two)
    (empty.root / "old.pex").write_bytes(b"PK")
    empty.refused("integrity", "-s", "diff", "--", *two)
    empty.refused("config", "-s", "diff", "--", "--binary", "new.pex")


def test_the_noxfiles_own_session_stays(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    own = "import nox\n\n\n@nox.session(venv_backend='none')\ndef diff(session):\n    session.log('mine')\n\n\n"
    loose.write_noxfile(before=own)
    said = loose.nox("-s", "diff", "pex")
    assert said.said("mine")
    assert said.said("the session 'diff' is the noxfile's own")
    assert not (loose.root / "dist" / "loose.diff.json").exists()
