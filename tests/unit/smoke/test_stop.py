"""The stop of a program, without a program."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import HERE, Network
from nox_pex.smoke.process.program import Exit, ProcessInfo
from nox_pex.smoke.stop import Stop, check_alive, ended_by_itself, left_processes, stop


class FakeProgram:
    """A program that runs until a signal, and ends a second after it with `status`. None: it never ends."""

    pid = 1
    started_at = 0.0
    owns_port = False
    network: Network = HERE
    uncontained = None
    environment: Mapping[str, str] = {}

    def __init__(self, status: int | None, *, running: bool = True, remaining: tuple[ProcessInfo, ...] = ()) -> None:
        self._status = status
        self._running = running
        self._remaining = remaining
        self.signals: list[int] = []

    def start(self) -> None:
        raise NotImplementedError

    def exited(self, *, within: float = 0.0) -> Exit | None:
        del within
        if self._running and not self.signals:
            return None
        return None if self._status is None else Exit(status=self._status, at=1.0)

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def tree(self) -> tuple[ProcessInfo, ...]:
        return self._remaining

    def owner(self, host: str, port: int) -> ports.Owner:
        raise NotImplementedError

    def end(self) -> int:
        raise NotImplementedError


def failure_code(program: FakeProgram) -> str | None:
    _, failure = stop(program, with_signal="TERM", timeout=0.0, exit_codes=(0, "TERM"))
    return None if failure is None else failure.code


@pytest.mark.parametrize(
    ("status", "code"),
    [(-15, None), (143, None), (0, None), (1, "stop-exit-code"), (-11, "crashed"), (None, "stop-timeout")],
)
def test_the_exit_status_after_the_signal_decides(status: int | None, code: str | None) -> None:
    program = FakeProgram(status)
    assert failure_code(program) == code
    assert program.signals == [15]


def test_a_stop_is_described_for_people() -> None:
    assert str(Stop(signal="TERM", status=-15, seconds=0.12)) == "stopped by SIGTERM in 0.1 s"
    assert str(Stop(signal="INT", status=None, seconds=10.0)) == "killed: still running 10.0 s after SIGINT"


def test_a_program_that_has_ended_before_has_crashed() -> None:
    program = FakeProgram(3, running=False)
    with pytest.raises(NoxPexError, match=r"ended \(exit status 3\) after the checks") as caught:
        check_alive(program, "after the checks")
    assert caught.value.code == "crashed"
    check_alive(FakeProgram(0), "after the checks")


def test_the_processes_that_are_left_are_named() -> None:
    left = tuple(ProcessInfo(pid=pid, command=f"worker {pid}") for pid in range(1, 6))
    error = left_processes("the program", left)
    assert error.problem.startswith("the program left 5 processes behind: worker 1 (pid 1), worker 2 (pid 2), ")
    assert error.problem.endswith(" and 2 more")
    assert left_processes("the program", left[:1]).problem == "the program left a process behind: worker 1 (pid 1)"
    ended = ended_by_itself("exited-early", FakeProgram(0, remaining=left[:1]), Exit(status=0, at=1.0), "at once")
    assert ended.problem == "the program ended (exit status 0) at once, and left worker 1 (pid 1) running"
