"""Start a program under a supervisor process, and follow what becomes of it.

`supervisor.py` is the other end of the pipe: it starts the program, measures it and ends it with all its children.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.confinement import Confinement, RootConfinement
from nox_pex.smoke.process.events import Event, damaged_events, supervisor_gone
from nox_pex.smoke.process.launch_failure import launch_failed
from nox_pex.smoke.process.network import HERE, Network

_SUPERVISOR: Final = Path(__file__).with_name("supervisor.py")


_REPLY_TIMEOUT: Final = 30.0
"""Seconds in which the supervisor must reply. On a loaded machine, ending a thousand processes takes some of them."""


_LONGEST_EVENT: Final = 1024
"""The number of reads, of at most 64 KiB each, that one event may take."""


_NAMED: Final = 3
"""The number of processes that a message names."""


_PASSED: Final = frozenset(
    {"LANG", "LANGUAGE", "LOGNAME", "PATH", "PYENV_ROOT", "PYENV_VERSION", "SHELL", "TZ", "USER"},
)
"""The variables of every login, and those with which the shims of pyenv find an interpreter."""


def clean_environment(
    environ: Mapping[str, str], *, pass_env: Sequence[str] = (), home: Path, pex_root: Path, tmp: Path
) -> dict[str, str]:
    """Return the environment of a program under test: that of a new login, without the variables of this session.

    It is an allow-list, because a binary that needs more must say so with `pass_env`. It drops `PYTHON*`,
    `VIRTUAL_ENV`, `PEX_*`, `PIP_*` and proxies, and the `PATH` entries that are relative or belong to a virtual
    environment. `home`, `pex_root` and `tmp` are private to the program, so no `.pexrc` is read.
    """
    env = {name: value for name, value in environ.items() if name in _PASSED or name.startswith("LC_")}
    env["PATH"] = os.pathsep.join(
        entry for entry in environ.get("PATH", os.defpath).split(os.pathsep) if _is_system_directory(Path(entry))
    )
    env |= {"HOME": str(home), "PEX_ROOT": str(pex_root), "TMPDIR": str(tmp)}
    return env | {name: environ[name] for name in pass_env if name in environ}


def _is_system_directory(entry: Path) -> bool:
    return entry.is_absolute() and not os.path.exists(entry.parent / "pyvenv.cfg")  # noqa: PTH110  # `Path.exists` raises if it is denied


class Command(Struct, frozen=True, kw_only=True):
    """A command line, its environment and directory, and the files that it reads and writes.

    `stderr` None means that standard error goes to `stdout`. `cleanup` is a command line that is run before the
    remaining processes of the program are killed, even if this process was killed.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    stdout: Path
    stderr: Path | None = None
    stdin: Path = Path(os.devnull)
    cleanup: tuple[str, ...] = ()


class UnavailableError(Exception):
    """This machine cannot run a program under the condition. The text says why."""


class Exit(Struct, frozen=True, kw_only=True):
    """The end of a program: `status` is -N after signal N, `at` is in seconds on the monotonic clock."""

    status: int
    at: float

    def __str__(self) -> str:
        return describe_status(self.status)


def describe_status(status: int) -> str:
    """Return an exit status for people: `exit status 1`, `SIGSEGV`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


class ProcessInfo(Struct, frozen=True, kw_only=True):
    """One process of a tree: its id, and its command line or "" if it is unknown."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command[:80] or 'a process'} (pid {self.pid})"


def describe_processes(processes: Iterable[ProcessInfo]) -> str:
    """Return the first few processes for people, and the number of the others."""
    every = list(processes)
    text = ", ".join(str(process) for process in every[:_NAMED])
    return text if len(every) <= _NAMED else f"{text} and {len(every) - _NAMED} more"


