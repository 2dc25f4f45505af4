"""Binaries, records and directories that somebody changed after nox-pex wrote them; and files that are none."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from nox_pex.distributions import pex_file
from tests.support.binaries import members
from tests.support.nox_project import Project

EVIL = "\nEVIL = True\n"


def tamper(project: Project, tmp_path: Path) -> None:
    """Put another binary with all of its hashes right, and a record that fits to it, into `dist`."""
    twin = Project(root=tmp_path / "twin", environ=project.environ)
    shutil.copytree(project.root, twin.root, symlinks=True)
    twin.append("counter.py", EVIL)
    twin.nox("-s", "pex")
    assert "pex" not in twin.record("loose")["seconds"]
    honest, evil = project.record("loose"), twin.record("loose")
    shutil.copy2(twin.binary("loose"), project.binary("loose"))
    record = {**evil, "inputs": honest["inputs"], "seconds": honest["seconds"]}
    (project.root / "dist" / "loose.pex.json").write_text(json.dumps(record), "utf-8")
    shutil.rmtree(twin.root)


def is_evil(project: Project, tmp_path: Path) -> bool:
    shutil.unpack_archive(project.binary("loose"), tmp_path / "unpacked", "zip")
    text = (tmp_path / "unpacked" / "counter.py").read_text("utf-8")
    shutil.rmtree(tmp_path / "unpacked")
    return EVIL in text


def test_a_binary_that_was_changed_with_its_record_is_built_again_and_nothing_of_it_survives(
    built: Callable[[str], Project], tmp_path: Path
) -> None:
    loose = built("loose")
    original, record = loose.binary("loose").read_bytes(), loose.record("loose")

    tamper(loose, tmp_path)
    assert is_evil(loose, tmp_path)
    result = loose.nox("-s", "pex")
    assert result.said("pex: rebuilding loose: the file and its build record were changed after it was built")
    assert "compose" in loose.record("loose")["seconds"]
    assert loose.binary("loose").read_bytes() == original

    tamper(loose, tmp_path)
    loose.append("errand.py", "\n# an edit\n")
    loose.nox("-s", "pex")
    assert not is_evil(loose, tmp_path)
    loose.append("errand.py", "# another edit\n")
    loose.nox("-s", "pex")
    assert "pex" not in loose.record("loose")["seconds"]
    assert not is_evil(loose, tmp_path)

    changed = {**loose.record("loose"), "disagreements": [{"kind": "evil"}], "distributions": [], "size": "nonsense"}
    (loose.root / "dist" / "loose.pex.json").write_text(json.dumps(changed), "utf-8")
    loose.nox("-s", "pex")
    now = loose.record("loose")
    assert now["distributions"] == record["distributions"]
    assert now["disagreements"] == []
    assert now["size"] == loose.binary("loose").stat().st_size
    assert loose.nox("-s", "pex").said("pex: loose unchanged")


def test_each_change_in_the_tree_of_a_directory_is_seen(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    loose.add_setting('layout = "loose"')
    loose.nox("-s", "pex")
    binary = loose.binary("loose")
    digest, names = loose.record("loose")["sha256"], members(binary)
    assert loose.nox("-s", "pex").said("pex: loose unchanged")

    def plant_bytecode() -> None:
        (binary / "__pycache__").mkdir()
        (binary / "__pycache__" / "counter.cpython-311.pyc").write_bytes(b"evil")
        os.mkfifo(binary / "fifo")

    changes: list[Callable[[], object]] = [
        lambda: (binary / "counter.py").chmod(0o755),
        (binary / "empty").mkdir,
        plant_bytecode,
    ]
    for change in changes:
        change()
        assert loose.nox("-s", "pex").said("pex: rebuilding loose: the directory was changed after it was built")
        assert loose.record("loose")["sha256"] == digest == pex_file.digest(binary)
        assert members(binary) == names


def test_what_is_no_file_is_replaced_or_refused(built: Callable[[str], Project], tmp_path: Path) -> None:
    loose = built("loose")
    loose.add_setting("[[tool.nox-pex.binary.loose.smoke.command]]\nargs = []")
    original = loose.binary("loose").read_bytes()
    for path in (loose.binary("loose"), loose.root / "dist" / "loose.pex.json"):
        path.unlink()
        os.mkfifo(path)
        loose.nox("-s", "pex")
        assert path.is_file()
    assert loose.binary("loose").read_bytes() == original

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "rubbish").mkdir()
    (tmp_path / "zeros").write_bytes(bytes(1000))
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10 << 30)
    for path in (*(tmp_path / name for name in ("fifo", "rubbish", "zeros", "sparse")), Path("/dev/zero")):
        line = loose.refused("launch-failed", "-s", "smoke", "--", "--binary", str(path))
        assert f"{path} cannot be started: it " in line
    (loose.root / "dist" / "loose.smoke.json").mkdir()
    assert "move the directory away" in loose.refused("os-error", "-s", "smoke")
