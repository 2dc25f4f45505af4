"""Answers in every way but the right one: `answers.py MODE PORT`."""

import gzip
import json
import socket
import sys
import time

from serving import GREETING, listening, response, serve

mode, port = sys.argv[1], int(sys.argv[2])


def bomb(layers: int) -> bytes:
    data = b"0" * 64_000_000
    for _ in range(layers):
        data = gzip.compress(data, 9)
    return data


BOMBS = {"bomb": (bomb(1), "gzip"), "nested-bomb": (bomb(2), "gzip, gzip")} if "bomb" in mode else {}


def answer(connection: socket.socket, request: bytes, number: int) -> None:
    send = connection.sendall
    if mode == "well":
        send(response(headers=("Content-Type: application/json", "X-Greeting: hello")))
    elif mode == "nothing":
        time.sleep(60)
    elif mode == "a-byte-a-while":
        for byte in response():
            send(bytes([byte]))
            time.sleep(0.3)
    elif mode == "a-body-byte-a-while":
        whole = response()
        send(whole[: -len(GREETING)])
        for byte in GREETING:
            send(bytes([byte]))
            time.sleep(0.3)
    elif mode == "503-for-a-while":
        send(response(status="200 OK" if number >= 4 else "503 Service Unavailable"))
    elif mode == "503-for-ever":
        send(response(status="503 Service Unavailable"))
    elif mode == "every-other-time":
        send(response(status="500 Internal Server Error" if number % 2 else "200 OK"))
    elif mode == "half":
        send(response(headers=("Content-Length: 1000",)))
    elif mode == "a-short-length":
        send(response(headers=("Content-Length: 5",)))
    elif mode == "endlessly":
        send(response(b"", headers=("Content-Length: 100000000000",)))
        while True:
            send(b"0" * 65536)
    elif mode in BOMBS:
        body, coding = BOMBS[mode]
        send(response(body, headers=(f"Content-Encoding: {coding}",)))
    elif mode == "compressed":
        send(response(gzip.compress(GREETING), headers=("Content-Encoding: gzip",)))
    elif mode == "badly-compressed":
        send(response(b"no gzip at all", headers=("Content-Encoding: gzip",)))
    elif mode == "no-json":
        send(response(b'{"message": '))
    elif mode == "not-utf-8":
        send(response(b'{"message": "\xff"}', headers=("Content-Type: application/json",)))
    elif mode == "in-klingon":
        send(response(headers=("Content-Type: application/json; charset=klingon",)))
    elif mode == "in-circles":
        send(response(b"", status="302 Found", headers=(f"Location: http://127.0.0.1:{port}/",)))
    elif mode == "elsewhere":
        send(response(b"", status="302 Found", headers=("Location: http://example.invalid/",)))
    elif mode == "round-the-corner":
        if b"GET /there " in request:
            send(response())
        else:
            send(response(b"", status="303 See Other", headers=("Location: /there",)))
    elif mode == "not-http":
        send(b"220 mail.example ESMTP\r\n")
    elif mode == "echo":
        head, _, body = request.partition(b"\r\n\r\n")
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        send(
            response(
                json.dumps({"method": method, "path": path, "body": body.decode(), "head": head.decode()}).encode()
            )
        )
    else:
        raise ValueError(mode)


serve(listening(port), answer)
