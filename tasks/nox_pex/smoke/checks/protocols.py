"""Say which protocol a program speaks, if it does not answer an HTTP/1.1 request with an HTTP/1.1 response."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Callable
from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The connection preface of HTTP/2, with an empty frame of settings (RFC 9113, section 3.4)."""


_HTTP_2_FRAME: Final = re.compile(rb"\0[\0-\x40].[\x04\x07].\0{4}", re.DOTALL)
"""The header of a frame of type SETTINGS or GOAWAY on stream 0 (RFC 9113, section 4.1). They are small."""


_TLS_RECORD: Final = re.compile(rb"[\x15\x16]\x03[\0-\x04]")
"""The header of an alert or a handshake message of TLS (RFC 8446, section 5.1)."""


_PROBE_TIMEOUT: Final = 0.5
"""Seconds in which the program must answer a probe."""


_BANNER_TIMEOUT: Final = 0.1
"""Seconds in which a server that speaks first does so."""


HTTP_2: Final = "the server speaks only HTTP/2, and nox-pex checks by HTTP/1.1; let it accept HTTP/1.1 too"


_NO_TLS: Final = "the server does not speak TLS; write `http` in `url`"


_TLS: Final = "the server speaks TLS; write `https` in `url`"


def describe_bytes(first: bytes, reason: str, *, header_limit: int) -> str:
    """Return the problem of an answer that is not a response of HTTP/1.1.

    `first` are its first bytes, `reason` is what the parser says.
    """
    if _HTTP_2_FRAME.match(first):
        return HTTP_2
    if _TLS_RECORD.match(first):
        return _TLS
    if "too long" in reason:
        return f"the headers are larger than {header_limit} bytes"
    if first.startswith(b"HTTP/"):
        return f"the answer is not valid HTTP/1.1: {reason}"
    return f"the server does not speak HTTP: its answer begins with {first[:40]!r}"


def describe_tls_error(text: str) -> str | None:
    """Return the problem of a failed TLS handshake, None if the error says nothing about the protocol.

    `text` is the error of the module `ssl`.
    """
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"{text} (set `ca-file` to the authorities to trust)"
    if re.search(r"no.application.protocol", text, re.IGNORECASE):
        return HTTP_2
    if re.search(r"wrong.version.number|record.layer.failure|http.request", text, re.IGNORECASE):
        return f"{_NO_TLS} ({text})"
    return None


def probe_plain(connect: Callable[[float], socket.socket]) -> str | None:
    """Return the problem of a server with which no TLS handshake ended, None if it does not answer plain HTTP either.

    `connect` takes a timeout in seconds and returns a new connection, or raises `OSError`.
    """
    with contextlib.suppress(OSError), contextlib.closing(connect(_PROBE_TIMEOUT)) as connection:
        connection.settimeout(_PROBE_TIMEOUT)
        connection.sendall(b"OPTIONS * HTTP/1.0\r\n\r\n")
        if connection.recv(64).startswith(b"HTTP/"):
            return _NO_TLS
    return None


def probe(connect: Callable[[float], socket.socket]) -> str | None:
    """Return the problem of a server that closes a plain connection without a word, None if it is unknown.

    `connect` takes a timeout in seconds and returns a new connection, or raises `OSError`.
    """
    with contextlib.suppress(OSError), contextlib.closing(connect(_PROBE_TIMEOUT)) as connection:
        connection.settimeout(_BANNER_TIMEOUT)
        if banner := connection.recv(64):  # a reset after the request may have destroyed it
            return describe_bytes(banner, "", header_limit=0)
    with contextlib.suppress(OSError), contextlib.closing(connect(_PROBE_TIMEOUT)) as connection:
        connection.settimeout(_PROBE_TIMEOUT)
        connection.sendall(_PREFACE)
        if _HTTP_2_FRAME.match(connection.recv(64)):
            return HTTP_2
    try:
        with contextlib.closing(connect(_PROBE_TIMEOUT)) as connection:
            connection.settimeout(_PROBE_TIMEOUT)
            _any_certificate().wrap_socket(connection).close()
    except ssl.SSLEOFError:
        return None
    except ssl.SSLError as error:
        return _TLS if "ALERT" in (error.reason or "") else None
    except OSError:
        return None
    return _TLS


def _any_certificate() -> ssl.SSLContext:
    """Return settings that accept every certificate: nothing is sent through the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
