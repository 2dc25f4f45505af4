"""Listen in an unusual place or way: `odd_listeners.py MODE PORT [PATH]`. MODE is one of the functions."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

from serving import greet, listening, serve

PORT = int(sys.argv[2])


def unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    return listener


def on_another_address() -> None:
    serve(listening(PORT, "127.0.0.2"))


def by_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", PORT))
        signal.pause()


def without_listening() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", PORT))
        signal.pause()


def only_until_the_second_request() -> None:
    listener = listening(PORT)

    def answer(connection: socket.socket, request: bytes, number: int) -> None:
        if number:
            listener.shutdown(socket.SHUT_RDWR)
            time.sleep(20)
        greet(connection, request, number)

    try:
        serve(listener, answer)
    except OSError:
        time.sleep(20)


def on_a_renamed_socket() -> None:
    listener = unix(sys.argv[3] + ".new")
    Path(sys.argv[3] + ".new").rename(sys.argv[3])
    serve(listener)


def on_a_relative_socket() -> None:
    path = Path(sys.argv[3])
    os.chdir(path.parent)
    listener = unix(path.name)
    os.chdir("/")
    serve(listener)


def on_a_linked_socket() -> None:
    listener = unix(sys.argv[3] + ".real")
    Path(sys.argv[3]).symlink_to(sys.argv[3] + ".real")
    serve(listener)


def on_a_hard_linked_socket() -> None:
    listener = unix(sys.argv[3] + ".real")
    os.link(sys.argv[3] + ".real", sys.argv[3])
    serve(listener)


def on_a_socket_of_a_child() -> None:
    listener = unix(sys.argv[3])
    if os.fork() == 0:
        signal.alarm(20)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        serve(listener)
    listener.close()
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.pause()


def on_a_file() -> None:
    Path(sys.argv[3]).write_text("no socket", encoding="utf-8")
    signal.pause()


def on_a_datagram_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(sys.argv[3])
        signal.pause()


def on_a_socket_without_permissions() -> None:
    listener = unix(sys.argv[3])
    Path(sys.argv[3]).chmod(0)
    serve(listener)


globals()[sys.argv[1].replace("-", "_")]()
