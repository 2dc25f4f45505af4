"""Answer well or in a broken way: `answers.py MODE PORT`. MODE is one of the functions."""

import gzip
import json
import socket
import sys
import time

from serving import GREETING, listening, response, serve

Connection = socket.socket
PORT = int(sys.argv[2])


def well(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, "Content-Type: application/json", "X-Greeting: hello"))


def echo(connection: Connection, request: bytes, _number: int) -> None:
    head = request.partition(b"\r\n\r\n")[0].decode()
    method, path, _ = head.partition("\r\n")[0].split(" ")
    connection.sendall(response(json.dumps({"method": method, "path": path, "head": head}).encode()))


def nothing(*_: object) -> None:
    time.sleep(60)


def a_byte_a_while(connection: Connection, *_: object) -> None:
    slowly(connection, response())


def a_body_byte_a_while(connection: Connection, *_: object) -> None:
    connection.sendall(response()[: -len(GREETING)])
    slowly(connection, GREETING)


def slowly(connection: Connection, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.3)


def with_503_for_a_while(connection: Connection, _request: bytes, number: int) -> None:
    connection.sendall(response(status="200 OK" if number > 3 else "503 Service Unavailable"))


def with_503_for_ever(connection: Connection, *_: object) -> None:
    connection.sendall(response(status="503 Service Unavailable"))


def every_other_time(connection: Connection, _request: bytes, number: int) -> None:
    connection.sendall(response(status="500 Internal Server Error" if number % 2 else "200 OK"))


def half(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, "Content-Length: 1000"))


def with_a_short_length(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, "Content-Length: 5"))


def endlessly(connection: Connection, *_: object) -> None:
    connection.sendall(response(b"", "Content-Length: 100000000000"))
    while True:
        connection.sendall(bytes(65536))


def with_a_bomb_in_a_bomb(connection: Connection, *_: object) -> None:
    connection.sendall(response(gzip.compress(BOMB), "Content-Encoding: gzip, gzip"))


def compressed(connection: Connection, *_: object) -> None:
    connection.sendall(response(gzip.compress(GREETING), "Content-Encoding: gzip"))


def badly_compressed(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, "Content-Encoding: gzip"))


def oddly_compressed(connection: Connection, *_: object) -> None:
    connection.sendall(response(GREETING, "Content-Encoding: shrink"))


def no_json(connection: Connection, *_: object) -> None:
    connection.sendall(response(b'{"message": '))


def no_utf_8(connection: Connection, *_: object) -> None:
    connection.sendall(response(b'{"message": "\xff"}', "Content-Type: application/json"))


def in_circles(connection: Connection, *_: object) -> None:
    connection.sendall(response(b"", f"Location: http://127.0.0.1:{PORT}/", status="302 Found"))


def next_door(connection: Connection, *_: object) -> None:
    connection.sendall(response(b"", f"Location: http://127.0.0.1:{PORT + 1}/", status="302 Found"))


def round_the_corner(connection: Connection, request: bytes, _number: int) -> None:
    arrived = b"GET /there " in request
    connection.sendall(response() if arrived else response(b"", "Location: /there", status="303 See Other"))


BOMB = gzip.compress(bytes(64_000_000)) if "bomb" in sys.argv[1] else b""
serve(listening(PORT), globals()[sys.argv[1].replace("-", "_")])
