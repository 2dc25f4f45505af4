"""Requests to a server in this process."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from nox_pex.settings.checks import HttpCheck
from nox_pex.smoke.checks import http_client
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.plan import Endpoint

Serve = Callable[[bytes], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer one connection with the given bytes, and return the port."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threads.append(threading.Thread(target=answer_once, args=(listener, answer), daemon=True))
        threads[-1].start()
        port: int = listener.getsockname()[1]
        return port

    def answer_once(listener: socket.socket, answer: bytes) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    yield start
    for listener in listeners:
        listener.close()
    for thread in threads:
        thread.join(timeout=10)


def request(port: int, check: HttpCheck) -> Answer:
    endpoint = Endpoint(url=f"http://127.0.0.1:{port}", host="127.0.0.1", port=port)
    return http_client.request(endpoint, check, tls=None, timeout=10.0)


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def test_an_answer_is_decoded_and_its_headers_are_lower_case(serve: Serve) -> None:
    port = serve(response(gzip.compress(b"hello", mtime=0), "Content-Encoding: gzip", "X-Greeting: Hello"))
    answer = request(port, HttpCheck(path="/"))
    assert (answer.status, answer.body, answer.problem) == (200, b"hello", None)
    assert answer.headers["x-greeting"] == "Hello"
    assert answer.seconds > 0


@pytest.mark.parametrize(
    ("body", "coding", "problem"),
    [
        (b"hello", "gzip", "the body is not gzip, as its Content-Encoding says"),
        (b"hello", "shrink", "the body has the unsupported Content-Encoding 'shrink'"),
        (gzip.compress(b"hello", mtime=0)[:-4], "gzip", "the body's gzip data is truncated"),
    ],
)
def test_a_body_that_cannot_be_decoded_is_a_problem(body: bytes, coding: str, problem: str, serve: Serve) -> None:
    answer = request(serve(response(body, f"Content-Encoding: {coding}")), HttpCheck(path="/"))
    assert answer.status == 200
    assert answer.problem is not None
    assert answer.problem.startswith(problem)


def test_a_redirect_to_another_host_is_not_followed(serve: Serve) -> None:
    port = serve(response(b"", "Location: http://example.invalid/", status="302 Found"))
    answer = request(port, HttpCheck(path="/", follow_redirects=True))
    assert answer.problem == f"redirected to http://example.invalid/, which is outside http://127.0.0.1:{port}"


def test_a_port_on_which_nothing_listens_is_a_problem() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening: nobody else can listen there
        port = unused.getsockname()[1]
        problem = http_client.connect("127.0.0.1", port, timeout=10.0)
        answer = request(port, HttpCheck(path="/"))
    assert problem is not None
    assert "refused" in problem
    assert answer.status is None
    assert "refused" in (answer.problem or "")


def test_an_open_port_is_no_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert http_client.connect("127.0.0.1", listener.getsockname()[1], timeout=10.0) is None
