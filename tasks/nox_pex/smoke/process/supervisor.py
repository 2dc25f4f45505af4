"""Start one program, watch and measure it, and end it with everything that it started.

`program.py` runs this file in a separate process that has only the standard library. Both sides send JSON, one object
a line. First comes a description of the program, then orders (`signal`, `tree`, `end`). The supervisor answers with
`started`, `failed` or `refused`, and later with `exited`, `tree` and `ended`. If the program has a private network, the
supervisor is in that network too, and hands out sockets of it.

There are two reasons for a separate process. On Linux, daemons stay in the process tree only if one of their ancestors
is a child subreaper, and Nox itself must not become one, because it may run two programs at the same time. And the
supervisor outlives Nox: if its input ends or its parent changes, Nox was killed, and the supervisor then ends the tree
and removes the directory. Unlike a parent-death signal (prctl(2)), this does not depend on the thread that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if __name__ == "__main__":
    # The packages, without their `__init__.py`, because those import more than the standard library.
    for _name, _depth in (("nox_pex", 2), ("nox_pex.system", 2), ("nox_pex.smoke", 1), ("nox_pex.smoke.process", 0)):
        _package = ModuleType(_name)
        _package.__path__ = [str(Path(__file__).parents[_depth] / ("system" if _name == "nox_pex.system" else ""))]
        sys.modules[_name] = _package
    sys.dont_write_bytecode = True

from nox_pex.smoke.process import process_table, start
from nox_pex.smoke.process.process_table import ProcessRow

if TYPE_CHECKING:
    from nox_pex.smoke.process.pid_namespace import PidNamespace

_INPUT: Final = 0
"""The file descriptor of the orders."""
_OUTPUT: Final = 1
"""The file descriptor of the events."""
_SAMPLE_INTERVAL: Final = 0.1
"""The shortest time between two measurements of the tree's memory, in seconds."""
_MAXRSS: Final = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of `ru_maxrss` (getrusage(2))."""
_REST_FACTOR: Final = 20
"""After a measurement, the supervisor waits this many times as long as the measurement took."""
_END_TIMEOUT: Final = 10.0
"""Seconds to end a tree. Only a process that may not be killed needs more."""
_CLEANUP_TIMEOUT: Final = 15.0
"""Seconds that the `cleanup` command may take."""
_CHILD_SEARCH_TIMEOUT: Final = 1.0
"""Seconds in which a child that must exist is searched for. `/proc` may always hide the child of another user."""
_PR_SET_CHILD_SUBREAPER: Final = 36
_LINUX: Final = sys.platform == "linux"


def become_subreaper() -> bool:
    """Make this process the parent of its descendants' orphans. Return False if the system has no subreapers."""
    if not _LINUX:
        return False
    try:
        import ctypes  # noqa: PLC0415  # some builds of Python do not have it
    except ImportError:
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


