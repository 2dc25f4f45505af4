"""The conditions `unprivileged`, `read-only` and `offline`, and machines that do not support them."""

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
from nox_pex.smoke.process.program import Command, Program
from tests.support.processes import IMPORTABLE, assert_nothing_left, program_of, wait_until
from tests.support.smoke_test import LEFT_OPEN, SmokeTest, Tested

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux supports these conditions")

DRIVER = Path(__file__).with_name("driver.py")
CONFINED: tuple[Condition, ...] = ("unprivileged", "read-only", "offline")
ROOT = os.geteuid() == 0
Drive = Callable[..., dict[str, Any]]


@pytest.fixture
def confined(smoke_test: SmokeTest) -> SmokeTest:
    """Smoke-test under one condition. Skip the test if this machine does not support it."""

    def smoke(condition: str, mode: str, *args: str, **settings: Any) -> Tested:
        settings = {"http": [{"path": "/"}], **settings}
        tested = smoke_test("confined", mode, "{port}", *args, conditions=[condition], **settings)
        outcome = tested.report.boot_results[0]
        if outcome.state == "skipped":
            pytest.skip(f"not supported here: {outcome.reason}")
        return tested

    return smoke


@pytest.mark.parametrize("condition", ["cold", *CONFINED])
def test_a_program_has_the_usual_resources_under_every_condition(condition: str, confined: SmokeTest) -> None:
    tested = confined(condition, "the-usual-resources")
    assert tested.code is None, (tested.problem, tested.log)
    (outcome,) = tested.report.boot_results
    assert outcome.ready_after is not None
    assert (outcome.passed_checks, outcome.condition) == (1, condition)
    assert 1_000_000 < (outcome.memory or 0) < 500_000_000
    assert str(outcome.stop).startswith("stopped by SIGTERM")


@pytest.mark.parametrize(
    ("condition", "mode", "message"),
    [
        ("read-only", "its-directory", "Read-only file system"),
        ("read-only", "its-home", "Read-only file system"),
        ("read-only", "much-in-tmp", "No space left on device"),
        ("unprivileged", "its-home", "KeyError: 'HOME'"),
        ("unprivileged", "root", "Operation not permitted"),
        ("offline", "the-outside", "Network is unreachable"),
    ],
)
def test_a_condition_takes_away_what_its_name_says(
    condition: str, mode: str, message: str, confined: SmokeTest
) -> None:
    if not (mode == "root" and not ROOT) and not (mode == "the-outside" and not has_a_route_to_the_internet()):
        assert confined("cold", mode).code is None, "only the condition may make it fail"
    tested = confined(condition, mode)
    assert tested.code == "exited-early"
    assert message in tested.log
    assert tested.problem.startswith(f"{condition}: ")


def test_a_file_of_the_machine_is_not_changed(confined: SmokeTest, project: Path, tmp_path: Path) -> None:
    for condition in ("read-only", *(("unprivileged",) if ROOT else ())):
        in_tmp = Path("/tmp") / f"{tmp_path.parent.name}-{tmp_path.name}-file"  # noqa: S108  # its name is unique
        for file in (project / "file", in_tmp):
            file.write_text("unchanged", encoding="utf-8")
            try:
                # The machine's /tmp is not visible. The private one is discarded after the boot.
                assert confined(condition, "a-file-of-the-machine", str(file)).code in {"exited-early", None}
                assert file.read_text(encoding="utf-8") == "unchanged"
            finally:
                file.unlink()


