"""What is seen of a PEX that starts, from outside of it: here with processes that look like those of a PEX."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nox_pex.smoke.process.boot_watch import BootWatch
from tests.support.processes import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")


class Clock:
    """A clock that goes on by a second with each look at it."""

    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@contextlib.contextmanager
def process(name: str, *arguments: str) -> Iterator[int]:
    """Run a shell that waits under another `name` and with these `arguments`, and yield its process id."""
    argv = [name, "-c", "read _", *arguments]
    with subprocess.Popen(argv, executable="/bin/sh", stdin=subprocess.PIPE) as running:
        try:
            wait_until(lambda: bool(Path(f"/proc/{running.pid}/cmdline").read_bytes()))  # execve(2) sets it at last
            yield running.pid
        finally:
            running.kill()


def watch(tmp_path: Path, **env: str) -> BootWatch:
    made = BootWatch({"PEX_ROOT": str(tmp_path / "root"), **env}, clock=Clock())
    made.started(10.0)
    return made


def test_the_stages_of_a_pex_are_told_apart(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    watched = watch(tmp_path)
    with process("/bin/sh") as pid:
        watched.look(pid)
        assert (watched.doing, watched.marks.writes) == ("", None)
        (root / "unzipped_pexes").mkdir()
        watched.look(pid)
    assert (watched.doing, watched.marks.writes) == ("unpacking", 2.0)
    with process("/usr/bin/python3.12", f"{root}/unzipped_pexes/4/x") as pid:
        watched.look(pid)
        assert watched.marks.unpacked == 3.0
        (root / "venvs").mkdir()
        watched.look(pid)
    assert (watched.doing, watched.marks.makes_venv) == ("creating the virtual environment", 4.0)
    assert not watched.is_over
    with process(f"{root}/venvs/4/x/bin/python") as pid:
        watched.look(pid)
    assert (watched.doing, watched.marks.program, watched.is_over) == ("importing", 5.0, True)


def test_what_an_earlier_boot_left_says_nothing(tmp_path: Path) -> None:
    for name in ("unzipped_pexes", "venvs"):
        (tmp_path / "root" / name).mkdir(parents=True)
    watched = watch(tmp_path)
    with process("bash", f"{tmp_path}/root/unzipped_pexes/4/x") as pid:  # a shim that looks for a Python
        watched.look(pid)
    assert (watched.marks.writes, watched.marks.makes_venv, watched.marks.unpacked) == (None, None, None)


def test_a_scie_unpacks_its_python_first(tmp_path: Path) -> None:
    watched = watch(tmp_path, SCIE_BASE=str(tmp_path / "nce"))
    (tmp_path / "nce" / "0a1b").mkdir(parents=True)
    with process("/bin/sh") as pid:
        watched.look(pid)
    assert watched.marks.writes == 1.0


def test_the_default_of_pex_is_below_the_home(tmp_path: Path) -> None:
    watched = BootWatch({"HOME": str(tmp_path)}, clock=Clock())
    watched.started(10.0)
    (tmp_path / ".cache" / "pex" / "unzipped_pexes").mkdir(parents=True)
    with process("/bin/sh") as pid:
        watched.look(pid)
    assert watched.marks.writes == 1.0


def test_a_process_that_has_ended_or_has_no_pex_shows_nothing(tmp_path: Path) -> None:
    watched = watch(tmp_path)
    with process("/bin/sh") as pid:
        pass
    watched.look(pid)
    unknown = BootWatch(clock=Clock())
    unknown.started(10.0)
    with process("/bin/sh") as pid:
        unknown.look(pid)
    assert unknown.is_over
    assert watched.marks == unknown.marks


def test_the_first_moment_counts_and_none_is_before_the_launch(tmp_path: Path) -> None:
    watched = BootWatch({"PEX_ROOT": str(tmp_path)}, clock=Clock())
    watched.note("listening")  # not launched yet
    watched.started(20.0)
    watched.started(90.0)
    watched.note("listening", 25.0)
    watched.note("listening", 29.0)
    watched.note("ready", 19.9)
    assert (watched.marks.listening, watched.marks.ready) == (5.0, 0.0)
    watched.stopped(1.0)
    assert watched.marks.ended is None
    watched.note("signalled", 30.0)
    watched.stopped(1.5)
    assert watched.marks.ended == 11.5


def test_a_directory_of_any_number_of_files_takes_no_time(tmp_path: Path) -> None:
    watched = watch(tmp_path)
    (tmp_path / "root").mkdir()
    for number in range(3000):
        (tmp_path / "root" / str(number)).touch()
    with process("/bin/sh") as pid:
        watched.look(pid)
    assert watched.marks.makes_venv is None
