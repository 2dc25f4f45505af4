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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Final

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
_PS: Final = ("ps", "-o")
_CONFINE: Final = Path(__file__).with_name("confine.py")
_PID_NAMESPACE: Final = Path(__file__).with_name("pid_namespace.py")
_REMOVAL: Final = Path(__file__).parents[2] / "system" / "removal.py"


@dataclass(frozen=True)
class ProcessRow:
    """A living process: the id of its parent, its process group, and its resident bytes."""

    parent: int
    group: int
    resident: int


def become_subreaper() -> bool:
    """Make this process the parent of its descendants' orphans. Return False if the system has no subreapers."""
    if not _LINUX:
        return False
    try:
        import ctypes  # noqa: PLC0415  # some builds of Python do not have it
    except ImportError:
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def processes() -> dict[int, ProcessRow]:
    """Return all living processes of the machine by id. A zombie has no memory and cannot run, so it does not count."""
    return dict(_rows_of_proc() if _LINUX else _rows_of_ps())


def _rows_of_proc() -> Iterator[tuple[int, ProcessRow]]:
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # The process may have ended, or this user may not see it.
        with contextlib.suppress(OSError), (entry / "stat").open("rb") as file:
            stat = file.read()
            # The program's name is in parentheses, and may contain parentheses and spaces (proc(5)).
            fields = stat[stat.rindex(b")") + 2 :].split()
            if fields[0] not in {b"Z", b"X"}:
                yield int(entry.name), ProcessRow(int(fields[1]), int(fields[2]), int(fields[21]) * page)


def _rows_of_ps() -> Iterator[tuple[int, ProcessRow]]:
    argv = [*_PS, "pid=,ppid=,pgid=,rss=,stat=", "-A"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as ps:
        output = ps.communicate()[0]
    for line in output.splitlines():
        pid, parent, group, kilobytes, state = line.split()[:5]
        if int(pid) != ps.pid and not state.startswith("Z"):
            yield int(pid), ProcessRow(int(parent), int(group), int(kilobytes) * 1024)


def descendants(table: Mapping[int, ProcessRow], ancestor: int) -> set[int]:
    """Return the processes that `ancestor` started, and those that they started in turn."""
    children: dict[int, list[int]] = {}
    for pid, row in table.items():
        children.setdefault(row.parent, []).append(pid)
    found: set[int] = set()
    waiting = children.get(ancestor, [])
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, []))
    return found


def children_of(pid: int) -> set[int]:
    """Return the children of a process, read in one piece. Empty if the kernel does not list them (proc(5))."""
    try:
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))
    except OSError:
        return set()


