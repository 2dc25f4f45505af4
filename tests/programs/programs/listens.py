"""Listen in a certain way, at an address and a time: `listens.py MODE PORT`. MODE is one of the functions."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

from serving import listening, serve


def well(port: int) -> None:
    serve(listening(port))


def on_ipv6(port: int) -> None:
    serve(listening(port, "::1"))


def everywhere(port: int) -> None:
    serve(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))


def late(port: int) -> None:
    time.sleep(1.0)
    serve(listening(port))


def elsewhere(_port: int) -> None:
    serve(listening(0))


def never(_port: int) -> None:
    signal.pause()


def in_a_child(port: int) -> None:
    listener = listening(port)
    if os.fork() == 0:
        serve(listener)
    listener.close()
    os.wait()


def on_a_unix_socket(_port: int) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[3])
        listener.listen(64)
        serve(listener)


def on_the_socket_of_a_process_that_ended(_port: int) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[3] + ".new")
        child = os.fork()
        if child == 0:
            listener.listen(64)
            os._exit(0)
        os.waitpid(child, 0)
        Path(sys.argv[3] + ".new").rename(sys.argv[3])
        serve(listener)


def too_late(port: int) -> None:
    await_other(port)
    serve(listening(port))


def too_late_and_carries_on(port: int) -> None:
    await_other(port)
    try:
        listening(port)
    except OSError:
        signal.pause()


def with_another(port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        await_other(port)
        listener.listen(64)
        serve(listener)


def as_a_daemon(port: int) -> None:
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork() == 0:
        serve(listening(port))
    os._exit(0)


def not_at_all(_port: int) -> None:
    sys.stdout.write("listens 1.0\n")


def await_other(port: int) -> None:
    """Write the port to the file in the third argument, and wait until another process has taken it."""
    Path(sys.argv[3]).write_text(str(port), encoding="utf-8")
    while not Path(sys.argv[3] + ".done").exists():
        time.sleep(0.01)


globals()[sys.argv[1].replace("-", "_")](int(sys.argv[2]))
