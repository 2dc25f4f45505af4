"""Answer oddly, or in another protocol: `odd_answers.py MODE PORT`. MODE is one of the functions."""

import contextlib
import itertools
import socket
import ssl
import struct
import sys
import time

from serving import GREETING, listening, response, serve

Connection = socket.socket
PORT = int(sys.argv[2])
DEADLINE = time.monotonic() + 60
ERRORS = itertools.cycle(["500 One", "501 Two", "505 Three", "507 Four"])
POSTED = itertools.count()


def with_500(connection: Connection, *_: object) -> None:
    connection.sendall(response(b"no such table: users", status="500 Internal Server Error"))


def with_502(connection: Connection, *_: object) -> None:
    connection.sendall(response(b"", status="502 Bad Gateway"))


def with_changing_errors(connection: Connection, *_: object) -> None:
    connection.sendall(response(b"", status=next(ERRORS)))


def created_once(connection: Connection, request: bytes, _number: int) -> None:
    if not request.startswith(b"POST "):
        connection.sendall(response(b"", status="405 Method Not Allowed"))
    else:
        connection.sendall(response(b"", status="409 Conflict" if next(POSTED) else "201 Created"))


def in_http_2(connection: Connection, *_: object) -> None:
    settings = struct.pack(">I", 0)[1:] + b"\x04\x00" + struct.pack(">I", 0)
    goaway = struct.pack(">I", 8)[1:] + b"\x07\x00" + struct.pack(">III", 0, 0, 1)
    connection.sendall(settings + goaway)


def in_tls(connection: Connection, *_: object) -> None:
    connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")  # an alert: protocol version


def in_ssh(connection: Connection, *_: object) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\nInvalid SSH identification string.\r\n")


def in_redis(connection: Connection, *_: object) -> None:
    connection.sendall(b"-ERR unknown command 'GET', with args beginning with: '/' 'HTTP/1.1'\r\n" * 2)


def with_nothing_then_closes(*_: object) -> None:
    """Close the connection after the request."""


def with_a_reset(connection: Connection, *_: object) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def with_160_kb_of_headers(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, *(f"X-Part-{number}: {'x' * 4000}" for number in range(40))))


def with_endless_headers(connection: Connection, *_: object) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while time.monotonic() < DEADLINE:
        connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")


def with_an_endless_header(connection: Connection, *_: object) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while time.monotonic() < DEADLINE:
        connection.sendall(b"x" * 1000)


def with_endless_1xx(connection: Connection, *_: object) -> None:
    while time.monotonic() < DEADLINE:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        time.sleep(0.001)


def with_another_host(connection: Connection, *_: object) -> None:
    connection.sendall(response(b"", "Location: https://login.example.invalid/", status="302 Found"))


def with_another_scheme(connection: Connection, *_: object) -> None:
    connection.sendall(response(b"", "Location: file:///etc/passwd", status="302 Found"))


def with_a_stream(connection: Connection, *_: object) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    for number in itertools.count():
        connection.sendall(f"data: {number} {'a' * 40}!\n\n".encode())
        time.sleep(0.02)
        if time.monotonic() > DEADLINE:
            return


def with_bad_chunks(connection: Connection, *_: object) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")


def with_a_chunk_too_large(connection: Connection, *_: object) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}")


def with_a_negative_length(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, "Content-Length: -26"))


def with_two_lengths(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, "Content-Length: 26", "Content-Length: 5"))


def with_a_header_of_nothing(connection: Connection, *_: object) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n: nothing\r\nnonsense\r\n\r\n")


def with_1100_codings(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, f"Content-Encoding: {', '.join(['gzip'] * 1100)}"))


def slowly_at_the_second_request(connection: Connection, _request: bytes, number: int) -> None:
    if number:
        time.sleep(20)
    connection.sendall(response())


def banner_first() -> None:
    """Speak before the client does, as SMTP, FTP, SSH and MySQL servers do."""
    listener = listening(PORT)
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"220 ftp.example FTP server ready\r\n")
            while connection.recv(4096):
                connection.sendall(b"500 unknown command\r\n")


def banner_first_and_last() -> None:
    """Speak first, and close the connection, as servers do that refuse a client."""
    listener = listening(PORT)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"220 ftp.example FTP server ready\r\n")


def never_accepted() -> None:
    listener = listening(PORT)
    time.sleep(60)
    listener.close()


def with_400_at_once() -> None:
    """Answer any first bytes, as web servers do that are asked in TLS."""
    listener = listening(PORT)
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4096)
            connection.sendall(response(b"", status="400 Bad Request"))


def nothing_in_tls() -> None:
    """Take the first bytes, and answer nothing."""
    serve(listening(PORT), lambda *_: time.sleep(60))


def certificate_of_nobody() -> None:
    """Speak TLS without a certificate: each handshake fails."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listener = listening(PORT)
    while True:
        connection, _ = listener.accept()
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()


LISTENERS = (
    banner_first,
    banner_first_and_last,
    certificate_of_nobody,
    never_accepted,
    nothing_in_tls,
    with_400_at_once,
)
"""The modes that accept connections by themselves. All others answer a request."""

mode = globals()[sys.argv[1].replace("-", "_")]
if mode in LISTENERS:
    mode()
else:
    serve(listening(PORT), mode)
