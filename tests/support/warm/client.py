"""Let a server run this program in a fork of itself, in which the modules of the tool are imported already.

A `.pth` file of the tool's environment calls `start` each time its Python starts, so this file imports only built-in
modules. The server runs the command lines that nox-pex or a test gives to the tool: `python -I SCRIPT`, `-I -m` and
`-I -c`. If there is no server, or if it cannot give this process what it would have, Python goes on as usual.
"""

from __future__ import annotations

import _socket
import marshal
import os
import sys
from typing import Any

_NAMESPACES = ("mnt", "pid", "net", "user", "uts", "ipc", "cgroup")

COLD = "NOX_PEX_TESTS_COLD"
"""A variable with which a tool runs as it always does."""


def surroundings() -> list[Any]:
    """Return what a process inherits and a server cannot give to it."""
    import resource  # noqa: PLC0415  # not needed if there is no server

    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    links = ["/proc/self/root", *(f"/proc/self/ns/{name}" for name in _NAMESPACES)]
    found = [os.readlink(link) for link in links]  # noqa: PTH115  # pathlib is slow to import
    return [os.getresuid(), os.getresgid(), os.getgroups(), os.nice(0), found, limits]


def request(argv: list[str]) -> dict[str, Any]:
    """Return what the server needs to run the program with the command line `argv`."""
    isolated = argv[1] == "-I"
    umask = os.umask(0o077)
    os.umask(umask)
    return {
        "argv": argv,
        "arguments": argv[2:] if isolated else argv[1:],
        "isolated": isolated,
        "executable": sys.executable,
        "env": dict(os.environ),
        "cwd": os.getcwd(),  # noqa: PTH109  # pathlib is slow to import
        "umask": umask,
        "surroundings": surroundings(),
    }


def ask(address: str, argv: list[str]) -> None:
    """Ask the server at `address` to run the program with the command line `argv`, and end as it ended."""
    if COLD in os.environ:
        return
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        server.connect(address)
    except OSError:
        server.close()
        return
    mine = server.fileno()
    names = os.listdir("/proc/self/fd")  # noqa: PTH208  # pathlib is slow to import
    numbers = [number for number in map(int, names) if number != mine and _is_inherited(number)]
    data = marshal.dumps({**request(argv), "numbers": numbers})
    payload = b"".join(number.to_bytes(4, sys.byteorder) for number in numbers)
    server.sendmsg([len(data).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, payload)])
    server.sendall(data)
    if server.recv(1) != b"y":
        server.close()
        return
    import signal  # noqa: PLC0415  # not needed if there is no server

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it ends this process, and the server then ends the fork
    reply = server.recv(4)
    if len(reply) != 4:  # the bytes of a status
        sys.stderr.write("the server that ran this program has ended\n")
        os._exit(1)
    status = int.from_bytes(reply, "big", signed=True)
    if status < 0:
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _is_inherited(number: int) -> bool:
    """Whether the process that started this one gave it this descriptor."""
    try:
        return os.get_inheritable(number)
    except OSError:  # that of the listing itself, which is closed
        return False


def start(address: str, home: str) -> None:
    """Do the same as `ask` for this process, if it runs a tool in the environment `home`."""
    argv = sys.orig_argv
    if len(argv) < 3 or argv[1] != "-I" or os.path.realpath(sys.prefix) != home:  # a copy may have been changed
        return
    if len(argv) > 3 if argv[2] in ("-m", "-c") else not argv[2].startswith("-"):
        ask(address, argv)


if __name__ == "__main__":  # a program that is not a tool: `python -S client.py ADDRESS ARGUMENTS…`
    command = [sys.executable, *sys.argv[2:]]
    ask(sys.argv[1], command)
    os.execv(command[0], command)  # noqa: S606  # the same program, without a server
