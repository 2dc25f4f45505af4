"""Run a program in a separate PID namespace, under a small init (pid_namespaces(7)).

The kernel kills every process of the namespace when its init ends, and lets no process there fork any more. It kills
the init when the supervisor ends (`PR_SET_PDEATHSIG` in prctl(2)). So nothing of the program outlives the supervisor,
however it ends. The supervisor stays outside, and finds and measures the processes by their ids on this machine.

The program is not the init itself, because the kernel ignores a signal to an init that has no handler for it.
The supervisor imports this file, so it may import only the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource  # noqa: F401  # `wait4` imports it, which cannot be done in the root file system of a container
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn

from nox_pex.smoke.process import kernel

_CREDENTIALS: Final = struct.Struct("3i")
"""The process, user and group id of a sender (`struct ucred` in unix(7))."""
_LARGEST_MESSAGE: Final = 65536
_STDERR: Final = 2

Event = dict[str, Any]
Launch = Callable[[Callable[[], None]], Event]
"""Starts the program, calls its argument in the new process, and returns an event."""


class PidNamespace:
    """A new PID namespace, as the supervisor sees it.

    `init` is the id of its init on this machine. `is_empty` is set when the init has no child left: then no process can
    appear in the namespace any more. `has_ended` is set when the supervisor has reaped the init.
    """

    def __init__(
        self, launch: Launch, *, begin: Callable[[], None], prepare_init: Callable[[], None], private: Iterable[int]
    ) -> None:
        """Create the namespace, with `launch` to be called in it.

        `begin` gives the next child of its caller the namespace. That child is the init, and calls `prepare_init`.
        `private` are the descriptors that only the supervisor may have. Raises `RefusedError` if the kernel refuses it.
        """
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.init: int
        self.is_empty: bool = False
        self.has_ended: bool = False
        with theirs:
            # The new namespace begins with a child of the process that asks for it. That process could not fork any
            # more after the init has ended, so it is not the supervisor. When it ends, the supervisor, as a subreaper,
            # becomes the parent of the init.
            outer = os.fork()
            if outer == 0:
                descriptors = [*private, self._channel.fileno()]
                _enter(launch, channel=theirs, begin=begin, prepare_init=prepare_init, private=descriptors)
        os.waitpid(outer, 0)
        event, self.init = self._receive()
        if "ready" not in event:
            self._channel.close()
            if self.init not in (0, outer):
                os.waitpid(self.init, 0)
            raise kernel.RefusedError(event.get("refused", "the system refuses a PID namespace"))

    def launch(self) -> Event:
        """Start the program, and return the event; `started` is the process id on this machine."""
        self._channel.send(b"go")
        event, program = self._receive()
        if "announced" in event:
            event, sender = self._receive()
            while event and sender != self.init:  # the program already runs
                event, sender = self._receive()
        self._channel.setblocking(False)
        if "started" in event:
            event["started"] = program
        return event or {"failed": 0, "reason": "its init was killed"}

    def fileno(self) -> int:
        """Return the descriptor from which the events come; -1 after their end."""
        return self._channel.fileno()

    def events(self, *, ended: bool) -> Iterator[Event]:
        """Yield the events that the init has sent: `exited` with `at`, `maxrss`. `ended` says that it was reaped.

        If it did not send the end of the program before it ended, the kernel has killed the program with it.
        """
        with contextlib.suppress(BlockingIOError):
            while self._channel.fileno() != -1:
                event, sender = self._receive()
                if not event:
                    self._channel.close()
                elif sender == self.init:
                    self.is_empty = self.is_empty or "empty" in event
                    yield event
        if ended and not self.has_ended:
            self.has_ended = self.is_empty = True
            yield {"exited": -signal.SIGKILL, "at": time.monotonic()}

    def _receive(self) -> tuple[Event, int]:
        """Return the next event, and the process id of its sender on this machine; ({}, 0) at the end.

        The program may take the socket from the init (pidfd_getfd(2)) and send anything: then it is the sender.
        """
        try:
            data, ancillary, _, _ = self._channel.recvmsg(_LARGEST_MESSAGE, socket.CMSG_SPACE(_CREDENTIALS.size))
        except ConnectionError:
            return {}, 0
        senders = [_CREDENTIALS.unpack(part)[0] for _, kind, part in ancillary if kind == socket.SCM_CREDENTIALS]
        if not senders:
            return {}, 0
        try:
            event = dict(json.loads(data))
        except (ValueError, TypeError, RecursionError):
            event = {}
        return event or {"damaged": True}, senders[0]


def _enter(
    launch: Launch,
    *,
    channel: socket.socket,
    begin: Callable[[], None],
    prepare_init: Callable[[], None],
    private: Iterable[int],
) -> NoReturn:
    """Create the namespace and its init, and end this process, which is a child of the supervisor."""
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for descriptor in (*private, _STDERR):  # the program can open those of its init (proc(5))
            os.dup2(null, descriptor, inheritable=False)
        begin()
        if os.fork() == 0:
            prepare_init()
            _run_init(launch, channel)
    except (kernel.RefusedError, OSError) as refusal:
        _send(channel, refused=str(refusal))
    finally:
        os._exit(0)


def _run_init(launch: Launch, channel: socket.socket) -> None:
    """Start the program, and reap every process of the namespace until the supervisor ends this process.

    The init must not end by itself: the supervisor could not see any more which processes the program left.
    """
    _send(channel, ready=True)
    if not channel.recv(1):
        return
    kernel.end_with_parent()
    if select.select([channel], [], [], 0)[0]:
        return  # the supervisor ended before
    event = launch(lambda: _send(channel, announced=True))
    _send(channel, **event)
    if "started" in event:
        _reap(channel, event["started"])
    channel.recv(1)


def _reap(channel: socket.socket, program: int) -> None:
    """Reap children until none is left. Send the end of the program, and the highest memory of one process."""
    peak, living = 0, True
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            _send(channel, empty=True)
            return
        if os.WIFSTOPPED(status):
            continue  # a child that asked to be traced has stopped (ptrace(2))
        event: Event = {}
        if usage.ru_maxrss > peak:
            event["maxrss"] = peak = usage.ru_maxrss
        if pid == program and living:
            living = False
            event |= {"exited": os.waitstatus_to_exitcode(status), "at": time.monotonic()}
        if event:
            _send(channel, **event)


def _send(channel: socket.socket, **event: object) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        channel.send(json.dumps(event).encode())
