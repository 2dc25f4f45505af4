"""Connections for requests: in a given network, with their first bytes recorded, and ended at a deadline."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, final

import httpcore2
import httpx2

from nox_pex.smoke.process.network import Network

HEADER_LIMIT: Final = httpcore2.HTTP11Connection.MAX_INCOMPLETE_EVENT_SIZE
"""The number of bytes of a status line with its headers that are read. Proxies and browsers read no more."""


_FIRST_BYTES: Final = 64
"""The number of bytes of an answer that are kept for messages."""


_HTTP: Final = b"HTTP/"
"""The beginning of a status line (RFC 9112, section 4)."""


@final
class Wire:
    """The known facts about the connections of one exchange.

    `first_bytes` are the first bytes that the program sent on the latest connection, after the TLS handshake if there
    is one. `has_tls` says whether that handshake has ended. `before_read` is called with the socket before each read,
    when everything that has arrived is parsed.
    """

    def __init__(self) -> None:
        self.first_bytes = b""
        self.before_read: Callable[[socket.socket], None] | None = None
        self.has_tls = False


@final
class Transport(httpx2.HTTPTransport):
    """The transport of httpx, with connections in a given network or to a Unix socket."""

    def __init__(self, network: Network, wire: Wire, *, tls: ssl.SSLContext | None, unix_socket: Path | None) -> None:
        super().__init__(verify=tls or False, trust_env=False)
        uds = None if unix_socket is None else str(unix_socket)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls, uds=uds, max_connections=1, network_backend=_Backend(network, wire)
        )


@final
class _Backend(httpcore2.SyncBackend):
    """The network backend of httpcore, with connections in a given network."""

    def __init__(self, network: Network, wire: Wire) -> None:
        self._network = network
        self._wire = wire

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore2.NetworkStream:
        with _translate_errors({TimeoutError: httpcore2.ConnectTimeout, OSError: httpcore2.ConnectError}):
            connection = self._network.connect(host, port, timeout=timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Stream(connection, self._wire)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore2.NetworkStream:
        with _translate_errors({TimeoutError: httpcore2.ConnectTimeout, OSError: httpcore2.ConnectError}):
            return _Stream(connect_unix(Path(path), timeout=timeout), self._wire)


@final
class _Stream(httpcore2.NetworkStream):
    """A connected socket as a stream of httpcore."""

    def __init__(self, connection: socket.socket, wire: Wire) -> None:
        self._socket = connection
        self._wire = wire
        wire.first_bytes = b""
        wire.has_tls = isinstance(connection, ssl.SSLSocket)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._wire.before_read is not None:
            self._wire.before_read(self._socket)
        with _translate_errors({TimeoutError: httpcore2.ReadTimeout, OSError: httpcore2.ReadError}):
            self._socket.settimeout(timeout)
            data = self._socket.recv(max_bytes)
        if len(self._wire.first_bytes) < _FIRST_BYTES:
            self._wire.first_bytes = first = (self._wire.first_bytes + data)[:_FIRST_BYTES]
            if first[: len(_HTTP)] != _HTTP[: len(first)]:  # the parser would wait for the end of the headers
                msg = "it does not begin with HTTP/"
                raise httpcore2.RemoteProtocolError(msg)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translate_errors({TimeoutError: httpcore2.WriteTimeout, OSError: httpcore2.WriteError}):
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            with _translate_errors({TimeoutError: httpcore2.ConnectTimeout, OSError: httpcore2.ConnectError}):
                self._socket.settimeout(timeout)
                return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._wire)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        return self._socket if info == "socket" else None


def connect_unix(path: Path, *, timeout: float | None) -> socket.socket:
    """Return a connection to a Unix socket. Raises `OSError`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _translate_errors(errors: Mapping[type[OSError], type[Exception]]) -> Iterator[None]:
    """Turn the system's errors into those of httpcore. The first key that matches counts."""
    try:
        yield
    except OSError as error:
        raise next(new for old, new in errors.items() if isinstance(error, old))(error) from error


@final
class Deadline:
    """Shuts down the connections at the deadline. A read timeout alone does not stop a server that sends slowly."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.expired: bool = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        """Raise `BlockingIOError` if the system has no thread left for it."""
        try:
            self._timer.start()
        except RuntimeError as error:
            raise BlockingIOError(errno.EAGAIN, str(error)) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def watch(self, event: str, info: dict[str, Any]) -> None:
        """Register each connection that httpx opens. This is its `trace` extension."""
        if event.startswith("connection.") and event.endswith(".complete"):
            stream = info.get("return_value")
            if stream is not None:
                with self._lock:
                    self._sockets.append(stream.get_extra_info("socket"))
                if self.expired:
                    self._expire()

    def _expire(self) -> None:
        self.expired = True
        with self._lock:
            for each in self._sockets:
                # Not `each.shutdown`: that method of a TLS socket is not safe with a second thread.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
