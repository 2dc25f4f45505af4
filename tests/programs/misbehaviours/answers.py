"""Servers that answer as no good web server does, or in another protocol."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.programs.misbehaviours import Misbehaviour, get

_Row = partial(Misbehaviour, program="odd_answers")
_Wrong = partial(_Row, code="check-failed")
_NeverReady = partial(_Row, code="startup-timeout", seconds=8.0)
SHORT: Final[dict[str, Any]] = {"startup-timeout": 1.0}

ROWS: Final = (
    # A status
    _Wrong(mode="with-500", words=("GET /", "status 500")),
    _NeverReady(mode="with-502", settings=SHORT, words=("status 502",)),
    _NeverReady(mode="with-changing-errors", settings=SHORT | get(), words=("got status 50",)),
    _NeverReady(mode="with-500", settings=SHORT | {"ready": {"path": "/up"}}, words=("GET /up", "status 500")),
    _Row(mode="created-once", settings=get(method="POST", status=201, request_json={}), code=None),
    # Another protocol: the verdict comes at once, and not after the `startup-timeout` of 15 s
    _Wrong(mode="in-http-2", words=("HTTP/2",)),
    _Wrong(mode="in-tls", words=("TLS",)),
    _Wrong(mode="in-ssh", words=("SSH-2.0",)),
    _Wrong(mode="in-redis", words=("-ERR unknown command",)),
    _Wrong(mode="banner-first", words=("220 ftp.example",)),
    _Wrong(mode="banner-first-and-last", words=("220 ftp.example",)),
    _Wrong(mode="with-400-at-once", settings={"url": "https://127.0.0.1:{port}"}, words=("TLS",)),
    # No answer
    _NeverReady(mode="never-accepted", settings=SHORT, words=("no complete answer within",)),
    _NeverReady(mode="with-nothing-then-closes", settings=SHORT, words=("disconnected without sending a response",)),
    _NeverReady(mode="with-a-reset", settings=SHORT, words=("GET /",)),
    _NeverReady(
        mode="nothing-in-tls", settings=SHORT | {"url": "https://127.0.0.1:{port}"}, words=("no complete answer",)
    ),
    _NeverReady(
        mode="certificate-of-nobody", settings=SHORT | {"url": "https://127.0.0.1:{port}"}, words=("handshake",)
    ),
    # Headers
    _Wrong(mode="with-160-kb-of-headers", words=("headers are larger",)),
    _Wrong(mode="with-endless-headers", words=("headers",)),
    _Wrong(mode="with-an-endless-header", words=("headers",)),
    _Wrong(mode="with-a-header-of-nothing", words=("header",)),
    _NeverReady(mode="with-endless-1xx", settings=SHORT | get(), words=("no complete answer within",)),
    _Wrong(mode="with-a-negative-length", words=("Content-Length",)),
    _Wrong(mode="with-two-lengths", words=("Content-Length",)),
    _Wrong(mode="with-1100-codings", words=("1100 codings",)),
    # Redirects
    _Wrong(
        mode="with-another-host", settings=get(follow_redirects=True), words=("redirected to https://login.example",)
    ),
    _Wrong(mode="with-another-host", settings=get(), words=("status 302", "https://login.example")),
    _Wrong(mode="with-another-scheme", settings=get(follow_redirects=True), words=("redirected to file://",)),
    # Endless and broken bodies
    _Wrong(mode="with-a-stream", settings=get(), words=("no complete answer within 1 s", "`until`")),
    _Wrong(mode="with-a-stream", settings=get(until="z{3}"), words=("'z{3}'",)),
    _Wrong(mode="with-a-stream", settings=get(until=r"data: \d (a+)+$"), words=(r"data: \\d (a+)+$",)),
    _Row(mode="with-a-stream", settings=get(until="data: 7 a+", timeout=8.0), code=None),
    _Wrong(mode="with-bad-chunks", words=("chunk",)),
    _Wrong(mode="with-a-chunk-too-large", words=("chunk",)),
    _Wrong(mode="slowly-at-the-second-request", settings=get(), words=("no complete answer within 1 s",)),
)
