"""A program runs in a PID namespace, if the kernel has them, so that nothing of it outlives its run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nox_pex import smoke
from nox_pex.errors import NoxPexError
from nox_pex.smoke.process.program import Command, Program
from tests.support.processes import IMPORTABLE, assert_nothing_left, program_of, wait_until
from tests.support.smoke_test import SmokeTest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PID namespaces")

ROOT = os.geteuid() == 0
CONDITIONS = ("cold", "unprivileged", "read-only", "offline")
DRIVER = Path(__file__).with_name("driver.py")
Pack = Callable[[str], Path]


@pytest.fixture
def contained(smoke_test: SmokeTest, tmp_path: Path) -> SmokeTest:
    """Return the smoke test. Skip if the kernel refuses a PID namespace."""
    program = start(tmp_path, "/bin/true")
    program.end()
    if program.uncontained is not None:
        pytest.skip(f"the kernel refuses a PID namespace: {program.uncontained}")
    return smoke_test


def start(tmp_path: Path, *argv: str, contain: bool = True) -> Program:
    output = tmp_path / "log"
    output.touch()
    program = Program(
        Command(argv=argv, env={"PATH": os.defpath}, cwd=tmp_path, stdout=output), contain=contain, remove=None
    )
    program.start()
    return program


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_program_sees_its_own_processes_under_every_condition(condition: str, contained: SmokeTest) -> None:
    seen = {"$.self": True, "$.parent": 1, "$.init": True, "$.session": True, "$.zombies": []}
    command = {"args": ["ask"], "stdout-matches": '"self": true, "parent": 1, "init": true.*"processes": 2'}
    tested = contained(
        "contained", "an-orphan", "{port}", conditions=[condition], http=[{"path": "/", "json-path": seen}],
        command=[command, command],
    )  # fmt: skip
    assert tested.code is None, (tested.problem, tested.log)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_what_a_command_leaves_and_how_it_ends_is_found(condition: str, contained: SmokeTest) -> None:
    for name in ("SIGTERM", "SIGKILL", "SIGRTMIN"):
        tested = contained("contained", command=[{"args": ["signalled", name]}], conditions=[condition])
        assert tested.code == "check-failed"
        assert name in tested.problem
    tested = contained("contained", command=[{"args": ["survivor"]}], conditions=[condition])
    assert tested.code == "left-processes"
    assert "time.sleep(20)" in tested.problem


@pytest.mark.skipif(not ROOT, reason="only root may become another user")
def test_a_program_of_root_may_become_another_user(contained: SmokeTest) -> None:
    checks = [{"path": "/", "json-path": {"$.user": 65534}}]
    assert contained("contained", "another-user", "{port}", http=checks).code is None


@pytest.mark.skipif(not ROOT or shutil.which("setpriv") is None, reason="only root has rights to lose")
def test_root_without_the_right_to_namespaces_can_still_become_another_user(
    binary: Pack, project: Path, temporary: Path
) -> None:
    rights = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    argv = [sys.executable, str(DRIVER), str(binary("contained")), str(project), str(temporary), "well", "another-user"]
    done = subprocess.run(
        [*rights, *argv], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": IMPORTABLE}
    )
    assert "done None" in done.stdout
    assert done.stdout.count("may outlive") == 1
    assert_nothing_left(temporary)


def test_the_process_id_is_that_of_this_machine(contained: SmokeTest, binary: Pack) -> None:
    del contained
    with smoke.launch(binary("listens"), args=["well", "{port}"]) as launched:
        assert any("listens.pex" in part for part in psutil.Process(launched.pid).cmdline())


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGCHLD, signal.SIGRTMIN + 3])
@pytest.mark.parametrize("contain", [True, False])
def test_signals_reach_the_program_and_its_status_comes_back(number: int, *, contain: bool, tmp_path: Path) -> None:
    script = f"trap 'exit 7' {int(number)}; echo up; while :; do :; done"  # without a child, which would send SIGCHLD
    program = start(tmp_path, "/bin/sh", "-c", script, contain=contain)
    try:
        wait_until(lambda: (tmp_path / "log").read_text() != "")
        program.signal(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(program.pid).status() == psutil.STATUS_STOPPED)
        program.signal(number)
        assert program.exited(within=0.2) is None
        program.signal(signal.SIGCONT)
        ended = program.exited(within=10.0)
        assert ended is not None
        assert ended.status == 7
        wait_until(lambda: program.tree() == ())
    finally:
        assert program.end() > 100_000
    assert not psutil.pid_exists(program.pid)


@pytest.mark.parametrize("victims", ["nox", "supervisor", "both", "group", "init"])
def test_nothing_is_left_whoever_is_killed(
    victims: str, contained: SmokeTest, binary: Pack, project: Path, temporary: Path
) -> None:
    del contained
    packed = binary("contained")
    packed = packed.rename(packed.with_name(f"{victims}.pex"))  # these tests may run at the same time
    argv = [sys.executable, str(DRIVER), str(packed), str(project), str(temporary), "soak", "forking-on"]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": IMPORTABLE}
    )
    nox = psutil.Process(process.pid)
    # Those that fork live for milliseconds, so few are ever seen.
    wait_until(lambda: len(running(packed)) > 1 and program_of(nox) is not None)
    program = program_of(nox)
    assert program is not None
    init = program.parent()
    assert init is not None
    supervisor = init.parent()
    assert supervisor is not None
    killed = {"nox": [nox], "supervisor": [supervisor], "both": [nox, supervisor], "init": [init], "group": []}[victims]
    for each in killed:
        each.kill()
    if victims == "group":
        os.killpg(process.pid, signal.SIGKILL)
        os.killpg(supervisor.pid, signal.SIGKILL)
    started = time.monotonic()
    wait_until(lambda: not running(packed))
    assert time.monotonic() - started < 10, "the processes end by themselves only after 20 s"
    output = process.communicate(timeout=60)[0]
    if victims in {"supervisor", "init"}:
        # The program may not have been ready yet.
        assert "done error[crashed]" in output or "done error[exited-early]" in output
    if victims not in {"both", "group"}:
        wait_until(lambda: not list(temporary.iterdir()))
    for left in temporary.iterdir():
        with smoke.launch(binary("listens"), args=["well", "{port}"]):  # the next run removes it
            assert not left.exists()
    assert_nothing_left(temporary)


def test_a_command_of_before_does_not_outlive_nox(binary: Pack, project: Path, temporary: Path) -> None:
    argv = [sys.executable, str(DRIVER), str(binary("listens")), str(project), str(temporary), "before"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": IMPORTABLE})
    nox = psutil.Process(process.pid)
    wait_until(lambda: any(child.name() == "sleep" for child in nox.children()))
    (command,) = nox.children()
    process.kill()
    process.wait()
    try:
        wait_until(lambda: not command.is_running())
    finally:
        with contextlib.suppress(psutil.Error):
            command.kill()
    for left in temporary.iterdir():
        with smoke.launch(binary("listens"), args=["well", "{port}"]):  # the next run removes it
            assert not left.exists()


def running(binary: Path) -> list[int]:
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if each.status() != psutil.STATUS_ZOMBIE and f"/{binary.name} forking-on" in " ".join(each.cmdline()):
                found.append(each.pid)
    return found


@pytest.mark.skipif(
    subprocess.run(["unshare", "-Ur", "true"], check=False, capture_output=True).returncode != 0,
    reason="no user namespaces here",
)
def test_a_kernel_that_refuses_is_named_once_and_the_test_goes_on(binary: Pack, project: Path, temporary: Path) -> None:
    argv = [sys.executable, str(DRIVER), str(binary("listens")), str(project), str(temporary), "well"]
    limit = 'echo 0 > /proc/sys/user/max_pid_namespaces; exec "$@"'
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", limit, "sh", *argv],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": IMPORTABLE},
    )  # fmt: skip
    assert done.stdout.count("may outlive") == 1
    assert "user.max_" in done.stdout
    assert "done None" in done.stdout
    assert_nothing_left(temporary)


JUNK = {
    "text": b"junk\n",
    "bytes": b"\xff\n",
    "no time": b'{"exited": 0}\n',
    "wrong types": b'{"tree": [[1]]}\n',
    "deep": b"[" * 50_000 + b"\n",
    "half": b"half",
    "a number": b"7\n",
    "long": b"x" * 70_000_000,
}


@pytest.mark.parametrize("kind", JUNK)
def test_junk_in_the_pipe_of_the_supervisor_is_a_clear_failure(kind: str, tmp_path: Path) -> None:
    program = start(tmp_path, "/bin/sleep", "20", contain=False)
    supervisor = psutil.Process(program.pid).parent()
    assert supervisor is not None
    pipe = Path(f"/proc/{supervisor.pid}/fd/1").open("wb", buffering=0)  # noqa: SIM115  # the thread closes it
    writer = threading.Thread(target=write, args=(pipe, JUNK[kind]))
    writer.start()
    if kind != "long":
        writer.join()
    with pytest.raises(NoxPexError, match=r"error\[crashed\]"):
        use(program)
    writer.join()
    program.end()
    wait_until(lambda: not psutil.pid_exists(program.pid))


def write(pipe: io.FileIO, junk: bytes) -> None:
    with pipe:
        while junk:
            junk = junk[pipe.write(junk) :]


def use(program: Program) -> None:
    program.exited(within=1.0)
    program.tree()


def test_junk_in_the_orders_of_the_supervisor_is_ignored(tmp_path: Path) -> None:
    program = start(tmp_path, "/bin/sleep", "20", contain=False)
    supervisor = psutil.Process(program.pid).parent()
    assert supervisor is not None
    Path(f"/proc/{supervisor.pid}/fd/0").write_bytes(b"\xff\n[]\n7\n" + b'"end"\n' + b'{"signal": "x"}\n')
    assert len(program.tree()) == 1
    assert program.end() > 0


def test_a_command_line_that_is_not_utf_8_is_escaped(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(20)', b'\\xff\\xfe'])"
    )
    program = start(tmp_path, sys.executable, "-c", script)
    try:
        wait_until(lambda: len(program.tree()) > 1)
        lines = [each.command for each in program.tree()]
        assert any(line.endswith(r"\xff\xfe") for line in lines), lines
        json.dumps(lines).encode()
    finally:
        program.end()