class RunningProgram(Protocol):
    """A program under test with all the processes that it starts, from `start` to `end`."""

    @property
    def pid(self) -> int:
        """The process id, on this machine, of the program or of the client that runs it."""
        ...

    @property
    def started_at(self) -> float:
        """The time of the start, in seconds on the monotonic clock."""
        ...

    @property
    def owns_port(self) -> bool:
        """Whether no other program can answer at the program's addresses."""
        ...

    @property
    def network(self) -> Network:
        """The network in which the program's addresses are reached."""
        ...

    @property
    def uncontained(self) -> str | None:
        """The reason why the kernel gave the started program no PID namespace; None if it has one, or needs none."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the program; empty if the process `pid` does not become the program."""
        ...

    def start(self) -> None:
        """Start the program."""
        ...

    def exited(self, *, within: float = 0.0) -> Exit | None:
        """Return how the program ended, as soon as it has; None if it still runs after `within` seconds."""
        ...

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        ...

    def tree(self) -> tuple[ProcessInfo, ...]:
        """Return the living processes of the program."""
        ...

    def owner(self, host: str, port: int) -> ports.Owner:
        """Return who owns the listener that a connection to the address would reach."""
        ...

    def end(self) -> int | None:
        """Kill the remaining processes. Return the highest resident memory in bytes, None if it is unknown."""
        ...


