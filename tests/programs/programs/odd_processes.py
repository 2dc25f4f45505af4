"""Disturb processes, then serve: `odd_processes.py MODE PORT [ARGUMENT]`. MODE is one of the functions.

Each process that is left ends by itself after `LIFE` seconds, so that no defect of nox-pex can fill the machine.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from serving import greet, listening, serve

PORT = int(sys.argv[2])
LIFE = 20
DEADLINE = time.monotonic() + LIFE
SLEEPER = [sys.executable, "-I", "-S", "-c", f"import time; time.sleep({LIFE})"]


def child(work: Callable[[], None]) -> None:
    if os.fork() == 0:
        signal.alarm(LIFE)
        try:
            work()
        finally:
            os._exit(0)


def rest() -> None:
    time.sleep(max(0.0, DEADLINE - time.monotonic()))


# --- what is left


def forking_in_a_tree() -> None:
    """Fork seven times, and each child goes on with the rest of them: 127 processes."""
    first = os.getpid()
    for _ in range(7):
        if os.fork() == 0:
            signal.alarm(LIFE)
    if os.getpid() != first:
        rest()
        os._exit(0)


def forking_on_and_on() -> None:
    """Leave eight chains of processes: each forks the next one and ends."""

    def hop() -> None:
        while time.monotonic() < DEADLINE:
            if os.fork():
                os._exit(0)
            signal.alarm(LIFE)
            time.sleep(0.005)

    for _ in range(8):
        child(hop)


def leaving_one_that_ignores_all() -> None:
    def ignore() -> None:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        rest()

    child(ignore)


def leaving_one_that_is_stopped() -> None:
    child(lambda: os.kill(os.getpid(), signal.SIGSTOP))


def leaving_one_without_utf_8() -> None:
    subprocess.Popen([*SLEEPER, b"\xff\xfe\x80"])


def leaving_one_with_a_long_command_line() -> None:
    subprocess.Popen([*SLEEPER, *["x" * 100_000] * 10])


def leaving_one_with_commands_in_its_command_line() -> None:
    subprocess.Popen([*SLEEPER, "\n::error::x\n##[error]y\x1b[2J\r\u202e"])


def leaving_one_that_listens() -> None:
    child(lambda: serve(listening(0)))


# --- the program itself


def stopped_before_it_serves() -> None:
    signal.alarm(LIFE)
    os.kill(os.getpid(), signal.SIGSTOP)


def traced_and_stopped() -> None:
    signal.alarm(LIFE)
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
    os.kill(os.getpid(), signal.SIGSTOP)


def stopped_at_the_second_request() -> None:
    def answer(connection: socket.socket, request: bytes, number: int) -> None:
        if number:
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(LIFE)  # this thread may stop a moment later
        greet(connection, request, number)

    serve(listening(PORT), answer)


def stopped_when_it_should_stop() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGSTOP))


def started_again_by_itself() -> None:
    """Become another program, as a launcher does."""
    if sys.argv[3:] != ["again"]:
        os.execv(sys.argv[0], [*sys.argv, "again"])  # noqa: S606  # it starts itself


def without_utf_8_in_its_name() -> None:
    if sys.argv[3:] != ["again"]:
        argv = [b"\xff\xfe", *map(os.fsencode, sys.argv[1:]), b"again"]
        os.execv(sys.argv[0], argv)  # noqa: S606  # it starts itself


def with_many_threads() -> None:
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(LIFE,), daemon=True).start()


def with_no_descriptors() -> None:
    """Close every descriptor, even those that the program does not know."""
    os.closerange(0, 256)


def with_limits() -> None:
    listener = listening(PORT)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
    serve(listener)


def in_another_session() -> None:
    with contextlib.suppress(OSError):
        os.setsid()


def ending_by_a_real_time_signal() -> None:
    os.kill(os.getpid(), signal.SIGRTMIN + 5)
    time.sleep(1)


def ending_with_a_core() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


def ending_when_it_is_asked() -> None:
    serve(listening(PORT), lambda *_: os._exit(0))


# --- other processes


def killing_its_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.5)


def killing_everything() -> None:
    """Kill all processes of a private PID namespace. The third argument is the namespace of the machine."""
    try:
        is_private = str(Path("/proc/self/ns/pid").readlink()) != sys.argv[3]
    except OSError:
        is_private = False
    if is_private:
        child(rest)
        os.kill(-1, signal.SIGKILL)


def writing_to_its_parent() -> None:
    """Write nonsense to every pipe and socket of the parent."""
    for number in range(20):
        path = Path(f"/proc/{os.getppid()}/fd/{number}")
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(path.stat().st_mode):
                descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                os.write(descriptor, b'\xff{"exited": "x"\n[1, 2]\nnull\n{"exited": 0}\n{"tree": 7}\n')
                os.close(descriptor)


def reading_from_its_parent() -> None:
    """Read the orders of the supervisor before it does."""
    for number in range(20):
        path = Path(f"/proc/{os.getppid()}/fd/{number}")
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(path.stat().st_mode):
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                threading.Thread(target=_drain, args=(descriptor,), daemon=True).start()


def _drain(descriptor: int) -> None:
    while time.monotonic() < DEADLINE:
        with contextlib.suppress(OSError):
            os.read(descriptor, 4096)
        time.sleep(0.001)


def stopping_its_parent() -> None:
    os.kill(os.getppid(), signal.SIGSTOP)
    child(lambda: (time.sleep(1), os.kill(PARENT, signal.SIGCONT)))  # so that no supervisor is left stopped


def sending_as_its_parent() -> None:
    """Take the sockets of the init, and send nonsense on them. Write to its standard error too."""
    libc = ctypes.CDLL(None)
    process = os.pidfd_open(1)
    for number in range(20):
        descriptor = libc.syscall(438, process, number, 0)  # pidfd_getfd(2)
        if descriptor >= 0 and stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            for message in (b"", b"\xff", b"{}", b"[1]", b"[" * 50_000, b'{"exited": 1, "at": 1}', b'{"empty": true}'):
                libc.send(descriptor, message, len(message), 0)
    with contextlib.suppress(OSError):
        Path("/proc/1/fd/2").write_text("written by the program\n")


PARENT = os.getppid()
globals()[sys.argv[1].replace("-", "_")]()
serve(listening(PORT))
