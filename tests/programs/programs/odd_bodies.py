"""Answer with a body that is hard to read: `odd_bodies.py MODE PORT`. MODE is a key of BODIES."""

import gzip
import json
import sys
import zlib

from serving import GREETING, listening, response, serve

HOSTILE = "a" * 40 + "!"
"""A text on which `^(a+)+$` backtracks for years."""


def plain(body: bytes | str, *headers: str) -> bytes:
    return response(body.encode() if isinstance(body, str) else body, "Content-Type: application/json", *headers)


def in_charset(charset: str, body: bytes = GREETING) -> bytes:
    return response(body, f"Content-Type: text/plain; charset={charset}")


def nested(depth: int, inside: str = "1") -> str:
    return "[" * depth + inside + "]" * depth


BODIES = {
    "nested-900": lambda: plain(nested(900, '{"id": 7}')),
    "nested-900-objects": lambda: plain('{"a":' * 900 + '{"id": 7}' + "}" * 900),
    "nested-100000": lambda: plain(nested(100_000)),
    "a-lone-surrogate": lambda: plain(r'{"message": "\ud800"}'),
    "a-lone-surrogate-as-key": lambda: plain(r'{"\udfff": 1}'),
    "a-huge-integer": lambda: plain('{"message": ' + "9" * 10_000 + "}"),
    "a-huge-exponent": lambda: plain('{"message": 1e999999999}'),
    "nan": lambda: plain('{"message": NaN}'),
    "a-key-twice": lambda: plain('{"message": "Hello World", "message": "Goodbye"}'),
    "a-bom": lambda: plain(b"\xef\xbb\xbf{}"),
    "two-documents": lambda: plain(GREETING + GREETING),
    "wide": lambda: plain("[" + ",".join(["1"] * 1_000_000) + "]"),
    "escapes": lambda: plain(json.dumps({"message": "\x1b[2J\x00\u202e\r\n::error::x"})),
    "hostile": lambda: plain(json.dumps({"message": HOSTILE}), f"X-Hostile: {HOSTILE}"),
    "a-deflate-bomb": lambda: plain(zlib.compress(bytes(64_000_000)), "Content-Encoding: deflate"),
    "ten-codings": lambda: plain(_compressed(10), f"Content-Encoding: {', '.join(['gzip'] * 10)}"),
    "half-a-gzip": lambda: plain(gzip.compress(GREETING)[:-6], "Content-Encoding: gzip"),
    "charset-long": lambda: in_charset("x" * 5000),
    "charset-idna": lambda: in_charset("idna", b"\xff-\\x" + b"a" * 300 + b".." + GREETING),
}


def _compressed(times: int) -> bytes:
    body = bytes(1_000_000)
    for _ in range(times):
        body = gzip.compress(body)
    return body


BODY = BODIES[sys.argv[1]]()
serve(listening(int(sys.argv[2])), lambda connection, *_: connection.sendall(BODY))
