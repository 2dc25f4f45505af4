"""Connections that end at a deadline. A read timeout alone does not stop a server that sends single bytes.

The head of an answer must be complete within the read timeout after the request. The reader of the body sets its time.
"""

from __future__ import annotations

import ssl
import time
from typing import Any, final

import httpcore2
import httpx2


@final
class Transport(httpx2.HTTPTransport):
    """The transport of httpx, with such connections. All threads may use it at the same time."""

    def __init__(self, *, verify: ssl.SSLContext, proxy: str | None, limits: httpx2.Limits) -> None:
        super().__init__(verify=verify, proxy=proxy, limits=limits, trust_env=False)
        self._pool._network_backend = _Backend()  # noqa: SLF001  # only httpcore's own pools take it as an argument


def end_body(response: httpx2.Response, *, seconds: float) -> None:
    """Let the connection of `response` end after `seconds`. Reading then raises `httpx2.ReadTimeout`."""
    stream = response.extensions.get("network_stream")
    if isinstance(stream, _Stream):
        stream.end(seconds)


@final
class _Backend(httpcore2.SyncBackend):
    """The network backend of httpcore, with connections that end."""

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        return _Stream(super().connect_tcp(host, port, *args, **options))


@final
class _Stream(httpcore2.NetworkStream):
    """A connection that ends at the deadline of the answer, of which each writing begins another one."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self._written = time.monotonic()
        self._until: float | None = None

    def end(self, seconds: float) -> None:
        """Let this connection end after `seconds`, unless something is written before."""
        self._until = time.monotonic() + seconds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if timeout is None:
            return self._stream.read(max_bytes)
        until = self._written + timeout if self._until is None else self._until
        left = until - time.monotonic()
        if left <= 0:
            msg = "the answer is not complete in time"
            raise httpcore2.ReadTimeout(msg)
        return self._stream.read(max_bytes, timeout=min(timeout, left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=timeout)
        self._written, self._until = time.monotonic(), None

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(*args, **options))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
