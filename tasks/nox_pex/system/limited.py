"""Call a function that may run for ever or need any amount of memory, such as a search with a regular expression.

Python cannot stop a search of `re`: it holds the interpreter's lock and looks at signals only now and then. So the
function runs in a child process, which is killed at its deadline. The child is a fork: it has all values of this
process, and needs no copy of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import pickle
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

_Result = TypeVar("_Result")

_MEMORY: Final = 2 * 2**30
"""The number of bytes that the function may need in addition (Linux only)."""


_DEPTH: Final = 5_000
"""Nested calls of Python that the function may make. 5,000 fit into a stack of 8 MiB."""


_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the kernel sends a signal to this process when the thread that created it ends."""


_HEADER: Final = 8
"""The number of bytes that give the length of a message."""


_writer: int | None = None
"""The pipe to the parent, in the child process."""


class LimitError(Exception):
    """The function did not return a result. The text says what it was doing, and why it ended."""


class TooSlowError(LimitError):
    """The function was still running at its deadline."""


def doing(step: str) -> None:
    """Tell the caller of `call` what comes now, such as "`matches` '^a'". A failure names the last step."""
    if _writer is not None:
        _write(_writer, pickle.dumps(("at", step)))


def call(
    function: Callable[..., _Result], *args: Any, seconds: float, limit: str = "", step: str = "the comparison"
) -> _Result:
    """Return `function(*args)`, called in a child process. The result must be picklable; side effects are lost.

    Raises `LimitError`: if the function raises any exception, needs more than 2 GiB of memory, or crashes, and its
    subclass `TooSlowError` if it needs more than `seconds`. `limit` is how the message names that time (`10 s`).
    `step` is what the message says the function was doing, until `doing` tells another step.
    """
    deadline = time.monotonic() + seconds
    parent = os.getpid()
    reader, writer = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    pid = 0
    try:
        pid = _fork()
        if pid == 0:
            _run(function, args, writer=writer, parent=parent, seconds=seconds, signals=before)
        os.close(writer)
        writer = -1
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        step, kind, value = _outcome(reader, deadline, step)
        if kind == "ended":
            value = _reap(pid)
            pid = 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if pid:
            os.kill(pid, signal.SIGKILL)
            _reap(pid)
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)
    if kind == "result":
        result: _Result = value
        return result
    if kind == "late" or (kind == "ended" and value == -signal.SIGXCPU):
        msg = f"{step} took longer than {limit or f'{seconds:g} s'}"
        raise TooSlowError(msg)
    msg = f"{step} {value if kind == 'failed' else _describe_end(value)}"
    raise LimitError(msg)


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns about other threads, whose locks nobody releases in the child. Nothing there waits for one.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _outcome(reader: int, deadline: float, step: str) -> tuple[str, str, Any]:
    """Return the last step of the child, and its last message: `result`, `failed`, or `late` or `ended` without one.

    `step` is the first step.
    """
    while True:
        try:
            kind, value = _receive(reader, deadline)
        except TimeoutError:
            return step, "late", None
        except EOFError:
            return step, "ended", None
        if kind != "at":
            return step, kind, value
        step = value


def _receive(reader: int, deadline: float) -> tuple[str, Any]:
    size = int.from_bytes(_read(reader, _HEADER, deadline), "big")
    kind, value = pickle.loads(_read(reader, size, deadline))  # noqa: S301  # from a copy of this very process
    return kind, value


def _read(reader: int, size: int, deadline: float) -> bytes:
    data = bytearray()
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    while len(data) < size:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
        piece = os.read(reader, size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def _write(writer: int, message: bytes) -> None:
    view = memoryview(len(message).to_bytes(_HEADER, "big") + message)
    while view:
        view = view[os.write(writer, view) :]


def _run(
    function: Callable[..., object],
    args: tuple[Any, ...],
    *,
    writer: int,
    parent: int,
    seconds: float,
    signals: set[int | signal.Signals],
) -> NoReturn:
    """Be the child process. It never returns, so nothing that the parent has begun is ended here."""
    global _writer  # noqa: PLW0603  # `doing` is called from anywhere, without knowing of the pipe
    try:
        die_with(parent)
        _writer = writer
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent too, which kills this process
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        faulthandler.disable()  # the parent reports a crash
        _set_limits(seconds)
        _write(writer, _attempt(function, args))
    finally:
        os._exit(0)  # no cleanup of the parent, and nothing that it has buffered


def _attempt(function: Callable[..., object], args: tuple[Any, ...]) -> bytes:
    """Return the message with the result of the function, or why it failed. Its exception, with all frames, is gone."""
    try:
        return pickle.dumps(("result", function(*args)))
    except RecursionError:
        problem = f"needs more than {_DEPTH} nested calls"
    except MemoryError:
        problem = f"needs more than {_MEMORY >> 30} GiB of memory"
    except Exception as error:  # noqa: BLE001  # whatever the output of a program can cause
        problem = f"failed: {type(error).__name__}: {error}"
    return pickle.dumps(("failed", problem))


def _set_limits(seconds: float) -> None:
    sys.setrecursionlimit(_DEPTH)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # if the parent is killed on a system without prctl
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 2, int(seconds) + 3))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123  # nothing is allocated for a path
            size = int(statm.read().split()[0]) * resource.getpagesize()
            _, highest = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY, highest))


def die_with(parent: int) -> None:
    """Let this process, a new child of the process `parent`, be killed when the thread that created it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _reap(pid: int) -> int:
    """Return the exit status of the child, -N after signal N."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:  # the parent ignores SIGCHLD
        return 0


def _describe_end(status: int) -> str:
    try:
        return f"crashed ({signal.Signals(-status).name})"
    except ValueError:
        return f"ended without a result (exit status {status})"
