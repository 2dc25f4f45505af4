"""A web server of a page, in raw sockets, so that each program can break what it likes. Packed beside each of them."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable

GREETING = json.dumps({"message": "Hello World"}).encode()


def response(body: bytes = GREETING, *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close"]
    if not any(line.startswith("Content-Length") for line in lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def listening(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=64)


def serve(listener: socket.socket, answer: Callable[[socket.socket, bytes, int], None] | None = None) -> None:
    """Answers for ever: `answer` gets the connection, the request up to its body's beginning, and the request's number."""
    for number in itertools.count():
        connection, _ = listener.accept()
        threading.Thread(target=_converse, args=(connection, answer or greet, number), daemon=True).start()


def greet(connection: socket.socket, _request: bytes, _number: int) -> None:
    connection.sendall(response())


def _converse(connection: socket.socket, answer: Callable[[socket.socket, bytes, int], None], number: int) -> None:
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            part = connection.recv(65536)
            if not part:
                return
            request += part
        try:
            answer(connection, request, number)
        except OSError:
            pass  # the other side has had enough
