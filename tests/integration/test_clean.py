"""`nox -s clean`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.system import locks
from tests.support.commands import Result
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration


@pytest.fixture
def loose(built: Callable[[str], Project], tmp_path: Path) -> Project:
    """A project that was built, with a cache of its own."""
    made = built("loose")
    return Project(root=made.root, environ={**made.environ, "NOX_PEX_CACHE_DIR": str(tmp_path / "cache")})


def everything(project: Project) -> set[str]:
    return {
        path.relative_to(project.root).as_posix()
        for path in project.root.rglob("*")
        if "__pycache__" not in path.parts and not path.is_dir()
    }


def clean(project: Project, *words: str) -> Result:
    return project.nox("-s", "clean", *(("--", *words) if words else ()))


def test_it_takes_what_was_made_and_leaves_the_project_as_it_was(loose: Project) -> None:
    before = everything(loose)
    told = clean(loose, "--dry-run")
    assert everything(loose) == before
    assert told.said("clean: would remove dist/loose.pex, 1.2 MB")
    assert told.said("clean: would remove environments")
    assert told.said("MB in all (--dry-run)")
    assert clean(loose).said("clean: removed dist/loose.pex, 1.2 MB")
    assert everything(loose) == {name for name in before if not name.startswith((".nox/.cache/", "dist/"))}
    assert clean(loose).said("clean: nothing to remove")
    assert loose.run("-s", "pex", "--", "--force").status == 0


def test_what_is_not_ours_stays(loose: Project) -> None:
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
    assert result.said("dist/loose.smoke.json stays")
    assert not result.said("notes.txt")


def test_a_binary_that_someone_changed_stays(loose: Project) -> None:
    with loose.binary("loose").open("ab") as binary:
        binary.write(b"changed")
    assert clean(loose).said("dist/loose.pex stays: it is not as nox-pex made it")
    assert loose.dist().keys() == {"loose.pex"}


def test_a_binary_that_the_settings_no_longer_have(loose: Project) -> None:
    loose.edit("pyproject.toml", "[tool.nox-pex.binary.loose]", "[tool.nox-pex.binary.fast]")
    left = loose.root / "dist" / ".loose.pex.abcd1234"
    left.mkdir()
    (left / "half").write_text("x", "utf-8")
    clean(loose)
    assert loose.dist() == {}


def test_some_binaries_only(loose: Project) -> None:
    environments = everything(loose) - {f"dist/{name}" for name in loose.dist()}
    loose.append("pyproject.toml", '\n[tool.nox-pex.binary.other]\nexecutable = "errand.py"\n')
    clean(loose, "other")
    assert loose.binary("loose").exists()
    clean(loose, "loose")
    assert everything(loose) == environments


def test_a_project_that_another_run_works_on_is_left_alone(loose: Project, shared: Path) -> None:
    running = Project(root=loose.root, environ={**loose.environ, "NOX_PEX_CACHE_DIR": str(shared / "cache")})
    (loose.root / "dist" / "loose.pex").unlink()
    with running.start("-s", "pex", "--", "--force") as process:
        assert process.stdout is not None
        while "install: forced" not in process.stdout.readline():
            pass
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            assert clean(loose).said("clean: another run is at work on loose: left alone")
        finally:
            os.killpg(process.pid, signal.SIGCONT)
        output, _ = process.communicate()
        assert process.returncode == 0, output
    assert loose.binary("loose").exists()


def test_a_tool_that_outlives_its_run_is_left_alone(loose: Project) -> None:
    with locks.locked(loose.environment().with_name(".install.lock"), waiting=lambda: None):
        assert clean(loose).said("clean: another run is at work on loose: left alone")
    assert loose.binary("loose").exists()


def test_builds_and_cleans_at_once(loose: Project, shared: Path) -> None:
    running = Project(root=loose.root, environ={**loose.environ, "NOX_PEX_CACHE_DIR": str(shared / "cache")})
    for _ in range(3):
        both: list[subprocess.Popen[str]] = [running.start("-s", "pex"), running.start("-s", "clean")]
        for process in both:
            output, _ = process.communicate()
            # A clean between install and freeze is told in one line; nothing is ever half there.
            assert process.returncode == 0 or "error[usage]: nothing is installed for loose yet" in output, output
            assert "Traceback" not in output
    running.nox("-s", "pex")


def test_the_shared_cache_is_bounded(loose: Project) -> None:
    cache = Path(loose.environ["NOX_PEX_CACHE_DIR"])
    for name in ("tools/pex-new", "tools/pex-old"):
        (cache / name).mkdir(parents=True)
        (cache / name / "a").write_text("x" * 2_000_000, "utf-8")
    os.utime(cache / "tools" / "pex-old", (1, 1))
    assert clean(loose, "--dry-run").said("would remove tools/pex-old of the shared cache, 2.0 MB")
    assert clean(loose).said("clean: removed tools/pex-old of the shared cache, 2.0 MB")
    assert (cache / "tools" / "pex-new" / "a").exists()
    assert not (cache / "tools" / "pex-old" / "a").exists()
