"""Do something with processes, then serve: `contained.py MODE PORT [ARGUMENT]`. MODE is one of the functions.

Every process ends by itself within 20 seconds, even if nox-pex does not end it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from serving import listening, response, serve

DEADLINE = time.monotonic() + 20


def nothing() -> None:
    """Only serve."""


def forking_on() -> None:
    """Start processes that fork and end again and again, in sessions of their own."""
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            while time.monotonic() < DEADLINE:
                with contextlib.suppress(OSError):
                    if os.fork():
                        os._exit(0)
                time.sleep(0.002)
            os._exit(0)


def another_user() -> None:
    """Become `nobody`, as `gunicorn --user` does."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def an_orphan() -> None:
    """Have a child that ends at once after it has lost its parent."""
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()


def about() -> bytes:
    zombies = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.read_text().rpartition(")")[2].split()[0] == "Z"
    ]
    return json.dumps(
        {
            "self": int(Path("/proc/self").readlink().name) == os.getpid(),
            "parent": os.getppid(),
            "init": "supervisor.py" in Path("/proc/1/cmdline").read_text(),
            "session": os.getsid(0) == os.getpid() == os.getpgrp(),
            "zombies": zombies,
            "user": os.geteuid(),
            "processes": len(list(Path("/proc").glob("[0-9]*"))),
        }
    ).encode()


def ask() -> None:
    """Run as a command: print what it sees."""
    sys.stdout.write(about().decode())
    sys.exit()


def signalled() -> None:
    """Run as a command: end by a signal."""
    os.kill(os.getpid(), signal.Signals[sys.argv[2]])
    time.sleep(5)


def survivor() -> None:
    """Run as a command: leave a process."""
    subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(20)"], start_new_session=True)
    sys.exit()


globals()[sys.argv[1].replace("-", "_")]()
serve(
    listening(int(sys.argv[2])),
    lambda connection, *_: connection.sendall(response(about(), "Content-Type: application/json")),
)
