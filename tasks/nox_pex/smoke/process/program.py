"""Starts a program on a leash, and knows what becomes of it. `supervisor` is the other end of the leash."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, final

from nox_pex.errors import NoxPexError
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import HERE, Network

_SUPERVISOR: Final = Path(__file__).with_name("supervisor.py")


_REPLY: Final = 30.0
"""Seconds in which the supervisor answers; on a loaded machine it may take some to end a thousand processes."""


_NAMED: Final = 3


_PASSED: Final = frozenset(
    {"LANG", "LANGUAGE", "LOGNAME", "PATH", "PYENV_ROOT", "PYENV_VERSION", "SHELL", "TZ", "USER"},
)
"""What every login has, and what the shims of pyenv need to find an interpreter."""


def scrubbed(
    environ: Mapping[str, str], *, pass_env: Sequence[str] = (), home: Path, pex_root: Path, tmp: Path
) -> dict[str, str]:
    """The environment of a program under test: what any new login would have, and nothing of this session.

    An allow-list, since a binary that needs more than this must say so with `pass_env`. So neither `PYTHON*`,
    `VIRTUAL_ENV`, `PEX_*`, `PIP_*` and the like get through, nor proxies, nor a `PATH` entry of a virtual environment
    or of the current directory. `HOME`, `PEX_ROOT` and `TMPDIR` are the program's own, so no `.pexrc` is read.
    """
    env = {name: value for name, value in environ.items() if name in _PASSED or name.startswith("LC_")}
    env["PATH"] = os.pathsep.join(
        entry for entry in environ.get("PATH", os.defpath).split(os.pathsep) if _is_system_directory(Path(entry))
    )
    env |= {"HOME": str(home), "PEX_ROOT": str(pex_root), "TMPDIR": str(tmp)}
    return env | {name: environ[name] for name in pass_env if name in environ}


def _is_system_directory(entry: Path) -> bool:
    return entry.is_absolute() and not (entry.parent / "pyvenv.cfg").exists()


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run, where, and the files that it reads and writes. `stderr` is `stdout` when it is None.

    `cleanup` is run before what is left of the program is killed, also where this very process was killed.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    stdout: Path
    stderr: Path | None = None
    stdin: Path = Path(os.devnull)
    cleanup: tuple[str, ...] = ()


class UnavailableError(Exception):
    """This machine cannot confine a program like that; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What is taken from a program, as `confine` does it on Linux.

    `offline`: any network but a loopback of its own. `read-only`: any place to write to, but a `/tmp` of `tmp_bytes`
    and the directories `writable`. `unprivileged`: its user; it becomes `user`. The directories `kept` stay in sight
    whatever is put before them. `join` is a running program that was confined in this way: this one then shares its
    network or its file systems.
    """

    kind: Literal["offline", "read-only", "unprivileged"]
    user: int
    tmp_bytes: int
    kept: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    join: int | None = None


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How the program ended: `status` is -N after signal N, `at` the monotonic clock's seconds."""

    status: int
    at: float

    def __str__(self) -> str:
        return describe_status(self.status)


def describe_status(status: int) -> str:
    """An exit status in words: `exit status 1`, `SIGSEGV`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


@dataclass(frozen=True)
class ProcessInfo:
    """One process of a tree."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command[:80] or 'a process'} (pid {self.pid})"


def named(members: Iterable[ProcessInfo]) -> str:
    """Processes for a person: the first few, and how many more there are."""
    every = list(members)
    text = ", ".join(str(member) for member in every[:_NAMED])
    return text if len(every) <= _NAMED else f"{text} and {len(every) - _NAMED} more"