def test_offline_is_a_private_network(confined: SmokeTest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        LEFT_OPEN.append(port)
        assert confined("cold", "another-server", str(port)).code is None
        tested = confined("offline", "another-server", str(port))
        assert tested.code == "exited-early"
        assert "Connection refused" in tested.log
        # A port that is taken on the machine is free in the private network.
        assert confined("offline", "nothing", options=Options(port=port)).code is None
        assert confined("cold", "nothing", options=Options(port=port)).code == "port-taken"


def test_an_offline_program_that_ignores_the_port_is_told_where_it_listens(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "elsewhere", "{port}", conditions=["offline"], startup_timeout=1.0)
    if tested.report.boot_results[0].state == "skipped":
        pytest.skip(f"not supported here: {tested.report.boot_results[0].reason}")
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
def test_faults_are_found_under_every_condition(
    condition: str, program: str, mode: str, code: str, smoke_test: SmokeTest
) -> None:
    tested = smoke_test(
        program, mode, "{port}", conditions=[condition], startup_timeout=3.0 if code == "startup-timeout" else 15.0,
        stop_timeout=1.0, http=[{"path": "/", "timeout": 1.0}],
    )  # fmt: skip
    if tested.report.boot_results[0].state == "skipped":
        pytest.skip(f"not supported here: {tested.report.boot_results[0].reason}")
    assert tested.code == code


def test_an_unprivileged_program_is_nobody(confined: SmokeTest) -> None:
    expected = {"$.user": NOBODY, "$.home": None, "$.name": None, "$.capabilities": "0" * 16}
    tested = confined("unprivileged", "nothing", http=[{"path": "/", "json-path": expected}])
    assert tested.code is None, tested.problem


def test_a_read_only_program_can_write_to_tmp(confined: SmokeTest) -> None:
    expected = {"$.tmp": "/tmp", "$.pex-root": "/tmp/pex_root"}  # noqa: S108  # in the private /tmp
    assert confined("read-only", "nothing", http=[{"path": "/", "json-path": expected}]).code is None


@pytest.mark.parametrize("condition", ["cold", *CONFINED])
def test_a_command_runs_in_the_confinement_of_the_server(condition: str, confined: SmokeTest) -> None:
    tested = confined(condition, "nothing", command=[{"args": ["ask", "{port}"], "stdout-matches": "^asked$"}])
    assert tested.code is None, (tested.problem, tested.log)


@pytest.mark.parametrize("condition", CONFINED)
def test_commands_run_under_every_condition(condition: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        "commands", conditions=[condition], command=[{"args": ["cat"], "stdin": "abc", "stdout-matches": "^ABC$"}] * 2
    )
    assert tested.code is None, tested.problem


@pytest.mark.parametrize("condition", ["cold", *CONFINED])
def test_a_unix_socket_works_under_every_condition(condition: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        "odd_listeners", "on-a-renamed-socket", "0", "{tmp}/app.sock", unix_socket="{tmp}/app.sock",
        conditions=[condition], url="http://www.example.org",
    )  # fmt: skip
    assert tested.code is None, tested.problem


@pytest.mark.parametrize("condition", ["cold", *CONFINED])
def test_a_file_that_before_created_in_tmp_can_be_changed(condition: str, confined: SmokeTest, project: Path) -> None:
    tested = confined(
        condition, "a-file-of-the-machine", "{tmp}/seeded",
        before=[["sh", "-c", "echo seeded > {tmp}/seeded"]], after=[["cp", "{tmp}/seeded", "copy"]],
    )  # fmt: skip
    assert tested.code is None, (tested.problem, tested.log)
    assert (project / "copy").read_text(encoding="utf-8") == "overwritten"


def test_path_entries_that_do_not_exist_do_no_harm(smoke_test: SmokeTest) -> None:
    environ = {**os.environ, "PATH": f"/nowhere/at/all/bin:{os.environ['PATH']}", "PYENV_ROOT": "/nowhere/at/all"}
    for condition in CONFINED:
        tested = smoke_test("listens", "well", "{port}", conditions=[condition], environ=environ)
        assert tested.code is None, tested.problem


def test_a_temporary_directory_below_a_replaced_one_stays_visible(
    smoke_test: SmokeTest, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shared_memory:
        monkeypatch.setattr(tempfile, "tempdir", shared_memory)
        for condition in CONFINED:
            tested = smoke_test("listens", "well", "{port}", conditions=[condition])
            assert tested.code is None, tested.problem
    assert list(temporary.iterdir()) == []


def test_all_conditions_pass_in_one_run(smoke_test: SmokeTest) -> None:
    every = ["cold", "unprivileged", "warm", "read-only", "offline"]
    tested = smoke_test("listens", "well", "{port}", conditions=every)
    assert tested.code is None, tested.problem
    assert [outcome.condition for outcome in tested.report.boot_results] == every


@pytest.fixture
def drive(binary: Callable[[str], Path], project: Path, temporary: Path) -> Drive:
    """Run a smoke test in a separate process, with `wrapper` before its command line. Return the results."""

    def run(*wrapper: str, mode: str, env: dict[str, str] | None = None) -> dict[str, Any]:
        process = subprocess.run(
            [*wrapper, *driver(binary("listens"), project, temporary, mode)],
            capture_output=True, text=True, timeout=60, check=False, env=environ() | (env or {}),
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        outcomes: dict[str, Any] = json.loads(process.stdout.splitlines()[-1].removeprefix("outcomes "))
        return outcomes

    return run


def driver(program: Path, project: Path, temporary: Path, mode: str) -> Sequence[str]:
    return sys.executable, str(DRIVER), str(program), str(project), str(temporary), mode


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": IMPORTABLE}


@pytest.mark.parametrize("condition", CONFINED)
def test_a_killed_run_leaves_no_confined_process(
    condition: str, binary: Callable[[str], Path], project: Path, temporary: Path
) -> None:
    argv = driver(binary("listens"), project, temporary, f"soak:{condition}")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environ()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "starting" in line:
                break
        nox = psutil.Process(process.pid)
        wait_until(lambda: program_of(nox) is not None or process.poll() is not None)
        if process.poll() is not None:
            pytest.skip("not supported here")
        running = nox.children(recursive=True)
        process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(running, timeout=10)
        assert not alive
    wait_until(lambda: not list(temporary.iterdir()))
    assert_nothing_left(temporary)


NAMESPACES = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(["unshare", "-Ur", "true"], check=False).returncode != 0,
    reason="ordinary users cannot create namespaces here",
)


@NAMESPACES
@pytest.mark.skipif(shutil.which("setpriv") is None or not ROOT, reason="takes rights away from root")
@pytest.mark.parametrize("condition", CONFINED)
def test_a_user_namespace_replaces_the_rights_of_root(condition: str, drive: Drive) -> None:
    dropped = ["sys_admin", "net_admin", "sys_chroot", "setuid", "setgid", "chown", "sys_ptrace"]
    bounding = ",".join(f"-{name}" for name in dropped)
    outcomes = drive(
        "setpriv", f"--bounding-set={bounding}", f"--inh-caps={bounding}", mode=f"well:{condition}"
    )  # fmt: skip
    assert outcomes == {condition: ["passed", None]}


@NAMESPACES
@pytest.mark.parametrize("condition", CONFINED)
@pytest.mark.parametrize("skips", ["report", "fail"])
def test_a_machine_that_refuses_skips_the_condition(condition: str, skips: str, drive: Drive) -> None:
    """Many containers are user namespaces that cannot create more namespaces."""
    kinds = " ".join(f"/proc/sys/user/max_{kind}_namespaces" for kind in ("net", "mnt", "user"))
    outcomes = drive(
        "unshare", "-Ur", "sh", "-c", f'for each in {kinds}; do echo 0 > $each; done; exec "$@"', "sh",
        mode=f"{skips}:{condition}",
    )  # fmt: skip
    state, reason = outcomes.pop(condition)
    assert state == "skipped"
    assert "refuses" in reason
    assert "user.max_" in reason, "the text for a full disk would mislead"
    if skips == "fail":
        code, problem = outcomes.pop("failure")
        assert code == "check-failed"
        assert problem == f"{condition}: skipped: {reason}"
    assert outcomes == {}


def test_the_confinement_needs_no_other_program(drive: Drive) -> None:
    outcomes = drive(mode="well:read-only", env={"PATH": "/nowhere"})
    assert outcomes["read-only"][0] in {"passed", "skipped"}


def test_other_systems_skip_the_conditions(
    confined: SmokeTest, smoke_test: SmokeTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert confined("offline", "nothing").code is None
    monkeypatch.setattr(sys, "platform", "darwin")
    tested = smoke_test("confined", "nothing", "{port}", http=[{"path": "/"}], conditions=["offline"])
    assert tested.code is None
    assert tested.report.boot_results[0].reason == "only Linux supports this condition"
    # A skipped condition does not keep the others from running, even if `skips` makes it a failure.
    tested = smoke_test("listens", "well", "{port}", conditions=["offline", "cold"], skips="fail")
    assert tested.code == "check-failed"
    assert [outcome.state for outcome in tested.report.boot_results] == ["skipped", "passed"]


def has_a_route_to_the_internet() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        return outward.connect_ex(("192.0.2.1", 9)) == 0


def test_a_program_that_does_not_exist_cannot_be_launched_under_any_condition(tmp_path: Path) -> None:
    output = tmp_path / "log"
    output.touch()
    for condition in CONFINED:
        conditions.give_access(condition, root=tmp_path, tmp=tmp_path, pex_root=tmp_path, run=tmp_path)
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


def test_the_memory_of_a_short_command_is_known(smoke_test: SmokeTest) -> None:
    tested = smoke_test("commands", command=[{"args": ["--version"]}], conditions=["cold", "warm"])
    assert tested.code is None, tested.problem
    assert len(tested.report.sha256) == 64
    for outcome in tested.report.boot_results:
        assert 1_000_000 < (outcome.memory or 0) < 500_000_000
