"""One program on a leash: started, watched, measured and, with all that it starts, ended.

`process` runs this file as a process of its own with the standard library alone, and the two talk in JSON, a line each:
first what to run, then orders (`signal`, `tree`, `end`); back come `started`, `failed` or `refused`, then `exited`,
`tree`, `ended`. Where the program has a network of its own, so has this process, and it hands out sockets of it.

A process of its own, because daemons stay in the tree only of a child subreaper (Linux), which Nox itself must not
become: two programs may run beside each other there. And because it outlives Nox: when its input ends, or its parent is
another, Nox was killed, and then it ends the tree and removes the directory. Other than with a parent-death signal, it
does not matter which of Nox's threads started it.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import ModuleType

_INPUT: Final = 0
_OUTPUT: Final = 1
_SAMPLE: Final = 0.1
"""Seconds between two looks at the tree's memory, at least."""
_MAXRSS: Final = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of `ru_maxrss` (getrusage(2))."""
_LEISURE: Final = 20
"""A look at the tree may cost at most one part in so many of the time."""
_END: Final = 10.0
"""Seconds to end a tree: more than enough for all but a process that may not be killed."""
_CLEANUP_TIMEOUT: Final = 15.0
"""Seconds that a cleanup may take."""
_GLANCE: Final = 1.0
"""Seconds in which a child that must be there is looked for; one of another user may be hidden for good."""
_PR_SET_CHILD_SUBREAPER: Final = 36
_LINUX: Final = sys.platform == "linux"
_PS: Final = ("ps", "-o")
_CONFINE: Final = Path(__file__).with_name("confine.py")


@dataclass(frozen=True)
class Row:
    """One living process: its parent, its process group, its resident bytes."""

    parent: int
    group: int
    resident: int


def become_subreaper() -> bool:
    """Makes this process the parent of its descendants' orphans. False where the system has no such thing."""
    if not _LINUX:
        return False
    try:
        import ctypes  # noqa: PLC0415  # absent from some builds of Python
    except ImportError:
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def processes() -> dict[int, Row]:
    """All processes of the machine that live; a zombie holds nothing and can do nothing."""
    return dict(_rows_of_proc() if _LINUX else _rows_of_ps())


def _rows_of_proc() -> Iterator[tuple[int, Row]]:
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # the process may be gone by now, or its directory hidden from us
        with contextlib.suppress(OSError), (entry / "stat").open("rb") as file:
            stat = file.read()
            # the program's name stands in brackets, and may hold brackets and blanks
            fields = stat[stat.rindex(b")") + 2 :].split()
            if fields[0] not in {b"Z", b"X"}:
                yield int(entry.name), Row(int(fields[1]), int(fields[2]), int(fields[21]) * page)


def _rows_of_ps() -> Iterator[tuple[int, Row]]:
    argv = [*_PS, "pid=,ppid=,pgid=,rss=,stat=", "-A"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as ps:
        output = ps.communicate()[0]
    for line in output.splitlines():
        pid, parent, group, kilobytes, state = line.split()[:5]
        if int(pid) != ps.pid and not state.startswith("Z"):
            yield int(pid), Row(int(parent), int(group), int(kilobytes) * 1024)


def descendants(table: Mapping[int, Row], ancestor: int) -> set[int]:
    """The processes that `ancestor` started, and those that they started, without itself."""
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


def own_children() -> set[int]:
    """This process's children, asked for at once rather than process by process. Empty where the kernel cannot tell."""
    try:
        return set(map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()))
    except OSError:
        return set()


def command_line(pid: int) -> str:
    """What a person calls the process: its command line, or nothing when it is gone."""
    try:
        if _LINUX:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")).strip()
        argv = [*_PS, "command=", "-p", str(pid)]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


class _Confinement:
    """What `spec["confine"]` takes from the program. `refusal` is why the system does not, as far as is known."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._module = _loaded("confine", _CONFINE)
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)

    def around_us(self) -> str | None:
        """Enters what this process shares with the program. Returns the refusal."""
        if self._spec["kind"] == "offline":
            try:
                self._module.own_network(self._spec["join"])
            except self._module.RefusedError as refusal:
                return str(refusal)
        return None

    def around_program(self) -> None:
        """What runs in the child, just before it becomes the program: an exception's words do not get out of there."""
        try:
            self._module.confine(self._spec)
        except (self._module.RefusedError, OSError) as refusal:
            os.write(self._writer, str(refusal).encode(errors="replace"))
            raise

    @property
    def refusal(self) -> str:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._reader, 4096).decode()
        return "the system refuses it"


def _loaded(name: str, path: Path) -> ModuleType:
    from importlib import util  # noqa: PLC0415  # for those programs alone that are confined

    spec = util.spec_from_file_location(name, path)
    assert spec is not None  # noqa: S101  # tells mypy: the file is Python's
    assert spec.loader is not None  # noqa: S101  # likewise
    module = util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