class RunningProgram(Protocol):
    """A program under test with all that it starts, wherever that is, from `start` to `end`."""

    @property
    def pid(self) -> int:
        """The process of this machine that stands for it."""
        ...

    @property
    def started_at(self) -> float:
        """Seconds on the monotonic clock."""
        ...

    @property
    def owns_port(self) -> bool:
        """Whether nobody else can answer at the addresses that it was given."""
        ...

    @property
    def network(self) -> Network:
        """Where its addresses are reached."""
        ...

    def start(self) -> None:
        """Starts it."""
        ...

    def exited(self, *, within: float = 0.0) -> Exit | None:
        """How it ended, as soon as it has; None when it has not, `within` so many seconds."""
        ...

    def signal(self, number: int) -> None:
        """Sends it a signal."""
        ...

    def tree(self) -> tuple[ProcessInfo, ...]:
        """The living processes that belong to it."""
        ...

    def owner(self, host: str, port: int) -> ports.Owner:
        """Whose listener a connection to the address would meet."""
        ...

    def end(self) -> int | None:
        """Ends what is left of it, and returns its highest resident bytes, where they are known."""
        ...


@final
class Program:
    """A program with all that it starts, from `start` to `end`, which must be called whatever happens in between.

    `remove` is a directory that goes with the program when this very process is killed and cannot do it itself.
    `started_at` is in seconds on the monotonic clock.
    """

    pid: int
    started_at: float
    owns_port: bool = False

    def __init__(self, command: Command, *, remove: Path | None = None, confinement: Confinement | None = None) -> None:
        self._command = command
        self._confinement = confinement
        self._channel: socket.socket | None = None
        self._remove = remove
        self._received = b""
        self._exit: Exit | None = None
        self._peak: int | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the program.

        Raises `NoxPexError` with `launch-failed` when the system cannot, `UnavailableError` when it cannot confine it.
        """
        if self._confinement is not None and sys.platform != "linux":
            msg = "only Linux can give it"
            raise UnavailableError(msg)
        with contextlib.ExitStack() as stack:
            theirs: socket.socket | None = None
            if self._confinement is not None and self._confinement.kind == "offline":
                self._channel, theirs = socket.socketpair()
                stack.enter_context(theirs)
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", "-X", "utf8", str(_SUPERVISOR)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                pass_fds=() if theirs is None else (theirs.fileno(),),
                start_new_session=True,  # a Ctrl-C is for Nox, which then orders the end
            )  # fmt: skip
            channel = None if theirs is None else theirs.fileno()
        command = self._command
        self._order(
            argv=command.argv,
            env=dict(command.env),
            cwd=str(command.cwd),
            stdin=str(command.stdin),
            stdout=str(command.stdout),
            stderr=str(command.stderr) if command.stderr else None,
            remove=str(self._remove) if self._remove else None,
            cleanup=command.cleanup,
            confine=self._confinement and _as_order(self._confinement, cwd=command.cwd),
            sockets=channel,
        )
        event = self._await("started", "failed", "refused")
        if "refused" in event:
            raise UnavailableError(event["refused"])
        if "failed" in event:
            raise _launch_failed(Path(command.argv[0]), event["failed"], event["reason"])
        self.pid, self.started_at = event["started"], event["at"]

    @property
    def network(self) -> Network:
        """Where the started program's addresses are reached."""
        if self._channel is None or self._supervisor is None:
            return HERE
        return Network(tables=Path(f"/proc/{self._supervisor.pid}/net"), create_socket=self._socket)

    def exited(self, *, within: float = 0.0) -> Exit | None:
        """How the program ended, as soon as it has; None when it has not, `within` so many seconds."""
        deadline = time.monotonic() + within
        while self._exit is None:
            event = self._receive(deadline - time.monotonic())
            if event is None:
                break
        return self._exit

    def signal(self, number: int) -> None:
        """Sends a signal to the program, as a container engine does: to it alone, not to its children."""
        self._order(signal=number)

    def tree(self) -> tuple[ProcessInfo, ...]:
        """The living processes of the tree: the program, all that it started, daemons too."""
        self._order(tree=True)
        members = self._await("tree")["tree"]
        return tuple(ProcessInfo(pid, command) for pid, command in members)

    def owner(self, host: str, port: int) -> ports.Owner:
        """Whose listener a connection to the address would meet: one of the tree's processes, or not."""
        return ports.owner(host, port, lambda: [member.pid for member in self.tree()], self.network)

    def end(self) -> int:
        """Kills what is left of the tree, and returns its highest resident bytes. May be called again."""
        if self._supervisor is None:
            return self._peak or 0
        supervisor, reply = self._supervisor, None
        with contextlib.suppress(NoxPexError):
            self._order(end=True)
            reply = self._await("ended")
        if reply is None and self._exit is None and hasattr(self, "pid"):
            # Somebody killed the supervisor. What can still be found is the program's own process group.
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self._supervisor = None
        if self._channel is not None:
            self._channel.close()
        self._peak = reply["peak"] if reply else 0
        for pipe in (supervisor.stdin, supervisor.stdout):
            if pipe is not None:
                pipe.close()
        if reply is None:
            supervisor.kill()
        supervisor.wait()
        return self._peak or 0

    def _socket(self, family: int) -> socket.socket:
        """A TCP socket in the network of the program; raises `OSError`."""
        assert self._channel is not None  # noqa: S101  # tells mypy: only used where there is one
        self._channel.settimeout(_REPLY)
        self._channel.sendall(bytes([family]))
        _, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        if not descriptors:
            raise _supervisor_gone()
        return socket.socket(fileno=descriptors[0])

    def _order(self, **order: object) -> None:
        assert self._supervisor is not None  # noqa: S101  # tells mypy: only used after `start`
        assert self._supervisor.stdin is not None  # noqa: S101  # likewise: it is a pipe
        line = json.dumps(order).encode() + b"\n"
        try:
            while line:
                line = line[self._supervisor.stdin.write(line) :]
        except OSError:
            raise _supervisor_gone() from None

    def _await(self, *keys: str) -> dict[str, Any]:
        deadline = time.monotonic() + _REPLY
        while event := self._receive(deadline - time.monotonic()):
            if any(key in event for key in keys):
                return event
        raise _supervisor_gone()

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """The next event, or None when none comes in time."""
        assert self._supervisor is not None  # noqa: S101  # as above
        assert self._supervisor.stdout is not None  # noqa: S101  # as above
        deadline = time.monotonic() + seconds
        while b"\n" not in self._received:
            with selectors.DefaultSelector() as selector:
                selector.register(self._supervisor.stdout, selectors.EVENT_READ)
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
            part = self._supervisor.stdout.read(65536)
            if not part:
                raise _supervisor_gone()
            self._received += part
        line, _, self._received = self._received.partition(b"\n")
        event: dict[str, Any] = json.loads(line)
        if "exited" in event:
            self._exit = Exit(status=event["exited"], at=event["at"])
        return event


