"""Serve well, and stop in a certain way: `stops.py MODE PORT`. MODE is one of the functions."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from serving import listening, serve

SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(120)", sys.argv[0]]


def at_once() -> None:
    """Stop by the signal, as the system does by default."""


def never() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def with_143() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))


def with_0() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def with_1() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))


def ending_its_workers() -> None:
    worker = subprocess.Popen(SLEEPER)

    def end(*_: object) -> None:
        worker.kill()
        worker.wait()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)


def leaving_a_worker() -> None:
    subprocess.Popen(SLEEPER)


def leaving_a_worker_of_another_session() -> None:
    subprocess.Popen(SLEEPER, start_new_session=True)


def leaving_a_daemon() -> None:
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork() == 0:
        time.sleep(120)
    os._exit(0)


def leaving_a_thousand() -> None:
    for _ in range(1000):
        if os.fork() == 0:
            time.sleep(120)


def from_another_group() -> None:
    """Leave the process group in which it was started."""
    leader = os.fork()
    if leader == 0:
        os.setpgid(0, 0)
        time.sleep(120)
    time.sleep(0.1)
    os.setpgid(leader, leader)


def having_written() -> None:
    locked = Path("locked")
    (locked / "deeper").mkdir(parents=True)
    (locked / "file").write_text("x", encoding="utf-8")
    (locked / "deeper").chmod(0)
    locked.chmod(0)


def having_eaten() -> None:
    eaten.extend(b"x" * 80_000_000)


eaten = bytearray()
globals()[sys.argv[1].replace("-", "_")]()
serve(listening(int(sys.argv[2])))
