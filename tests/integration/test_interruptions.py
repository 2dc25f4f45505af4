"""A build that is killed leaves the earlier binary complete, and concurrent builds all succeed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.poetry import install_state
from tests.support.binaries import answer
from tests.support.commands import HANGS_AFTER
from tests.support.digests import digest
from tests.support.nox_project import Project, built_files
from tests.support.paused_build import pause_build

pytestmark = pytest.mark.usefixtures("cold_tools")

FILES = built_files("loose")
USES_PEX = 'inject-env = { COLOUR = "green" }'
"""A setting whose change makes pex build the binary. After an edit alone the build is incremental."""


@contextmanager
def started(project: Project, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = project.start(*arguments)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def kill_with_children(process: subprocess.Popen[str]) -> None:
    """Send SIGKILL to Nox and to every process that it has started, in whatever process group."""
    for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        each.kill()
    process.wait()


def kill_when(project: Project, seen: Callable[[], bool], *arguments: str, after: float = 0.0) -> None:
    """Run Nox. Kill it and its children `after` seconds after `seen` holds. Skip the test if it has ended by then."""
    with started(project, *arguments) as process:
        while process.poll() is None and not seen():
            time.sleep(0.002)
        time.sleep(after)
        if process.poll() is not None:
            output, _ = process.communicate()
            assert process.returncode == 0, output
            pytest.skip("Nox ended before it could be killed")
        kill_with_children(process)


def finished_files(project: Project) -> dict[str, str]:
    """The files of `dist`, without the build directory that a killed build leaves for the next one to remove."""
    return {name: content for name, content in project.dist().items() if not name.startswith(".")}


def build_directory(project: Project) -> Path | None:
    return next(iter((project.root / "dist").glob(".loose.pex.*")), None)


def assert_next_run_is_complete(project: Project, home: Path, stock: str) -> None:
    """Assert that a run succeeds, that its files are correct, and that there are no others."""
    project.nox("-s", "pex")
    assert project.dist().keys() == FILES
    assert project.record("loose")["sha256"] == project.dist()["loose.pex"]
    assert answer(project.binary("loose"), home=home)["stock"] == stock
    (project.root / "dist" / ".loose.pex.killed").mkdir()  # as a build with `--force` leaves it
    assert project.nox("-s", "pex").said("pex: loose unchanged")
    assert build_directory(project) is None


@pytest.mark.parametrize("setting", ["", USES_PEX], ids=["incremental", "pex"])
def test_a_build_that_is_killed_at_its_start_leaves_the_earlier_binary(
    built: Callable[[str], Project], home: Path, setting: str
) -> None:
    loose = built("loose")
    before = loose.dist()
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    loose.add_setting(setting)
    kill_when(loose, lambda: build_directory(loose) is not None, "-s", "pex")
    killed = finished_files(loose)
    assert_next_run_is_complete(loose, home, "eight pears")
    if killed != before:
        assert killed["loose.pex"] == loose.dist()["loose.pex"]
        pytest.skip("the binary was in its place before the build could be killed")


def test_a_build_that_is_killed_while_pex_is_at_work_leaves_the_earlier_binary(
    built: Callable[[str], Project], home: Path, tmp_path: Path
) -> None:
    loose = built("loose")
    before = loose.dist()
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    paused = pause_build(loose, "counter.py", tmp_path)
    with started(loose, "-s", "pex") as process:
        paused.wait(process)
        kill_with_children(process)
    assert finished_files(loose) == before
    assert build_directory(loose) is not None
    paused.go_on()
    assert_next_run_is_complete(loose, home, "eight pears")


@pytest.mark.parametrize("after", [0.0, 0.3, 0.6])
def test_an_install_that_is_killed_is_repeated_by_the_next_run(
    built: Callable[[str], Project], home: Path, after: float
) -> None:
    loose = built("loose")
    before = loose.dist()
    state = install_state.state_file(Environment(path=loose.environment()))
    assert state.exists()
    kill_when(loose, lambda: not state.exists(), "-s", "install", "--", "--force", after=after)
    assert loose.dist() == before
    assert_next_run_is_complete(loose, home, "seven apples")
    assert loose.installed() == {"idna-3.11"}


@pytest.mark.parametrize("file", ["h11", "h11-*.dist-info", "tabulate", "tabulate-*.dist-info/RECORD"])
def test_an_install_that_is_killed_between_files_is_repeated_by_the_next_run(
    built: Callable[[str], Project], home: Path, file: str
) -> None:
    loose = built("loose")
    before = loose.dist()
    site_packages = loose.site_packages()
    loose.add_setting('groups = ["main", "server", "tables"]')
    # By force: without it, all but the first of these tests would restore the environment from the install cache.
    kill_when(loose, lambda: bool(list(site_packages.glob(file))), "-s", "install", "--", "--force")
    assert loose.dist() == before
    assert_next_run_is_complete(loose, home, "seven apples")
    assert loose.installed() == {"idna-3.11", "h11-0.16.0", "tabulate-0.9.0"}
    assert answer(loose.binary("loose"), home=home)["distributions"] == ["h11", "idna", "tabulate"]


@pytest.mark.parametrize("arguments", [(), ("--", "--force")], ids=["from the install cache", "by Poetry"])
def test_a_first_install_that_is_killed_is_repeated_by_the_next_run(
    built: Callable[[str], Project], project: Callable[[str], Project], home: Path, arguments: tuple[str, ...]
) -> None:
    other = built("loose")  # installs the tools and fills the install cache
    other.root.rename(other.root.with_name("other"))
    loose = project("loose")
    library = loose.environment() / "lib"
    installed = "python*/site-packages/idna*"
    kill_when(loose, lambda: bool(list(library.glob(installed))), "-s", "install", *arguments)
    assert loose.dist() == {}
    assert_next_run_is_complete(loose, home, "seven apples")


def test_ctrl_c_ends_all_processes_and_leaves_the_earlier_binary(
    built: Callable[[str], Project], home: Path, tmp_path: Path
) -> None:
    loose = built("loose")
    before = loose.dist()
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    paused = pause_build(loose, "counter.py", tmp_path)
    with started(loose, "-s", "pex") as process:
        paused.wait(process)
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=HANGS_AFTER)
    assert process.returncode != 0
    assert "Traceback" not in output
    assert loose.dist() == before
    assert children
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    paused.go_on()
    assert_next_run_is_complete(loose, home, "eight pears")


def test_the_binary_is_complete_at_every_moment_of_a_build(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    seen = [loose.dist()["loose.pex"]]
    with started(loose, "-s", "pex") as process:
        ended = False
        while not ended:
            ended = process.poll() is not None  # asked first, so that the last look comes after the end
            now = digest(loose.binary("loose"))
            if now != seen[-1]:
                seen.append(now)
    assert seen == [seen[0], loose.record("loose")["sha256"]]
    assert_next_run_is_complete(loose, home, "eight pears")


def test_of_three_builds_at_once_one_builds_and_all_succeed(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    processes = [loose.start("-s", "pex") for _ in range(3)]
    outputs = [process.communicate(timeout=HANGS_AFTER)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sum("rebuilding loose: wares/stock.txt changed" in output for output in outputs) == 1, outputs
    assert_next_run_is_complete(loose, home, "eight pears")


def test_two_first_runs_at_once_both_succeed(project: Callable[[str], Project], home: Path) -> None:
    loose = project("loose")
    processes = [loose.start("-s", "pex") for _ in range(2)]
    outputs = [process.communicate(timeout=HANGS_AFTER)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert_next_run_is_complete(loose, home, "seven apples")


def test_a_build_that_fails_leaves_the_earlier_files_and_no_others(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.dist()
    loose.add_setting('pex-args = ["--no-such-option"]')
    loose.refused("build-failed", "-s", "pex")
    assert loose.dist() == before
