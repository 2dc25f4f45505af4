"""Without privileges, without a place to write to, without a network; and on machines that cannot give that."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import Condition
from nox_pex.smoke.plan import Options
from nox_pex.smoke.process import conditions
from nox_pex.smoke.process.conditions import NOBODY
from nox_pex.smoke.process.confine import hiding
from nox_pex.smoke.process.program import Command, Program
from tests.support.processes import IMPORTABLE, assert_nothing_left, wait_until
from tests.support.smoke_test import LEFT_OPEN, SmokeTest, Tested

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can give these conditions")

DRIVER = Path(__file__).with_name("driver.py")
CONFINED: tuple[Condition, ...] = ("unprivileged", "read-only", "offline")
ROOT = os.geteuid() == 0
Drive = Callable[..., dict[str, Any]]


@pytest.fixture
def confined(smoke_test: SmokeTest) -> SmokeTest:
    """A smoke test under one condition; skips where this machine cannot give it."""

    def smoke(condition: str, mode: str, *args: str, **settings: Any) -> Tested:
        settings = {"http": [{"path": "/"}], **settings}
        tested = smoke_test("confined", mode, "{port}", *args, conditions=[condition], **settings)
        outcome = tested.report.outcomes[0]
        if outcome.state == "skipped":
            pytest.skip(f"this machine: {outcome.reason}")
        return tested

    return smoke


@pytest.mark.parametrize("condition", ["cold", *CONFINED])
def test_what_all_conditions_leave(condition: str, confined: SmokeTest) -> None:
    tested = confined(condition, "what-all-conditions-leave")
    assert tested.code is None, (tested.problem, tested.log)
    (outcome,) = tested.report.outcomes
    assert outcome.ready_after is not None
    assert (outcome.passed, outcome.condition) == (1, condition)
    assert 1_000_000 < (outcome.memory or 0) < 500_000_000
    assert str(outcome.stop).startswith("stopped by SIGTERM")


@pytest.mark.parametrize(
    ("condition", "mode", "words"),
    [
        ("read-only", "its-directory", "Read-only file system"),
        ("read-only", "its-home", "Read-only file system"),
        ("read-only", "much-in-tmp", "No space left on device"),
        ("unprivileged", "its-home", "KeyError: 'HOME'"),
        ("unprivileged", "root", "Operation not permitted"),
        ("offline", "the-outside", "Network is unreachable"),
    ],
)
def test_what_a_condition_takes(condition: str, mode: str, words: str, confined: SmokeTest) -> None:
    if not (mode == "root" and not ROOT) and not (mode == "the-outside" and not has_a_way_out()):
        assert confined("cold", mode).code is None, "it must be the condition that makes the difference"
    tested = confined(condition, mode)
    assert tested.code == "exited-early"
    assert words in tested.log
    assert tested.problem.startswith(f"{condition}: ")


def test_a_file_of_the_machine_is_not_written_to(confined: SmokeTest, project: Path, tmp_path: Path) -> None:
    for condition in ("read-only", *(("unprivileged",) if ROOT else ())):
        for place in (project / "file", Path("/tmp") / f"{tmp_path.parent.name}-{tmp_path.name}-file"):  # noqa: S108
            place.write_text("as it was", encoding="utf-8")
            try:
                # The machine's /tmp is out of sight, and what is written there goes with the boot.
                assert confined(condition, "a-file-of-the-machine", str(place)).code in {"exited-early", None}
                assert place.read_text(encoding="utf-8") == "as it was"
            finally:
                place.unlink()


def test_offline_is_a_network_of_its_own(confined: SmokeTest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        LEFT_OPEN.append(port)
        assert confined("cold", "another-server", str(port)).code is None
        tested = confined("offline", "another-server", str(port))
        assert tested.code == "exited-early"
        assert "Connection refused" in tested.log
        # Nor is a port taken there because it is taken here.
        assert confined("offline", "nothing", options=Options(port=port)).code is None
        assert confined("cold", "nothing", options=Options(port=port)).code == "port-taken"


def test_offline_tells_where_it_listens_instead(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "elsewhere", "{port}", conditions=["offline"], startup_timeout=1.0)
    if tested.report.outcomes[0].state == "skipped":
        pytest.skip("this machine")
    assert tested.code == "startup-timeout"
    assert "it listens on 127.0.0.1:" in tested.problem


@pytest.mark.parametrize(
    ("program", "mode", "code"),
    [
        ("dies", "at-the-second-request", "crashed"),
        ("listens", "never", "startup-timeout"),
        ("stops", "never", "stop-timeout"),
        ("stops", "leaving-a-daemon", "left-processes"),
        ("stops", "leaving-a-worker-of-another-session", "left-processes"),
    ],
)
@pytest.mark.parametrize("condition", CONFINED)
def test_faults_are_found_there_too(condition: str, program: str, mode: str, code: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        program, mode, "{port}", conditions=[condition], startup_timeout=3.0 if code == "startup-timeout" else 15.0,
        stop_timeout=1.0, http=[{"path": "/", "timeout": 1.0}],
    )  # fmt: skip
    if tested.report.outcomes[0].state == "skipped":
        pytest.skip(f"this machine: {tested.report.outcomes[0].reason}")
    assert tested.code == code


def test_an_unprivileged_program_is_nobody(confined: SmokeTest) -> None:
    expected = {"$.user": NOBODY, "$.home": None, "$.name": None, "$.capabilities": "0" * 16}
    tested = confined("unprivileged", "nothing", http=[{"path": "/", "json-path": expected}])
    assert tested.code is None, tested.problem


def test_a_read_only_program_has_a_tmp(confined: SmokeTest) -> None:
    expected = {"$.tmp": "/tmp", "$.pex-root": "/tmp/pex_root"}  # noqa: S108
    assert confined("read-only", "nothing", http=[{"path": "/", "json-path": expected}]).code is None


@pytest.mark.parametrize("condition", ["cold", *CONFINED])
def test_a_command_runs_beside_the_server(condition: str, confined: SmokeTest) -> None:
    tested = confined(condition, "nothing", command=[{"args": ["ask", "{port}"], "stdout-matches": "^asked$"}])
    assert tested.code is None, (tested.problem, tested.log)


@pytest.mark.parametrize("condition", CONFINED)
def test_a_program_of_commands(condition: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        "commands", conditions=[condition], command=[{"args": ["cat"], "stdin": "abc", "stdout-matches": "^ABC$"}] * 2
    )
    assert tested.code is None, tested.problem


@pytest.mark.parametrize("condition", ["cold", *CONFINED])
def test_a_unix_socket(condition: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        "listens", "on-a-unix-socket", "0", "{tmp}/app.sock", unix_socket="{tmp}/app.sock", conditions=[condition],
        url="http://www.example.org",
    )  # fmt: skip
    assert tested.code is None, tested.problem


@pytest.mark.parametrize("condition", ["cold", *CONFINED])
def test_what_before_left_in_tmp(condition: str, confined: SmokeTest, project: Path) -> None:
    tested = confined(
        condition, "a-file-of-the-machine", "{tmp}/seeded",
        before=[["sh", "-c", "echo seeded > {tmp}/seeded"]], after=[["cp", "{tmp}/seeded", "copy"]],
    )  # fmt: skip
    assert tested.code is None, (tested.problem, tested.log)
    assert (project / "copy").read_text(encoding="utf-8") == "overwritten"


def test_a_path_with_what_is_not_there(smoke_test: SmokeTest) -> None:
    environ = {**os.environ, "PATH": f"/nowhere/at/all/bin:{os.environ['PATH']}", "PYENV_ROOT": "/nowhere/at/all"}
    for condition in CONFINED:
        tested = smoke_test("listens", "well", "{port}", conditions=[condition], environ=environ)
        assert tested.code is None, tested.problem


def test_a_temporary_directory_that_a_condition_covers(
    smoke_test: SmokeTest, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shared_memory:
        monkeypatch.setattr(tempfile, "tempdir", shared_memory)
        for condition in CONFINED:
            tested = smoke_test("listens", "well", "{port}", conditions=[condition])
            assert tested.code is None, tested.problem
    assert list(temporary.iterdir()) == []


def test_all_conditions_in_one_go(smoke_test: SmokeTest) -> None:
    every = ["cold", "unprivileged", "warm", "read-only", "offline"]
    tested = smoke_test("listens", "well", "{port}", conditions=every)
    assert tested.code is None, tested.problem
    assert [outcome.condition for outcome in tested.report.outcomes] == every


def test_nobody_is_served_offline(smoke_test: SmokeTest) -> None:
    with pytest.raises(NoxPexError, match=r"error\[usage\].*offline"):
        smoke_test("listens", "well", "{port}", conditions=["offline"], options=Options(serve=True))


@pytest.fixture
def drive(binary: Callable[[str], Path], project: Path, temporary: Path) -> Drive:
    """Runs a smoke test in a process of its own, behind `wrapper`, and tells what became of each condition."""

    def run(*wrapper: str, what: str, env: dict[str, str] | None = None) -> dict[str, Any]:
        done = subprocess.run(
            [*wrapper, *driver(binary("listens"), project, temporary, what)],
            capture_output=True, text=True, timeout=60, check=False, env=environ() | (env or {}),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        outcomes: dict[str, Any] = json.loads(done.stdout.splitlines()[-1].removeprefix("outcomes "))
        return outcomes

    return run


def driver(program: Path, project: Path, temporary: Path, what: str) -> Sequence[str]:
    return sys.executable, str(DRIVER), str(program), str(project), str(temporary), what


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": IMPORTABLE}


@pytest.mark.parametrize("condition", CONFINED)
def test_killed(condition: str, binary: Callable[[str], Path], project: Path, temporary: Path) -> None:
    argv = driver(binary("listens"), project, temporary, f"soak:{condition}")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environ()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "starting" in line:
                break
        nox = psutil.Process(process.pid)
        wait_until(lambda: len(nox.children(recursive=True)) == 2 or process.poll() is not None)
        if process.poll() is not None:
            pytest.skip("this machine cannot give it")
        running = nox.children(recursive=True)
        process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(running, timeout=10)
        assert not alive
    wait_until(lambda: not list(temporary.iterdir()))
    assert_nothing_left(temporary)


NAMESPACES = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(["unshare", "-Ur", "true"], check=False).returncode != 0,
    reason="an ordinary user has no namespaces here",
)


@NAMESPACES
@pytest.mark.skipif(shutil.which("setpriv") is None or not ROOT, reason="takes rights away from root")
@pytest.mark.parametrize("condition", CONFINED)
def test_without_the_rights_of_root_a_user_namespace_gives_it(condition: str, drive: Drive) -> None:
    dropped = ["sys_admin", "net_admin", "sys_chroot", "setuid", "setgid", "chown", "sys_ptrace"]
    bounding = ",".join(f"-{name}" for name in dropped)
    outcomes = drive(
        "setpriv", f"--bounding-set={bounding}", f"--inh-caps={bounding}", what=f"well:{condition}"
    )  # fmt: skip
    assert outcomes == {condition: ["passed", None]}


@NAMESPACES
@pytest.mark.parametrize("condition", CONFINED)
@pytest.mark.parametrize("skips", ["report", "fail"])
def test_a_machine_that_refuses(condition: str, skips: str, drive: Drive) -> None:
    """In a user namespace without a right to further namespaces, as in many a container."""
    kinds = " ".join(f"/proc/sys/user/max_{kind}_namespaces" for kind in ("net", "mnt", "user"))
    outcomes = drive(
        "unshare", "-Ur", "sh", "-c", f'for each in {kinds}; do echo 0 > $each; done; exec "$@"', "sh",
        what=f"{skips}:{condition}",
    )  # fmt: skip
    state, reason = outcomes.pop(condition)
    assert state == "skipped"
    assert "refuses" in reason
    assert "user.max_" in reason, "the words for a full disk would mislead"
    if skips == "fail":
        code, problem = outcomes.pop("failure")
        assert code == "check-failed"
        assert problem == f"{condition}: skipped: {reason}"
    assert outcomes == {}


def test_no_program_is_needed_for_it(drive: Drive) -> None:
    outcomes = drive(what="well:read-only", env={"PATH": "/nowhere"})
    assert outcomes["read-only"][0] in {"passed", "skipped"}


def test_elsewhere_they_are_skipped(
    confined: SmokeTest, smoke_test: SmokeTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert confined("offline", "nothing").code is None
    monkeypatch.setattr(sys, "platform", "darwin")
    tested = smoke_test("confined", "nothing", "{port}", http=[{"path": "/"}], conditions=["offline"])
    assert tested.code is None
    assert tested.report.outcomes[0].reason == "only Linux can give it"
    # What cannot be tried does not keep the rest from being tried, and yet it is a failure if it is to be one.
    tested = smoke_test("listens", "well", "{port}", conditions=["offline", "cold"], skips="fail")
    assert tested.code == "check-failed"
    assert [outcome.state for outcome in tested.report.outcomes] == ["skipped", "passed"]


def test_directories_that_only_their_owner_may_enter(tmp_path: Path) -> None:
    inner = tmp_path / "open" / "closed" / "open" / "closed" / "inner"
    inner.mkdir(parents=True)
    for parent in inner.parents:
        if parent.name == "closed":
            parent.chmod(0o700)
    found = [path for path in hiding([str(inner), str(inner / "..")]) if Path(path).is_relative_to(tmp_path)]
    assert found in ([], [str(tmp_path / "open" / "closed")])  # [] where a directory above it is closed already
    inner.parents[2].chmod(0o755)


def test_interpreters_are_kept(tmp_path: Path) -> None:
    real, link, tools = tmp_path / "3.12.1", tmp_path / "3.12", tmp_path / "tools"
    (real / "bin").mkdir(parents=True)
    (real / "bin" / "python3.12").touch()
    link.symlink_to(real)
    (tools / "bin").mkdir(parents=True)
    (tools / "bin" / "python3.12").symlink_to(link / "bin" / "python3.12")
    program = tmp_path / "program"
    program.write_text(f"#!{link}/bin/python3.12 -I\n", encoding="utf-8")
    (tools / "bin" / "python").symlink_to("python")
    pyenv = tmp_path / "pyenv"
    pyenv.mkdir()
    path = f"{tools / 'bin'}:/nowhere/at/all/bin:/tmp/bin"
    kept = conditions.interpreters(program, {"PATH": path, "PYENV_ROOT": str(pyenv)})
    assert kept == {tools, link, real, pyenv}


def has_a_way_out() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        return outward.connect_ex(("192.0.2.1", 9)) == 0


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """The reasons why the system cannot start a program come through."""
    output = tmp_path / "log"
    output.touch()
    for condition in CONFINED:
        conditions.hand_over(condition, root=tmp_path, owned=(), readable=tmp_path)
        command = Command(argv=(str(tmp_path / "none"),), env={}, cwd=tmp_path, stdout=output)
        confinement = conditions.confinement(
            condition, executable=tmp_path / "none", env={}, root=tmp_path, writable=None, size=1, join=None
        )
        program = Program(command, confinement=confinement)
        try:
            with pytest.raises(NoxPexError, match=r"error\[launch-failed\]"):
                program.start()
        finally:
            program.end()


def test_the_memory_of_a_command_that_ends_at_once(smoke_test: SmokeTest) -> None:
    tested = smoke_test("commands", command=[{"args": ["--version"]}], conditions=["cold", "warm"])
    assert tested.code is None, tested.problem
    assert len(tested.report.sha256) == 64
    for outcome in tested.report.outcomes:
        assert 1_000_000 < (outcome.memory or 0) < 500_000_000