class Leash:
    """The program that `spec` describes, and its tree."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._orders = b""
        self._adopts = become_subreaper()
        self._groups: set[int] = set()
        self._peak = 0
        self._sample_at = 0.0
        self._pid: int | None = None
        self._gone = False

    def start(self) -> bool:
        """Starts the program. False, with an event that says why, when the system refuses."""
        spec = self._spec
        confinement = _Confinement(spec["confine"]) if spec["confine"] else None
        with contextlib.ExitStack() as stack:
            stdin, stdout = (
                stack.enter_context(Path(spec[name]).open(mode)) for name, mode in (("stdin", "rb"), ("stdout", "ab"))
            )
            stderr = stack.enter_context(Path(spec["stderr"]).open("ab")) if spec["stderr"] else stdout
            refusal = confinement.around_us() if confinement else None
            if refusal is not None:
                tell(refused=refusal)
                return False
            started = time.monotonic()
            try:
                # A session of its own: no terminal, and no signal to Nox's group reaches it.
                self._program = subprocess.Popen(
                    spec["argv"], env=spec["env"], cwd=spec["cwd"], stdin=stdin, stdout=stdout, stderr=stderr,
                    start_new_session=True,
                    # There is one thread here, and so none that could hold a lock in the child.
                    preexec_fn=confinement.around_program if confinement else None,  # noqa: PLW1509
                )  # fmt: skip
            except OSError as error:
                tell(failed=error.errno, reason=error.strerror)
                return False
            except subprocess.SubprocessError:
                tell(refused=confinement.refusal if confinement else "")
                return False
        self._pid = self._program.pid
        self._groups.add(self._pid)
        tell(started=self._pid, at=started)
        return True

    def watch(self, parent: int) -> bool:
        """Obeys, reaps and measures until the order to end. False when Nox went away without one."""
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._reap()  # whatever ended before the wake-up was set
        sockets = [self._spec["sockets"]] if self._spec["sockets"] is not None else []
        while True:
            readable, _, _ = select.select([_INPUT, woken, *sockets], [], [], _SAMPLE)
            if woken in readable:
                os.read(woken, 4096)
            if sockets and sockets[0] in readable and not hand_out_socket(sockets[0]):
                sockets.clear()
            self._reap()
            if _INPUT in readable:
                received = os.read(_INPUT, 65536)
                if not received:
                    return False
                if self._obey(received):
                    return True
            if os.getppid() != parent:
                return False
            self._measure()

    def end(self) -> set[int]:
        """Run the cleanup, then kill the tree until nothing of it is left; returns what may not be killed."""
        if self._spec["cleanup"]:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(
                    self._spec["cleanup"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, timeout=_CLEANUP_TIMEOUT, check=False,
                )  # fmt: skip
        deadline = time.monotonic() + _END
        pause = 0.001
        while (members := self._living()) and time.monotonic() < deadline:
            for pid in members:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        return members

    @property
    def peak(self) -> int:
        """The highest sum of resident bytes that the tree was seen to have, or that one process of it had."""
        return self._peak

    def _obey(self, received: bytes) -> bool:
        *orders, self._orders = (self._orders + received).split(b"\n")
        for line in orders:
            order = json.loads(line)
            if "tree" not in order:
                self._sample_at = 0.0  # whatever comes next may make the tree smaller
                self._measure()
            if "end" in order:
                return True
            if "signal" in order and not self._gone and self._pid is not None:
                with contextlib.suppress(OSError):
                    os.kill(self._pid, order["signal"])
            if "tree" in order:
                tell(tree=[[pid, command_line(pid)] for pid in sorted(self._living())])
        return False

    def _reap(self) -> bool:
        """Takes note of who has ended. Returns whether a child is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            # A command that ends before anyone looks has its own peak noted by the system.
            self._peak = max(self._peak, usage.ru_maxrss * _MAXRSS)
            if pid == self._pid and not self._gone:
                self._gone = True
                self._program.returncode = os.waitstatus_to_exitcode(status)
                tell(exited=self._program.returncode, at=time.monotonic())

    def _living(self) -> set[int]:
        """The tree, certainly: one that forks on and on and ends each time is easily missed by a look at `/proc`."""
        deadline = time.monotonic() + _GLANCE
        while True:
            members = self._members(processes())
            if members or not self._reap() or time.monotonic() > deadline:
                return members
            if members := own_children():
                return members

    def _members(self, table: Mapping[int, Row]) -> set[int]:
        members = descendants(table, os.getpid())
        if not self._adopts:
            # Orphans leave the tree here, but not their process group: remember each group that the tree ever had.
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
        self._sample_at = now + max(_SAMPLE, cost * _LEISURE)


def tell(**event: object) -> None:
    """Writes one event, if anybody still listens: that Nox is gone shows elsewhere."""
    line = json.dumps(event).encode() + b"\n"
    with contextlib.suppress(BrokenPipeError):
        while line:
            line = line[os.write(_OUTPUT, line) :]


def hand_out_socket(channel: int) -> bool:
    """Answers one request on the `channel` for a TCP socket of this process's network. False at the channel's end.

    A request is a byte, the address family. The socket stays in this network whoever connects it.
    """
    import socket  # noqa: PLC0415  # slow to load

    with socket.socket(fileno=os.dup(channel)) as wire:
        request = wire.recv(1)
        if request:
            with socket.socket(socket.AddressFamily(request[0]), socket.SOCK_STREAM) as made:
                socket.send_fds(wire, [request], [made.fileno()])
        return bool(request)


def _what_to_run() -> Any:
    received = b""
    while not received.endswith(b"\n"):
        part = os.read(_INPUT, 65536)
        if not part:
            sys.exit(1)
        received += part
    return json.loads(received)


def main() -> None:
    """Runs one program until the order to end, or until Nox is gone."""
    parent = os.getppid()
    # Handlers instead of `SIG_IGN`, which the program would inherit, as it would a mask.
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    spec = _what_to_run()
    leash = Leash(spec)
    if not leash.start():
        return
    ordered = leash.watch(parent)
    left = leash.end()
    if ordered:
        tell(ended=sorted(left), peak=leash.peak)
    elif spec["remove"]:
        import shutil  # noqa: PLC0415  # 20 ms, and only after Nox was killed

        shutil.rmtree(spec["remove"], ignore_errors=True)


if __name__ == "__main__":
    main()
