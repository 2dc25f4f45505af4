"""`nox -s clean`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.system import locks
from tests.support.commands import HANGS_AFTER, Result
from tests.support.nox_project import Project
from tests.support.paused_build import pause_build


@pytest.fixture
def loose(built: Callable[[str], Project], tmp_path: Path) -> Project:
    """A project that was built, with a separate, empty cache."""
    project = built("loose")
    return Project(root=project.root, environ={**project.environ, "NOX_PEX_CACHE_DIR": str(tmp_path / "cache")})


@pytest.fixture
def running(loose: Project, shared: Path) -> Project:
    """The same project with the cache that has the tools, to build in it."""
    return Project(root=loose.root, environ={**loose.environ, "NOX_PEX_CACHE_DIR": str(shared / "cache")})


def all_files(project: Project) -> set[str]:
    """The paths of all files of a project, without bytecode."""
    return {
        path.relative_to(project.root).as_posix()
        for path in project.root.rglob("*")
        if "__pycache__" not in path.parts and not path.is_dir()
    }


def clean(project: Project, *arguments: str) -> Result:
    return project.nox("-s", "clean", *(("--", *arguments) if arguments else ()))


def test_clean_removes_what_was_built_and_nothing_else(loose: Project) -> None:
    before = all_files(loose)
    dry_run = clean(loose, "--dry-run")
    assert all_files(loose) == before
    assert dry_run.said("clean: would remove dist/loose.pex, 1.2 MB")
    assert dry_run.said("clean: would remove environments")
    assert dry_run.said("MB in total (--dry-run)")
    assert clean(loose).said("clean: removed dist/loose.pex, 1.2 MB")
    assert all_files(loose) == {name for name in before if not name.startswith((".nox/.cache/", "dist/"))}
    assert clean(loose).said("clean: nothing to remove")
    assert loose.run("-s", "pex", "--", "--force").status == 0


def test_files_that_nox_pex_did_not_write_stay(loose: Project) -> None:
    foreign = {
        "notes.txt": "mine",
        "other.pex": "mine",
        "loose.smoke.json": '{"name": "loose"}',
        "loose.smoke.xml": "<mine/>",
        "loose.Dockerfile": "FROM scratch\n",
        ".loose.env": "mine",
        ".loose.pex.orig": "mine",
    }
    for name, text in foreign.items():
        (loose.root / "dist" / name).write_text(text, "utf-8")
    result = clean(loose)
    assert loose.dist().keys() == foreign.keys()
    assert result.said("clean: kept dist/loose.smoke.json")
    assert not result.said("notes.txt")


def test_a_binary_that_was_changed_stays(loose: Project) -> None:
    with loose.binary("loose").open("ab") as binary:
        binary.write(b"changed")
    assert clean(loose).said("clean: kept dist/loose.pex: nox-pex did not write it, or it was changed since")
    assert loose.dist().keys() == {"loose.pex"}


def test_a_binary_that_is_no_longer_in_the_settings_is_removed(loose: Project) -> None:
    loose.edit("pyproject.toml", "[tool.nox-pex.binary.loose]", "[tool.nox-pex.binary.fast]")
    abandoned = loose.root / "dist" / ".loose.pex.abcd1234"
    abandoned.mkdir()
    (abandoned / "file").write_text("x", "utf-8")
    clean(loose)
    assert loose.dist() == {}


def test_only_the_files_of_named_binaries_are_removed(loose: Project) -> None:
    environments = all_files(loose) - {f"dist/{name}" for name in loose.dist()}
    loose.append("pyproject.toml", '\n[tool.nox-pex.binary.other]\nexecutable = "errand.py"\n')
    clean(loose, "other")
    assert loose.binary("loose").exists()
    clean(loose, "loose")
    assert all_files(loose) == environments


def test_a_project_that_another_run_works_on_is_left_alone(loose: Project, running: Project, tmp_path: Path) -> None:
    loose.binary("loose").unlink()
    paused = pause_build(loose, "counter.py", tmp_path)
    with running.start("-s", "pex", "--", "--force") as process:
        try:
            paused.wait(process)
            assert clean(loose).said("clean: skipped loose, another run is using it")
        finally:
            paused.go_on()
        output, _ = process.communicate(timeout=HANGS_AFTER)
        assert process.returncode == 0, output
    assert loose.binary("loose").exists()


def test_a_project_in_which_a_tool_outlives_its_run_is_left_alone(loose: Project) -> None:
    with locks.locked(loose.environment().with_name(".install.lock"), waiting=lambda: None):
        assert clean(loose).said("clean: skipped loose, another run is using it")
    assert loose.binary("loose").exists()


def test_builds_and_cleans_at_once_do_not_break_each_other(running: Project) -> None:
    for _ in range(3):
        both: list[subprocess.Popen[str]] = [running.start("-s", "pex"), running.start("-s", "clean")]
        for process in both:
            output, _ = process.communicate(timeout=HANGS_AFTER)
            # A clean between install and freeze makes freeze fail with one line. Anything else must succeed.
            assert process.returncode == 0 or "error[usage]: nothing is installed for loose yet" in output, output
            assert "Traceback" not in output
    running.nox("-s", "pex")


def test_old_parts_of_the_shared_cache_are_removed(loose: Project) -> None:
    cache = loose.cache
    for name in ("tools/pex-new", "tools/pex-old"):
        (cache / name).mkdir(parents=True)
        (cache / name / "a").write_text("x" * 2_000_000, "utf-8")
    os.utime(cache / "tools" / "pex-old", (1, 1))
    assert clean(loose, "--dry-run").said("would remove tools/pex-old of the shared cache, 2.0 MB")
    assert clean(loose).said("clean: removed tools/pex-old of the shared cache, 2.0 MB")
    assert (cache / "tools" / "pex-new" / "a").exists()
    assert not (cache / "tools" / "pex-old" / "a").exists()