@final
class Program:
    """A program on this machine with all the processes that it starts.

    `end` must be called after `start`, even if `start` raised. `remove` is a directory that the supervisor removes if
    this process is killed. `not_started` returns the error for a program, an errno and its text, if the system cannot
    start it. `started_at` is in seconds on the monotonic clock.
    """

    pid: int
    started_at: float
    owns_port: bool = False

    def __init__(
        self,
        command: Command,
        *,
        remove: Path | None = None,
        confinement: Confinement | RootConfinement | None = None,
        contain: bool = True,
        not_started: Callable[[Path, int, str], NoxPexError] = launch_failed,
    ) -> None:
        self.uncontained: str | None = None
        self._contain = contain
        self._not_started = not_started
        self._command = command
        self._confinement = confinement
        self._channel: socket.socket | None = None
        self._remove = remove
        self._received: list[bytes] = []
        self._exit: Exit | None = None
        self._peak: int | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program.

        Raises `NoxPexError`: `launch-failed` if the system cannot start it. Raises `UnavailableError` if the system
        cannot confine it.
        """
        if self._confinement is not None and sys.platform != "linux":
            msg = "only Linux supports this condition"
            raise UnavailableError(msg)
        with contextlib.ExitStack() as stack:
            supervisor_end: socket.socket | None = None
            if self._confinement is not None and self._confinement.private_network:
                self._channel, supervisor_end = socket.socketpair()
                stack.enter_context(supervisor_end)
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", str(_SUPERVISOR)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                pass_fds=() if supervisor_end is None else (supervisor_end.fileno(),),
                start_new_session=True,  # Ctrl-C must reach only Nox, which then orders the end
            )  # fmt: skip
            channel = None if supervisor_end is None else supervisor_end.fileno()
        command = self._command
        self._send(
            argv=command.argv,
            env=dict(command.env),
            cwd=str(command.cwd),
            stdin=str(command.stdin),
            stdout=str(command.stdout),
            stderr=str(command.stderr) if command.stderr else None,
            remove=str(self._remove) if self._remove else None,
            cleanup=command.cleanup,
            contain=self._contain,
            confine=self._confinement and self._confinement.spec(cwd=command.cwd),
            sockets=channel,
        )
        event = self._await("started", "failed", "refused")
        if event.refused is not None:
            raise UnavailableError(event.refused)
        if event.failed is not None:
            raise self._not_started(Path(command.argv[0]), event.failed, event.reason)
        assert event.started is not None  # noqa: S101  # tells mypy: it is none of the other two
        assert event.at is not None  # noqa: S101  # tells mypy: `parse` requires it
        self.pid, self.started_at, self.uncontained = event.started, event.at, event.uncontained

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the program."""
        return self._command.env

    @property
    def network(self) -> Network:
        """The network in which the started program's addresses are reached."""
        if self._channel is None or self._supervisor is None:
            return HERE
        return Network(tables=Path(f"/proc/{self._supervisor.pid}/net"), create_socket=self._create_socket)

    def exited(self, *, within: float = 0.0) -> Exit | None:
        """Return how the program ended, as soon as it has; None if it still runs after `within` seconds."""
        deadline = time.monotonic() + within
        while self._exit is None:
            event = self._receive(deadline - time.monotonic())
            if event is None:
                break
        return self._exit

    def signal(self, number: int) -> None:
        """Send a signal to the program, but not to its children, as a container engine does."""
        self._send(signal=number)

    def tree(self) -> tuple[ProcessInfo, ...]:
        """Return the living processes of the tree: the program and everything that it started, including daemons."""
        self._send(tree=True)
        members = self._await("tree").tree
        return tuple(ProcessInfo(pid=pid, command=command) for pid, command in members or ())

    def owner(self, host: str, port: int) -> ports.Owner:
        """Return who owns the listener that a connection to the address would reach."""
        return ports.owner(host, port, lambda: [member.pid for member in self.tree()], self.network)

    def end(self) -> int:
        """Kill the remaining processes of the tree, and return its highest resident bytes. May be called again."""
        if self._supervisor is None:
            return self._peak or 0
        supervisor, reply = self._supervisor, None
        with contextlib.suppress(NoxPexError):
            self._send(end=True)
            reply = self._await("ended")
        if reply is None and self._exit is None and hasattr(self, "pid"):
            # The supervisor was killed. Only the program's own process group can still be found.
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self._supervisor = None
        if self._channel is not None:
            self._channel.close()
        self._peak = reply.peak if reply else 0
        for pipe in (supervisor.stdin, supervisor.stdout):
            if pipe is not None:
                pipe.close()
        if reply is None:
            supervisor.kill()
        supervisor.wait()
        return self._peak or 0

    def _create_socket(self, family: int) -> socket.socket:
        """Return a TCP socket in the program's network. Raises `OSError`."""
        assert self._channel is not None  # noqa: S101  # tells mypy: `network` uses this method only if there is one
        self._channel.settimeout(_REPLY_TIMEOUT)
        self._channel.sendall(bytes([family]))
        _, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        if not descriptors:
            raise supervisor_gone()
        return socket.socket(fileno=descriptors[0])

    def _send(self, **order: object) -> None:
        assert self._supervisor is not None  # noqa: S101  # tells mypy: only called after `start`
        assert self._supervisor.stdin is not None  # noqa: S101  # tells mypy: it is a pipe
        line = json.dumps(order).encode() + b"\n"
        try:
            while line:
                line = line[self._supervisor.stdin.write(line) :]
        except OSError:
            raise supervisor_gone() from None

    def _await(self, *keys: str) -> Event:
        """Return the next event with one of `keys`."""
        deadline = time.monotonic() + _REPLY_TIMEOUT
        while event := self._receive(deadline - time.monotonic(), damaged="ended" in keys):
            if any(getattr(event, key) is not None for key in keys):
                return event
        raise supervisor_gone()

    def _receive(self, seconds: float, *, damaged: bool = False) -> Event | None:
        """Return the next event, or None if there is none within `seconds`.

        Raises `NoxPexError` `crashed` if the supervisor has ended, or unless `damaged`, if a line is not from it.
        """
        assert self._supervisor is not None  # noqa: S101  # tells mypy: only called after `start`
        assert self._supervisor.stdout is not None  # noqa: S101  # tells mypy: it is a pipe
        deadline = time.monotonic() + seconds
        while not self._received or b"\n" not in self._received[-1]:
            with selectors.DefaultSelector() as selector:
                selector.register(self._supervisor.stdout, selectors.EVENT_READ)
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
            # One call, because a signal may raise between two: then a part that was read would be lost.
            self._received.extend(map(self._supervisor.stdout.read, (65536,)))
            if not self._received[-1]:
                raise supervisor_gone()
            if len(self._received) > _LONGEST_EVENT:
                self._received[:-1] = [b"too long"]
        line, _, rest = b"".join(self._received).partition(b"\n")
        event = Event.parse(line)
        if event.exited is not None and event.at is not None:
            self._exit = Exit(status=event.exited, at=event.at)
        self._received[:] = [rest] if rest else []  # at last: if a signal raises before, the event comes again
        if event.damaged and not damaged:
            raise damaged_events()
        return event