class SupervisedProgram:
    """The program that `spec` describes, and its process tree."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._received = b""
        self._is_subreaper = become_subreaper()
        self._groups: set[int] = set()
        self._peak = 0
        self._sample_at = 0.0
        self._pid: int | None = None
        self._exited = False
        self._namespace: PidNamespace | None = None
        self._root = os.getpid()
        self._sockets: list[int] = [] if spec["sockets"] is None else [spec["sockets"]]

    def start(self) -> bool:
        """Start the program. Send an event that says so, or why the system refuses. Return whether it was started."""
        contain = self._spec["contain"] and self._is_subreaper
        event, self._namespace = start.start(self._spec, contain=contain, private=[_INPUT, _OUTPUT, *self._sockets])
        if self._namespace is not None:
            self._root = self._namespace.init
        if "started" in event:
            self._pid = event["started"]
            self._groups.add(event["started"])
        send_event(**event)
        return self._pid is not None

    def watch(self, parent: int) -> bool:
        """Follow orders, reap and measure until the order to end. Return False if Nox ended without giving it."""
        signalled, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self._reap()  # the processes that ended before the wakeup was set
        sockets = self._sockets
        while True:
            sources = [_INPUT, signalled, *sockets]
            if self._namespace is not None and self._namespace.fileno() != -1:
                sources.append(self._namespace.fileno())
            readable, _, _ = select.select(sources, [], [], _SAMPLE_INTERVAL)
            if signalled in readable:
                os.read(signalled, 4096)
            if sockets and sockets[0] in readable and not send_socket(sockets[0]):
                sockets.clear()
            self._reap()
            if _INPUT in readable:
                received = os.read(_INPUT, 65536)
                if not received:
                    return False
                if self._follow_orders(received):
                    return True
            if os.getppid() != parent:
                return False
            self._measure()

    def end(self) -> set[int]:
        """Run the `cleanup` command, then kill the tree until it is empty. Return what cannot be killed."""
        if self._spec["cleanup"]:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    self._spec["cleanup"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, timeout=_CLEANUP_TIMEOUT, check=False,
                )  # fmt: skip
        deadline = time.monotonic() + _END_TIMEOUT
        pause = 0.001
        while (members := self._to_kill()) and time.monotonic() < deadline:
            for pid in members:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        return members if self._namespace is None else self._members(process_table.processes())

    def _to_kill(self) -> set[int]:
        """Return the processes whose end ends the whole tree. The end of an init ends all processes below it."""
        if self._namespace is None:
            return self._living()
        self._reap()
        return set() if self._namespace.has_ended else {self._namespace.init}

    @property
    def peak(self) -> int:
        """The highest resident bytes: of the whole tree when it was measured, or of one process by itself."""
        return self._peak

    def _follow_orders(self, received: bytes) -> bool:
        """Follow the orders that are complete. Return whether one of them is to end."""
        *orders, self._received = (self._received + received).split(b"\n")
        for line in orders:
            try:
                order = dict(json.loads(line))
            except (ValueError, TypeError, RecursionError):
                continue  # the program, or another process of this user, has written to the pipe
            if "tree" not in order:
                self._sample_at = 0.0  # measure now: the order may make the tree smaller
                self._measure()
            if "end" in order:
                return True
            if "signal" in order and not self._exited and self._pid is not None:
                with contextlib.suppress(OSError, TypeError, ValueError):
                    os.kill(self._pid, order["signal"])
            if "tree" in order:
                send_event(tree=[[pid, process_table.command_line(pid)] for pid in sorted(self._living())])
        return False

    def _reap(self) -> bool:
        """Reap the children that have ended, and read the events of the init. Return whether a process may be left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                pid = -1
            if self._namespace is not None:
                for event in self._namespace.events(ended=pid in {-1, self._namespace.init}):
                    self._peak = max(self._peak, event.get("maxrss", 0) * _MAXRSS)
                    if "exited" in event:
                        self._note_exit(event["exited"], event["at"])
            if pid <= 0:
                return pid == 0 and not (self._namespace and self._namespace.is_empty)
            if self._namespace is None:
                # The kernel knows the peak of a process that ended before it was ever measured.
                self._peak = max(self._peak, usage.ru_maxrss * _MAXRSS)
                if pid == self._pid and not os.WIFSTOPPED(status):  # traced, and stopped (ptrace(2))
                    self._note_exit(os.waitstatus_to_exitcode(status), time.monotonic())

    def _note_exit(self, status: int, at: float) -> None:
        """Send the end of the program, once."""
        if not self._exited:
            self._exited = True
            send_event(exited=status, at=at)

    def _living(self) -> set[int]:
        """Return the tree. One listing of `/proc` can miss a process that forks and exits again and again."""
        deadline = time.monotonic() + _CHILD_SEARCH_TIMEOUT
        while True:
            members = self._members(process_table.processes())
            if members or not self._reap() or time.monotonic() > deadline:
                return members
            if members := process_table.children_of(self._root):
                return members

    def _members(self, table: Mapping[int, ProcessRow]) -> set[int]:
        members = process_table.descendants(table, self._root)
        if not self._is_subreaper:
            # Orphans leave the tree, but stay in their process group. So remember each group that the tree ever had.
            members |= {pid for pid, row in table.items() if row.group in self._groups}
            self._groups |= {table[pid].group for pid in members}
        return members

    def _measure(self) -> None:
        now = time.monotonic()
        if now < self._sample_at:
            return
        table = process_table.processes()
        self._peak = max(self._peak, sum(table[pid].resident for pid in self._members(table)))
        cost = time.monotonic() - now
        self._sample_at = now + max(_SAMPLE_INTERVAL, cost * _REST_FACTOR)


def send_event(**event: object) -> None:
    """Write one event. A broken pipe is ignored: `watch` notices that Nox has ended."""
    line = json.dumps(event).encode() + b"\n"
    with contextlib.suppress(BrokenPipeError):
        while line:
            line = line[os.write(_OUTPUT, line) :]


def send_socket(channel: int) -> bool:
    """Answer one request on `channel` for a TCP socket in this process's network. Return False if it is closed.

    A request is one byte, the address family. The socket stays in this network even if another process connects it.
    """
    import socket  # noqa: PLC0415  # slow to load, and only needed for a program with a private network

    with socket.socket(fileno=os.dup(channel)) as wire:
        request = wire.recv(1)
        if request:
            with socket.socket(socket.AddressFamily(request[0]), socket.SOCK_STREAM) as answer:
                socket.send_fds(wire, [request], [answer.fileno()])
        return bool(request)


def _read_spec() -> Any:
    """Return the description of the program, the first line of the input."""
    received = b""
    while not received.endswith(b"\n"):
        part = os.read(_INPUT, 65536)
        if not part:
            sys.exit(1)
        received += part
    return json.loads(received)


def main() -> None:
    """Run one program until the order to end, or until Nox has ended."""
    parent = os.getppid()
    # Empty handlers, because the program would inherit `SIG_IGN` or a signal mask.
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    spec = _read_spec()
    program = SupervisedProgram(spec)
    if not program.start():
        return
    ordered = program.watch(parent)
    unkillable = program.end()
    if ordered:
        send_event(ended=sorted(unkillable), peak=program.peak)
    elif spec["remove"]:
        from nox_pex.system.removal import remove  # noqa: PLC0415  # only needed if Nox was killed

        remove(Path(spec["remove"]))


if __name__ == "__main__":
    main()
