"""A build that is killed leaves the old binary whole; two at once both end well; nothing is left lying about."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.binaries import answer
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

FILES = {"loose.pex", "loose.pex.json", "loose.requirements.txt"}


@contextmanager
def started(project: Project, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = project.start(*words)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL to Nox and to all that it has started, in whatever group that is."""
    for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        one.kill()
    process.wait()


def kill_when(project: Project, seen: Callable[[], bool], *words: str, after: float = 0.0) -> None:
    """Run Nox, and kill it and its children `after` seconds after `seen` says so."""
    with started(project, *words) as process:
        while not seen():
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.002)
        time.sleep(after)
        if process.poll() is not None:
            pytest.skip(f"this machine needs less than {after} s")
        kill_all(process)


def files(project: Project) -> dict[str, str]:
    """What is in `dist`, but for what a build works in: that is there as long as it works, and goes at the next one."""
    return {name: digest for name, digest in project.dist().items() if not name.startswith(".")}


def is_whole(project: Project, home: Path, stock: str) -> None:
    """Assert that a run succeeds, and that what it leaves is right and all that there is."""
    project.nox("-s", "pex")
    assert project.dist().keys() == FILES
    assert project.record("loose")["sha256"] == project.dist()["loose.pex"]
    assert answer(project.binary("loose"), home=home)["stock"] == stock
    assert project.nox("-s", "pex").said("pex: loose unchanged")


def workshop(project: Project) -> Path | None:
    return next(iter((project.root / "dist").glob(".loose.pex.*")), None)


@pytest.mark.parametrize("after", [0.0, 0.1, 0.25])
def test_a_build_that_is_killed(built: Callable[[str], Project], home: Path, after: float) -> None:
    loose = built("loose")
    before = loose.dist()
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    if after:  # an edit alone would be done by then
        loose.add_setting('inject-env = { COLOUR = "green" }')
    kill_when(loose, lambda: workshop(loose) is not None, "-s", "pex", after=after)
    assert files(loose) == before
    assert workshop(loose) is not None  # it was killed in the midst of it
    is_whole(loose, home, "eight pears")


@pytest.mark.parametrize("after", [0.0, 0.3, 0.6])
def test_an_install_that_is_killed(built: Callable[[str], Project], home: Path, after: float) -> None:
    loose = built("loose")
    before = loose.dist()
    state = loose.environment() / "nox-pex.json"
    assert state.exists()
    kill_when(loose, lambda: not state.exists(), "-s", "pex", "--", "--force", after=after)
    assert files(loose) == before
    is_whole(loose, home, "seven apples")
    assert loose.installed() == {"idna-3.11"}


@pytest.mark.parametrize("file", ["h11", "h11-*.dist-info", "tabulate", "tabulate-*.dist-info/RECORD"])
def test_an_install_that_is_killed_halfway(built: Callable[[str], Project], home: Path, file: str) -> None:
    loose = built("loose")
    before = loose.dist()
    site = loose.site_packages()
    loose.add_setting('groups = ["main", "server", "tables"]')
    # By force, since the run after the first of these has it kept for the others.
    kill_when(loose, lambda: bool(list(site.glob(file))), "-s", "pex", "--", "--force")
    assert files(loose) == before
    is_whole(loose, home, "seven apples")
    assert loose.installed() == {"idna-3.11", "h11-0.16.0", "tabulate-0.9.0"}
    assert answer(loose.binary("loose"), home=home)["distributions"] == ["h11", "idna", "tabulate"]


@pytest.mark.parametrize("words", [(), ("--", "--force")], ids=["taken over", "by Poetry"])
def test_a_first_run_that_is_killed(
    built: Callable[[str], Project], project: Callable[[str], Project], home: Path, words: tuple[str, ...]
) -> None:
    other = built("loose")  # the tools are there, and what it installed is kept
    other.root.rename(other.root.with_name("other"))
    loose = project("loose")
    site = loose.environment() / "lib"
    kill_when(loose, lambda: bool(list(site.glob("python*/site-packages/idna*"))), "-s", "pex", *words)
    assert loose.dist() == {}
    is_whole(loose, home, "seven apples")


def test_ctrl_c(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    before = loose.dist()
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    loose.add_setting('inject-env = { COLOUR = "green" }')  # so that pex is at work
    with started(loose, "-s", "pex") as process:
        while not ((place := workshop(loose)) and any(place.iterdir())):
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.002)
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in output
    assert loose.dist() == before
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    is_whole(loose, home, "eight pears")


def test_the_binary_is_whole_at_every_moment_of_a_build(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    seen = [loose.dist()["loose.pex"]]
    with started(loose, "-s", "pex") as process:
        while process.poll() is None:
            now = hashlib.sha256(loose.binary("loose").read_bytes()).hexdigest()
            if now != seen[-1]:
                seen.append(now)
    assert seen == [seen[0], loose.record("loose")["sha256"]]
    is_whole(loose, home, "eight pears")


def test_two_at_once(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    (loose.root / "wares" / "stock.txt").write_text("eight pears\n", "utf-8")
    runs = [loose.start("-s", "pex") for _ in range(3)]
    outputs = [process.communicate(timeout=240)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0, 0], outputs
    assert sum("rebuilding loose: wares/stock.txt changed" in output for output in outputs) == 1, outputs
    is_whole(loose, home, "eight pears")


def test_two_at_once_from_nothing(project: Callable[[str], Project], home: Path) -> None:
    loose = project("loose")
    runs = [loose.start("-s", "pex") for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], outputs
    is_whole(loose, home, "seven apples")


def test_a_failed_build_leaves_nothing(built: Callable[[str], Project]) -> None:
    loose = built("loose")
    before = loose.dist()
    loose.add_setting('pex-args = ["--no-such-option"]')
    loose.refused("build-failed", "-s", "pex")
    assert loose.dist() == before