def command_line(pid: int) -> str:
    """Return the command line of a process, or "" if the process has ended."""
    try:
        if _LINUX:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")).strip()
        argv = [*_PS, "command=", "-p", str(pid)]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _load_module(path: Path) -> ModuleType:
    from importlib.machinery import SourceFileLoader  # noqa: PLC0415  # not needed on every system

    sys.dont_write_bytecode = True
    module = ModuleType(path.stem)
    SourceFileLoader(path.stem, str(path)).exec_module(module)
    return module


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
        self._confinement: Any = None
        self._namespace: Any = None
        self._sockets: list[int] = [] if spec["sockets"] is None else [spec["sockets"]]

    def start(self) -> bool:
        """Start the program. Send an event that says so, or why the system refuses. Return whether it was started."""
        spec = self._spec
        if spec["confine"]:
            self._confinement = _load_module(_CONFINE).Confinement(spec["confine"])
        with contextlib.ExitStack() as stack:
            stdin, stdout = (
                stack.enter_context(Path(spec[name]).open(mode)) for name, mode in (("stdin", "rb"), ("stdout", "ab"))
            )
            stderr = stack.enter_context(Path(spec["stderr"]).open("ab")) if spec["stderr"] else stdout
            refusal = self._confinement.confine_supervisor() if self._confinement else None
            event = {"refused": refusal} if refusal is not None else self._launch_all([stdin, stdout, stderr])
        if "started" in event:
            self._pid = event["started"]
            self._groups.add(event["started"])
        send_event(**event)
        return self._pid is not None

    def _launch_all(self, streams: list[IO[bytes]]) -> dict[str, Any]:
        """Launch the program, if possible in a PID namespace. Return an event; `uncontained` says why it is in none."""
        if not self._spec["contain"] or not self._is_subreaper:
            return self._launch(streams)
        module, confine = _load_module(_PID_NAMESPACE), _load_module(_CONFINE)
        join = self._confinement.file_systems_of if self._confinement else None
        try:
            self._namespace = module.PidNamespace(
                confine,
                lambda announce: self._launch(streams, announce=announce),
                join=join,
                private=[_INPUT, _OUTPUT, *self._sockets],
            )
        except confine.RefusedError as refusal:
            if join is not None and not confine.shares_pid_namespace(join):
                return {"refused": str(refusal)}  # in its file systems, `/proc` would show other processes
            return {**self._launch(streams), "uncontained": str(refusal)}
        event: dict[str, Any] = self._namespace.launch()
        return event

    def _launch(self, streams: list[IO[bytes]], *, announce: Callable[[], None] | None = None) -> dict[str, Any]:
        """Launch the program as a child of this process. Return an event.

        `announce` is called in the child, if this process is the init of a PID namespace.
        """
        spec, confinement = self._spec, self._confinement
        stdin, stdout, stderr = streams

        def prepare() -> None:
            if announce is not None:
                announce()
            if confinement is not None:
                confinement.confine_program(entered=announce is not None)

        started = time.monotonic()
        try:
            # In a new session it has no terminal, and a signal to Nox's process group does not reach it.
            self._program = subprocess.Popen(
                spec["argv"], env=spec["env"], cwd=spec["cwd"], stdin=stdin, stdout=stdout, stderr=stderr,
                start_new_session=True,
                preexec_fn=prepare if confinement or announce else None,  # noqa: PLW1509  # there is one thread
            )  # fmt: skip
        except OSError as error:
            return {"failed": error.errno, "reason": error.strerror}
        except subprocess.SubprocessError:
            return {"refused": confinement.refusal if confinement else "the system refuses it"}
        return {"started": self._program.pid, "at": started}

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
        return members if self._namespace is None else self._members(processes())

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
            order = json.loads(line)
            if "tree" not in order:
                self._sample_at = 0.0  # measure now: the order may make the tree smaller
                self._measure()
            if "end" in order:
                return True
            if "signal" in order and not self._exited and self._pid is not None:
                with contextlib.suppress(OSError):
                    os.kill(self._pid, order["signal"])
            if "tree" in order:
                send_event(tree=[[pid, command_line(pid)] for pid in sorted(self._living())])
        return False

    def _reap(self) -> bool:
        """Reap the children that have ended, and read the events of the init. Return whether a process may be left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if self._namespace is not None:
                self._follow_namespace(ended=pid == self._namespace.init)
                if pid == 0:
                    return not self._namespace.is_empty
            elif pid == 0:
                return True
            else:
                # The kernel knows the peak of a process that ended before it was ever measured.
                self._peak = max(self._peak, usage.ru_maxrss * _MAXRSS)
                if pid == self._pid:
                    self._note_exit(os.waitstatus_to_exitcode(status), time.monotonic())

    def _follow_namespace(self, *, ended: bool) -> None:
        for event in self._namespace.events():
            self._peak = max(self._peak, event.get("maxrss", 0) * _MAXRSS)
            if "exited" in event:
                self._note_exit(event["exited"], event["at"])
        if ended:
            self._namespace.has_ended = self._namespace.is_empty = True
            self._note_exit(-signal.SIGKILL, time.monotonic())  # the kernel killed it with the init

    def _note_exit(self, status: int, at: float) -> None:
        """Send the end of the program, once."""
        if not self._exited:
            self._exited = True
            send_event(exited=status, at=at)

    def _living(self) -> set[int]:
        """Return the tree. One listing of `/proc` can miss a process that forks and exits again and again."""
        deadline = time.monotonic() + _CHILD_SEARCH_TIMEOUT
        while True:
            members = self._members(processes())
            if members or not self._reap() or time.monotonic() > deadline:
                return members
            if members := children_of(self._root):
                return members

    @property
    def _root(self) -> int:
        """The process that becomes the parent of the tree's orphans: the init, or this process."""
        return os.getpid() if self._namespace is None else self._namespace.init

    def _members(self, table: Mapping[int, ProcessRow]) -> set[int]:
        members = descendants(table, self._root)
        if not self._is_subreaper:
            # Orphans leave the tree, but stay in their process group. So remember each group that the tree ever had.
            members |= {pid for pid, row in table.items() if row.group in self._groups}
            self._groups |= {table[pid].group for pid in members}
        return members

    def _measure(self) -> None:
        now = time.monotonic()
        if now < self._sample_at:
            return
        table = processes()
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
        _load_module(_REMOVAL).remove(Path(spec["remove"]))


if __name__ == "__main__":
    main()