def _as_order(confinement: Confinement, *, cwd: Path) -> dict[str, object]:
    """A confinement as `confine` reads it."""
    return {
        "kind": confinement.kind,
        "join": confinement.join,
        "user": confinement.user,
        "tmp": "/tmp",  # noqa: S108  # a new one
        "tmp-bytes": confinement.tmp_bytes,
        "kept": confinement.kept,
        "writable": confinement.writable,
        "cwd": str(cwd),
    }


def _supervisor_gone() -> NoxPexError:
    return NoxPexError(
        "crashed",
        "the process that watches over the program was killed",
        "see whether the program kills processes that are not its own, or the machine ran out of memory",
    )


def _launch_failed(program: Path, number: int, reason: str) -> NoxPexError:
    why, remedy = reason, "build it again"
    if number == errno.ENOENT and program.exists():
        why = f"its interpreter {_shebang(program)} is not on this machine"
        remedy = "install that interpreter, or build with another `python-shebang`"
    elif number == errno.EACCES and not os.access(program, os.X_OK):
        why, remedy = "it is not executable", "make it so (chmod +x), or build it again"
    elif number == errno.EACCES:
        remedy = "see that its interpreter may be executed, and that TMPDIR is on no file system mounted noexec"
    elif number == errno.ENOEXEC:
        why = "it is empty, damaged or made for another system"
    return NoxPexError("launch-failed", f"{program.name} cannot be started: {why}", remedy)


def _shebang(program: Path) -> str:
    with program.open("rb") as file:
        first = file.readline(256)
    return os.fsdecode(first[2:]).strip() if first.startswith(b"#!") else "(of its ELF header)"
