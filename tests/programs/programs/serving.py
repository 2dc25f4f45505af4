"""A web server for one page, with raw sockets, so that a program can break any part. Packed with each program."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any, Protocol

GREETING = json.dumps({"message": "Hello World"}).encode()

Answer = Callable[[socket.socket, bytes, int], None]
"""Takes the connection, the request up to the end of its head or further, and the number of the request."""


class Listener(Protocol):
    def accept(self) -> tuple[socket.socket, Any]: ...


def response(body: bytes = GREETING, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    if not any(line.startswith("Content-Length") for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def listening(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=64)


def greet(connection: socket.socket, _request: bytes, _number: int) -> None:
    connection.sendall(response())


def serve(listener: Listener, answer: Answer = greet) -> None:
    """Answer requests until the program is stopped, for five minutes at the longest."""
    if signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0):
        signal.alarm(300)  # no defect of nox-pex may leave a server for ever
    for number in itertools.count():
        connection, _ = listener.accept()
        threading.Thread(target=_converse, args=(connection, answer, number), daemon=True).start()


def _converse(connection: socket.socket, answer: Answer, number: int) -> None:
    # The client may close the connection at any time.
    with connection, contextlib.suppress(OSError):
        request = b""
        while b"\r\n\r\n" not in request:
            part = connection.recv(65536)
            if not part:
                return
            request += part
        answer(connection, request, number)
