"""The environment of a program, and its description for people."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.smoke.process.program import (
    Command,
    ProcessInfo,
    Program,
    clean_environment,
    describe_processes,
    describe_status,
)
from tests.support.mounts import file_system


def test_the_environment_has_only_what_a_login_has_and_what_is_passed() -> None:
    environ = {"PATH": f"/usr/bin{os.pathsep}{os.pathsep}bin", "PYTHONPATH": "x", "LANG": "C", "TOKEN": "t"}
    home, pex_root, tmp = Path("/h"), Path("/r"), Path("/t")
    assert clean_environment(environ, pass_env=["TOKEN", "NONE"], home=home, pex_root=pex_root, tmp=tmp) == {
        "PATH": "/usr/bin", "LANG": "C", "HOME": "/h", "PEX_ROOT": "/r", "TMPDIR": "/t", "TOKEN": "t",
    }  # fmt: skip


def test_the_directories_of_a_virtual_environment_are_not_in_the_path(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "pyvenv.cfg").touch()
    environ = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}/usr/bin"}
    env = clean_environment(environ, home=tmp_path, pex_root=tmp_path, tmp=tmp_path)
    assert env["PATH"] == "/usr/bin"


def test_a_directory_in_the_path_that_cannot_be_looked_into_is_kept(tmp_path: Path) -> None:
    path = f"/{'x' * 300}/bin"  # its name is too long, which also holds for root
    assert clean_environment({"PATH": path}, home=tmp_path, pex_root=tmp_path, tmp=tmp_path)["PATH"] == path


def test_an_exit_status_is_a_number_or_a_signal() -> None:
    assert [describe_status(status) for status in (0, 1, -11, -200)] == [
        "exit status 0",
        "exit status 1",
        "SIGSEGV",
        "signal 200",
    ]


def test_the_first_three_processes_are_named() -> None:
    every = [ProcessInfo(pid=pid, command="" if pid == 1 else f"worker {pid}") for pid in range(1, 6)]
    assert describe_processes(every[:1]) == "a process (pid 1)"
    assert describe_processes(every) == "a process (pid 1), worker 2 (pid 2), worker 3 (pid 3) and 2 more"


@pytest.mark.parametrize("of_interpreter", [False, True])
def test_a_program_on_a_file_system_that_allows_none_is_not_called_not_executable(
    tmp_path: Path, *, of_interpreter: bool
) -> None:
    forbidding = tmp_path / "forbidding"
    forbidding.mkdir()
    with file_system(forbidding, "noexec"):
        shell = Path("/bin/sh")
        if of_interpreter:
            shell = Path(shutil.copy(shell, forbidding))
        program = (tmp_path if of_interpreter else forbidding) / "service.pex"
        program.write_text(f"#!{shell}\n")
        program.chmod(0o755)
        started = Program(Command(argv=(str(program),), env={}, cwd=tmp_path, stdout=tmp_path / "log"))
        try:
            with pytest.raises(NoxPexError, match=r"error\[launch-failed\].*noexec") as caught:
                started.start()
        finally:
            started.end()
    assert "chmod" not in str(caught.value)
