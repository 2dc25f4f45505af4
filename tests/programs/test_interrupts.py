"""A signal at each point of a smoke test at which Python runs the handlers of signals.

The program and the commands of the project are doubles, so each run passes the same points.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest

from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.smoke import boot, checking, condition, own_commands, run, workspace
from nox_pex.smoke import smoke_test as smoke_test_module
from nox_pex.smoke.plan import Boot, Options
from nox_pex.smoke.process import interrupts
from nox_pex.smoke.process.network import HERE, Network
from nox_pex.smoke.process.ports import Owner
from nox_pex.smoke.process.program import Exit, ProcessInfo, RunningProgram
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.workspace import Workspace
from nox_pex.system import command, files, locks
from nox_pex.system.secrets import Secrets
from tests.support.targets import target_of

EVENTS = frozenset({"call", "return", "c_return"})
MODULES = (
    *(boot, checking, command, condition, contextlib, files, interrupts, locks, own_commands, run, signal),
    *(smoke_test_module, workspace),
)
FILES = frozenset({__file__, *(str(module.__file__) for module in MODULES)})
DEPTH = 3
Point = tuple[object, ...]
Run = Callable[[Callable[[Point], object]], None]

SETTINGS = {
    "before": [["prepare"]],
    "tcp": [{"port": "{port}"}],
    "command": [{"args": []}],
    "after": [["clean", "up"]],
    "conditions": ["cold"],
}


class EndedError(BaseException):
    """The handler of SIGTERM raises it in this test."""


def end(*_: object) -> None:
    raise EndedError


class FakeProgram:
    """A program that is in `running` from its start to its end. A server ends at a signal, a command at once.

    Like a real one it cannot be ended if its start was interrupted before it had noted what it started.
    """

    pid = 1
    started_at = 0.0
    owns_port = True
    network: Network = HERE
    uncontained = None
    environment: Mapping[str, str] = {}

    def __init__(self, running: list[object], *, server: bool) -> None:
        self._running = running
        self._started = False
        self._ended = not server

    def start(self) -> None:
        self._running.append(self)
        self._started = True

    def exited(self, *, within: float = 0.0) -> Exit | None:
        del within
        return Exit(status=0, at=time.monotonic()) if self._ended else None

    def signal(self, number: int) -> None:
        del number
        self._ended = True

    def tree(self) -> tuple[ProcessInfo, ...]:
        return ()

    def owner(self, host: str, port: int) -> Owner:
        del host, port
        return "ours"

    def end(self) -> None:
        if self._started:
            self._running.remove(self)


class FakeRunner:
    def __init__(self, space: Workspace, running: list[object]) -> None:
        self._space = space
        self._running = running

    def prepare(self, boot: Boot) -> Path:
        return self._space.state(boot.state).base

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> FakeProgram:
        del alongside
        return FakeProgram(self._running, server=launch.stderr is None)

    def explain(self, error: Exception, program: RunningProgram) -> Any:
        raise NotImplementedError

    def by_hand(self, launch: LaunchSpec, secrets: Secrets) -> str:
        raise NotImplementedError


class FakeProcess:
    """A command of the project, which is in `running` until it has ended. It ends at the second look at it."""

    running: list[object]

    def __init__(self, argv: tuple[str, ...], **_: object) -> None:
        del argv
        self.returncode: int | None = None
        self._looks = count()
        self.running.append(self)

    def poll(self) -> int | None:
        return self.wait() if next(self._looks) else None

    def kill(self) -> None:
        self.wait()

    def wait(self, timeout: float | None = None) -> int:
        if timeout is not None:
            raise subprocess.TimeoutExpired([], timeout)
        if self.returncode is None:
            self.returncode = 0
            self.running.remove(self)
        return self.returncode


def point(frame: FrameType, event: str) -> Point:
    """Return the event, its instruction, and the instructions of the calls in the smoke test that led to it."""
    found: list[object] = [event]
    caller: FrameType | None = frame
    while caller is not None and caller.f_code.co_name != "run_once" and len(found) <= DEPTH:
        found.append((caller.f_code, caller.f_lasti))
        caller = caller.f_back
    return tuple(found)


@pytest.fixture
def handlers() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, end)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def smoke_test(tmp_path: Path, temporary: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a smoke test of doubles, and check that nothing is left as soon as its exception comes out.

    The run calls its argument with each point at which Python would run the handler of a signal.
    """
    running: list[object] = []
    monkeypatch.setattr(FakeProcess, "running", running, raising=False)
    monkeypatch.setattr("nox_pex.system.command.subprocess.Popen", FakeProcess)
    monkeypatch.setattr("nox_pex.smoke.own_commands.time.sleep", lambda _: None)
    monkeypatch.setattr("nox_pex.smoke.process.ports.accepts_connections", lambda *_: False)
    for module in ("signs", "checks.http_client"):
        monkeypatch.setattr(f"nox_pex.smoke.{module}.connect", lambda *_, **__: None)
    binary = tmp_path / "program.pex"
    binary.touch()
    settings = msgspec.convert(SETTINGS, Smoke)
    subject = run.Subject(
        target=target_of(binary, root=project), file=binary, size=0, boots=(Boot(condition="cold", state="cold"),)
    )

    def run_once(see: Callable[[Point], object]) -> None:
        def look(frame: FrameType, event: str, _: Any) -> None:
            if event in EVENTS and frame.f_code.co_filename in FILES and frame.f_code.co_name != "run_once":
                see(point(frame, event))

        try:
            sys.setprofile(look)
            report = run.run_with(
                lambda space, *_: FakeRunner(space, running),
                subject=subject,
                smoke=settings,
                budget=Budget(),
                environ=os.environ,
                secrets=Secrets(),
                options=Options(port=1),  # nothing listens on it, but the choice of a free port would be random
                say=lambda _: None,
            )
            sys.setprofile(None)
            assert report.failure is None
        finally:
            sys.setprofile(None)
            assert running == []
            assert list(temporary.iterdir()) == []

    return run_once


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("number", "exception", "first"),
    [(signal.SIGINT, KeyboardInterrupt, 0), (signal.SIGTERM, EndedError, 1)],
)
def test_no_signal_is_lost_at_any_point(
    number: int, exception: type[BaseException], first: int, smoke_test: Run
) -> None:
    points: dict[Point, None] = {}
    smoke_test(lambda _: None)  # the first run also fills caches, so it passes other points
    smoke_test(points.setdefault)
    assert points
    for wanted in list(points)[first::2]:  # the points take turns, because each one takes a run
        sent: list[Point] = []

        def see(seen: Point, wanted: Point = wanted, sent: list[Point] = sent) -> None:
            if seen == wanted:
                sys.setprofile(None)
                sent.append(seen)
                signal.raise_signal(number)

        raised: type[BaseException] | None = None
        try:
            smoke_test(see)
        except (KeyboardInterrupt, EndedError) as error:
            raised = type(error)
        assert sent == [wanted]
        assert raised is exception, wanted
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is end
