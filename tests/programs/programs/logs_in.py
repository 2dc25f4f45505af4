"""A shop with a login: `logs_in.py PORT`. Its items are created once, for those who have the token and the cookie."""

import json
import re
import socket
import sys
import time

from serving import listening, response, serve

PORT = int(sys.argv[1]) if sys.argv[1].isdecimal() else 0
TOKEN = "t0ken-of-a-customer"
items: list[str] = []


def answer(connection: socket.socket, request: bytes, _number: int) -> None:
    head = request.partition(b"\r\n\r\n")[0].decode()
    method, target, _ = head.partition("\r\n")[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
    body = request.partition(b"\r\n\r\n")[2]
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    routes = {
        ("GET", "/login"): form,
        ("POST", "/login"): login,
        ("POST", "/items"): create,
        ("GET", "/events"): events,
    }
    routes.get((method, target), show)(connection, headers, target, body.decode())


def form(connection: socket.socket, *_: object) -> None:
    page = b'<form><input name="csrf" value="c5rf-value"></form>'
    connection.sendall(
        response(page, "Set-Cookie: csrf=c5rf-value; Path=/login", "Content-Type: text/html; charset=utf-8")
    )


def login(connection: socket.socket, headers: dict[str, str], _target: str, body: str) -> None:
    if "csrf=c5rf-value" not in headers.get("cookie", "") or body != "csrf=c5rf-value&name=me":
        connection.sendall(response(b"{}", status="403 Forbidden"))
        return
    sys.stdout.write(f"logged in with {TOKEN}\n")
    sys.stdout.flush()
    answer = json.dumps({"access_token": TOKEN, "user": 7}).encode()
    connection.sendall(response(answer, "Set-Cookie: session=s1; Path=/; HttpOnly"))


def create(connection: socket.socket, headers: dict[str, str], _target: str, body: str) -> None:
    allowed = headers.get("authorization") == f"Bearer {TOKEN}" and headers.get("cookie") == "session=s1"
    if not allowed or items:
        connection.sendall(response(b"{}", status="409 Conflict" if allowed else "401 Unauthorized"))
        return
    items.append(body)
    location = f"Location: http://127.0.0.1:{PORT}/items/1?of={json.loads(body)['user']}"
    connection.sendall(response(b"{}", location, status="201 Created"))


def show(connection: socket.socket, _headers: dict[str, str], target: str, _body: str) -> None:
    found = re.fullmatch(r"/items/1\?of=7", target)
    connection.sendall(response(items[0].encode()) if found else response(b"{}", status="404 Not Found"))


def events(connection: socket.socket, *_: object) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    number = 0
    while True:
        connection.sendall(f"data: {number}\n\n".encode())
        number += 1
        time.sleep(0.01)


if sys.argv[1] == "token":
    sys.stdout.write("good\n" if sys.argv[2:] == [TOKEN] else f"bad {sys.argv}\n")
else:
    serve(listening(PORT), answer)
