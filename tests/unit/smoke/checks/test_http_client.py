"""Requests to a server in this process."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar

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


SETTINGS = bytes([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100])
GOAWAY = bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(8)


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (SETTINGS, "the server speaks only HTTP/2"),
        (GOAWAY, "the server speaks only HTTP/2"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the server speaks TLS; write `https` in `url`"),
        (
            b"SSH-2.0-OpenSSH_9.6\r\n",
            r"the server does not speak HTTP: its answer begins with b'SSH-2.0-OpenSSH_9.6\r\n'",
        ),
        (b"-ERR unknown command\r\n", "the server does not speak HTTP: its answer begins with b'-ERR unknown"),
        (b"220 mail ESMTP\r\n", "the server does not speak HTTP: its answer begins with b'220 mail ESMTP"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "the answer is not valid HTTP/1.1: "),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 160_000, "the headers are larger than 102400 bytes"),
    ],
)
def test_another_protocol_is_a_final_verdict(sent: bytes, problem: str, serve: Serve) -> None:
    started = time.monotonic()
    answer = request(serve(sent), HttpCheck(path="/"))
    assert (answer.problem or "").startswith(problem)
    assert answer.final
    assert time.monotonic() - started < 5


def test_large_headers_are_read(serve: Serve) -> None:
    port = serve(response(b"hello", *(f"X-{number}: {'x' * 1000}" for number in range(90))))
    answer = request(port, HttpCheck(path="/"))
    assert (answer.status, answer.body, answer.problem) == (200, b"hello", None)


@pytest.fixture
def serve_each() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    """Call a function with each connection, and return the port."""
    listeners: list[socket.socket] = []

    def start(handle: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=accept, args=(listener, handle), daemon=True).start()
        port: int = listener.getsockname()[1]
        return port

    def accept(listener: socket.socket, handle: Callable[[socket.socket], None]) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    handle(connection)

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


ServeEach = Callable[[Callable[[socket.socket], None]], int]


def test_a_server_that_closes_without_a_word_is_asked_for_http_2(serve_each: ServeEach) -> None:
    def only_http_2(connection: socket.socket) -> None:
        if connection.recv(65536).startswith(b"PRI * HTTP/2.0"):
            connection.sendall(SETTINGS)

    answer = request(serve_each(only_http_2), HttpCheck(path="/"))
    assert answer.problem is not None
    assert answer.problem.startswith("the server speaks only HTTP/2")
    assert answer.final


def test_a_server_that_speaks_first_is_heard_although_it_resets_the_connection(serve_each: ServeEach) -> None:
    def banner(connection: socket.socket) -> None:
        connection.sendall(b"220 ftp.example\r\n")
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    answer = request(serve_each(banner), HttpCheck(path="/"))
    assert answer.problem == r"the server does not speak HTTP: its answer begins with b'220 ftp.example\r\n'"
    assert answer.final


def test_a_server_that_only_closes_is_no_final_verdict(serve_each: ServeEach) -> None:
    def only_close(connection: socket.socket) -> None:
        connection.recv(65536)

    answer = request(serve_each(only_close), HttpCheck(path="/"))
    assert answer.problem == "Server disconnected without sending a response."
    assert not answer.final


def test_plain_http_behind_https_is_a_final_verdict(serve: Serve) -> None:
    port = serve(response(b"hello"))
    endpoint = Endpoint(url=f"https://127.0.0.1:{port}", host="127.0.0.1", port=port)
    answer = http_client.request(endpoint, HttpCheck(path="/"), tls=http_client.tls_context(None), timeout=10.0)
    assert answer.problem is not None
    assert answer.problem.startswith("the server does not speak TLS; write `http` in `url`")
    assert answer.final


def test_more_content_codings_than_anybody_uses_are_a_problem(serve: Serve) -> None:
    codings = ", ".join(["gzip"] * 1100)
    answer = request(serve(response(b"hello", f"Content-Encoding: {codings}")), HttpCheck(path="/"))
    assert answer.problem == "the Content-Encoding of the body lists 1100 codings, more than 10"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_an_endless_answer_is_complete_when_until_matches(serve_each: ServeEach) -> None:
    ended = threading.Event()

    def stream(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(CHUNKED)
        try:
            for number in range(100_000):
                connection.sendall(chunk(f"data: {number}\n\n".encode()))
                time.sleep(0.001)
        except OSError:
            ended.set()

    answer = request(serve_each(stream), HttpCheck(path="/", until="data: 50\n"))
    assert (answer.status, answer.problem) == (200, None)
    assert b"data: 49\n\ndata: 50\n" in answer.body
    assert answer.seconds < 8
    assert ended.wait(10)  # the connection is closed


def test_until_matches_although_nothing_more_arrives(serve_each: ServeEach) -> None:
    release = threading.Event()

    def stream(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(CHUNKED + chunk(b"data: "))
        time.sleep(0.05)
        connection.sendall(chunk("é\n".encode()))
        release.wait(20)

    answer = request(serve_each(stream), HttpCheck(path="/", until="^data: é$|é\n"))
    release.set()
    assert (answer.problem, answer.body.decode()) == (None, "data: é\n")


def test_until_that_never_matches_shows_the_end(serve: Serve) -> None:
    answer = request(serve(response(b"first\nlast\n")), HttpCheck(path="/", until="middle"))
    assert answer.problem == r"`until` 'middle' did not match: the answer is complete; it ends: 'first\nlast\n'"


def test_until_that_does_not_match_in_time_shows_the_end(serve_each: ServeEach) -> None:
    release = threading.Event()

    def stream(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(CHUNKED + chunk(b"tick\n"))
        release.wait(20)

    port = serve_each(stream)
    endpoint = Endpoint(url=f"http://127.0.0.1:{port}", host="127.0.0.1", port=port)
    answer = http_client.request(endpoint, HttpCheck(path="/", until="tock"), tls=None, timeout=0.5)
    release.set()
    assert answer.problem == r"`until` 'tock' did not match: no complete answer within 0.5 s; it ends: 'tick\n'"


def test_until_that_backtracks_ends_in_time(serve: Serve) -> None:
    port = serve(response(b"a" * 60 + b"!"))
    endpoint = Endpoint(url=f"http://127.0.0.1:{port}", host="127.0.0.1", port=port)
    answer = http_client.request(endpoint, HttpCheck(path="/", until="^(a+)+$"), tls=None, timeout=0.5)
    assert answer.problem == "`until` '^(a+)+$' took longer than the rest of `timeout` (0.5 s)"


def test_a_flood_is_searched_and_bounded(serve_each: ServeEach) -> None:
    def flood(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 2**20)

    answer = request(serve_each(flood), HttpCheck(path="/", until="y"))
    assert (answer.problem or "").startswith(
        "`until` 'y' did not match: the body is larger than 16777216 bytes; it ends:"
    )


def test_cookies_come_back_in_later_requests(serve_each: ServeEach) -> None:
    seen: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        cookies = ("session=s1; Path=/; HttpOnly", "deep=d1; Path=/deep", "old=o1; Max-Age=0", "safe=x; Secure")
        connection.sendall(response(b"", *(f"Set-Cookie: {cookie}" for cookie in cookies)))

    port = serve_each(handle)
    endpoint = Endpoint(url=f"http://127.0.0.1:{port}", host="127.0.0.1", port=port)
    jar = CookieJar()
    for path in ("/", "/", "/deep/er"):
        http_client.request(endpoint, HttpCheck(path=path), tls=None, timeout=10.0, cookies=jar)
    http_client.request(endpoint, HttpCheck(path="/"), tls=None, timeout=10.0)
    sent = [re.findall(rb"(?i)^cookie: (.*)\r$", request, re.MULTILINE) for request in seen]
    assert [set(each[0].split(b"; ")) if each else set() for each in sent] == [
        set(),
        {b"session=s1"},
        {b"session=s1", b"deep=d1"},
        set(),
    ]
