"""A web server of a page, in raw sockets, so that each program can break what it likes. Packed beside each of them."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Protocol

GREETING = json.dumps({"message": "Hello World"}).encode()

Answer = Callable[[socket.socket, bytes, int], None]
"""Gets the connection, the request (as much of it as came with the end of its head), and the request's number."""


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
    """Answers for ever."""
    for number in itertools.count():
        connection, _ = listener.accept()
        threading.Thread(target=_converse, args=(connection, answer, number), daemon=True).start()


def _converse(connection: socket.socket, answer: Answer, number: int) -> None:
    # The other side may have had enough at any time.
    with connection, contextlib.suppress(OSError):
        request = b""
        while b"\r\n\r\n" not in request:
            part = connection.recv(65536)
            if not part:
                return
            request += part
        answer(connection, request, number)
