"""Say what a container is like, then serve: `in_container.py MODE HOST PORT [ARGUMENT]`. MODE is one of the functions.

Each program in a container without an engine is this one. It needs only the standard library.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from serving import listening, response, serve

WRITABLE = ("/tmp", "/dev/shm", "/data")  # noqa: S108  # in the container
STATUS = Path("/proc/self/status")

OF_THE_MACHINE = ("/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/fs/bpf")
"""Places in `/sys` where a machine may have mounted file systems that no container sees."""


def status() -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in STATUS.read_text().splitlines() if ":\t" in line)


def writable(*paths: str) -> list[str]:
    """Those of the directories in which a file can be created."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            Path(path, "new").write_text("x")
            found.append(path)
    return found


def readable(*paths: str) -> list[str]:
    """Those of the files that are not empty and can be read."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            found += [path] if Path(path).read_bytes()[:1] else []
    return found


def names(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())


def facts() -> dict[str, object]:
    state = status()
    os.close(os.openpty()[0]) if Path("/dev/ptmx").exists() else None
    Path("/dev/stdout").open("a").close()
    return {
        "pid": os.getpid(),
        "ids": [os.getresuid(), os.getresgid()],
        "groups": os.getgroups(),
        "capabilities": sorted({state[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}),
        "no-new-privileges": state["NoNewPrivs"],
        "directory": str(Path.cwd()),
        "variables": dict(os.environ),
        "names": sorted({*os.environ} - {"LC_CTYPE"}),  # Python itself sets this one
        "arguments": sys.argv[4:],
        "writable": writable("/", "/app", *WRITABLE, "/etc", "/proc/sys/kernel", "/sys", str(Path.cwd())),
        "readable": readable("/etc/shadow", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/proc/kcore"),
        "devices": names("/dev"),
        "processes": [name for name in names("/proc") if name.isdecimal()],
        "hostname": socket.gethostname(),
        "umask": oct(os.umask(0o022)),
        "hidden": readable("/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware/x"),
        "unmasked": [path for path in OF_THE_MACHINE if Path(path).is_dir() and not Path(path).is_mount()],
        "joined": "lowerdir=/proc/self/fd" in Path("/proc/self/mountinfo").read_text(),
    }


def ends(*_: object) -> None:
    sys.exit(0)


def well() -> None:
    """Stop on SIGTERM."""
    signal.signal(signal.SIGTERM, ends)


def deaf() -> None:
    """Have no handler, which works on a machine, but not as the first process of a container."""


def dies() -> None:
    sys.exit("there is no database")


def connects() -> None:
    """Connect to the port ARGUMENT of this machine first."""
    well()
    socket.create_connection(("127.0.0.1", int(sys.argv[4])), timeout=5).close()


def daemon() -> None:
    """Leave a process in a session of its own, without the signal that ends it with its parent."""
    well()
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)


def unix() -> None:
    """Serve on the Unix socket ARGUMENT."""
    well()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[4])
    listener.listen()
    serve(listener, lambda wire, *_: wire.sendall(response()))


def once() -> None:
    """Print the facts, and end."""
    sys.stdout.write(json.dumps(facts()))
    sys.exit(0)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    answer = json.dumps(facts()).encode()
    serve(listening(int(sys.argv[3]), sys.argv[2]), lambda wire, *_: wire.sendall(response(answer)))
