"""Asks the program: one HTTP exchange, or one TCP connection, that ends by its deadline whatever the other side does.

Every fault of the other side is data, an `Answer` with a `problem`; nothing here judges whether it is the right answer.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import httpcore2
import httpx2
import msgspec

from nox_pex.settings.smoke import HttpCheck, size
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process.network import HERE, Network

BODY_LIMIT: Final = 16 * 2**20
"""Bytes of a decoded body that are read, unless the check's `max-size` is larger."""


_REDIRECTS: Final = 10


_AGENT: Final = "nox-pex-smoke"


_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: all of it, or up to the `problem` that ended the exchange. Header names are lower case.

    `status` is None when not even a status line came. `seconds` counts from before connecting to the last byte.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    problem: str | None = None


@dataclass(kw_only=True)
class _Exchange:
    """What is known so far of an exchange that may break off at any point. At most `limit` bytes of body are kept."""

    limit: int

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _TooLargeError(Exception):
    """The body is larger than what is read of it."""


class _UndecodableError(Exception):
    """The body is not what its Content-Encoding says."""


class _StrayRedirectError(Exception):
    """A redirect that is not followed, because it leaves the host or does not end."""


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """How an `https` server is checked: against the authorities of `ca_file`, or else those of the system."""
    return ssl.create_default_context(cafile=ca_file)


def ask(
    endpoint: Endpoint, check: HttpCheck, *, tls: ssl.SSLContext | None, timeout: float, network: Network = HERE
) -> Answer:
    """The answer to the check's request within `timeout` seconds, redirects included."""
    limit = max(BODY_LIMIT, size(check.max_size) if check.max_size else 0)
    exchange = _Exchange(limit=limit)
    problem: str | None = None
    late = False
    started = time.monotonic()
    with _Guard(timeout) as guard:
        try:
            _exchange(endpoint, check, exchange, guard=guard, tls=tls, network=network)
        except _TooLargeError:
            problem = f"the body is larger than {limit} bytes"
        except (_UndecodableError, _StrayRedirectError) as error:
            problem = str(error)
        except httpx2.TimeoutException:
            late = True  # on a busy machine a read's own timeout may come before the guard's
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            problem = _in_words(error)
        if late or guard.expired:
            problem = f"no complete answer within {timeout:g} s"
    seconds = time.monotonic() - started
    return Answer(
        status=exchange.status,
        headers=exchange.headers,
        body=bytes(exchange.body),
        seconds=seconds,
        problem=problem,
    )


def connect(host: str, port: int, *, timeout: float, network: Network = HERE) -> str | None:
    """Opens and closes a TCP connection. Returns what went wrong, if anything did."""
    try:
        network.connect(host, port, timeout=timeout).close()
    except TimeoutError:
        return f"no connection within {timeout:g} s"
    except OSError as error:
        return _in_words(error)
    return None


@final
class _Transport(httpx2.HTTPTransport):
    """httpx's own transport, over connections in a given network."""

    def __init__(self, network: Network, *, tls: ssl.SSLContext | None, unix_socket: Path | None) -> None:
        super().__init__(verify=tls or False, trust_env=False)
        uds = None if unix_socket is None else str(unix_socket)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls, uds=uds, max_connections=1, network_backend=_Backend(network)
        )


@final
class _Backend(httpcore2.SyncBackend):
    """Opens TCP connections in a given network, and others as usual."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore2.NetworkStream:
        with _translated({TimeoutError: httpcore2.ConnectTimeout, OSError: httpcore2.ConnectError}):
            made = self._network.connect(host, port, timeout=timeout)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Stream(made)


@final
class _Stream(httpcore2.NetworkStream):
    """A connected socket."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _translated({TimeoutError: httpcore2.ReadTimeout, OSError: httpcore2.ReadError}):
            self._socket.settimeout(timeout)
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translated({TimeoutError: httpcore2.WriteTimeout, OSError: httpcore2.WriteError}):
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            with _translated({TimeoutError: httpcore2.ConnectTimeout, OSError: httpcore2.ConnectError}):
                self._socket.settimeout(timeout)
                return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        return self._socket if info == "socket" else None


@contextlib.contextmanager
def _translated(errors: Mapping[type[OSError], type[Exception]]) -> Iterator[None]:
    """Turns the system's errors into those that httpx knows what to do about; the first that fits counts."""
    try:
        yield
    except OSError as error:
        raise next(theirs for ours, theirs in errors.items() if isinstance(error, ours))(error) from error


@final
class _Guard:
    """Cuts the connection at the deadline: timeouts of single reads do not stop one who sends a byte a second."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.expired = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _Guard:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def watch(self, event: str, info: dict[str, Any]) -> None:
        """Takes in each connection that httpx opens (its `trace` extension)."""
        if event.startswith("connection.") and event.endswith(".complete"):
            stream = info.get("return_value")
            if stream is not None:
                with self._lock:
                    self._sockets.append(stream.get_extra_info("socket"))
                if self.expired:
                    self._cut()

    def _cut(self) -> None:
        self.expired = True
        with self._lock:
            for each in self._sockets:
                # Not `each.shutdown`: that of a TLS socket is no matter for two threads.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(each, socket.SHUT_RDWR)


def _exchange(
    endpoint: Endpoint,
    check: HttpCheck,
    exchange: _Exchange,
    *,
    guard: _Guard,
    tls: ssl.SSLContext | None,
    network: Network,
) -> None:
    transport = _Transport(network, tls=tls, unix_socket=endpoint.unix_socket)
    with httpx2.Client(transport=transport, trust_env=False, timeout=guard.timeout) as client:
        request: httpx2.Request | None = _request(client, endpoint, check)
        origin = _origin(request.url) if request else None
        for _ in range(_REDIRECTS + 1):
            if request is None:
                return
            if _origin(request.url) != origin:
                msg = f"redirected to {request.url}, away from {endpoint.url}"
                raise _StrayRedirectError(msg)
            request.extensions["trace"] = guard.watch
            response = client.send(request, stream=True, follow_redirects=False)
            with contextlib.closing(response):
                _receive(response, exchange)
                request = response.next_request if check.follow_redirects else None
        msg = f"more than {_REDIRECTS} redirects"
        raise _StrayRedirectError(msg)


def _request(client: httpx2.Client, endpoint: Endpoint, check: HttpCheck) -> httpx2.Request:
    headers = {"User-Agent": _AGENT, "Connection": "close", "Accept-Encoding": "gzip, deflate"}
    content: bytes | None = None
    if check.request_json is not msgspec.UNSET:
        headers["Content-Type"] = "application/json"
        content = msgspec.json.encode(check.request_json)
    elif check.request_body is not None:
        content = check.request_body.encode()
    given = {name.lower() for name in check.request_headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in given}
    return client.build_request(
        check.method, endpoint.url + check.path, headers=headers | check.request_headers, content=content
    )


def _receive(response: httpx2.Response, exchange: _Exchange) -> None:
    exchange.status = response.status_code
    exchange.headers = {name.lower(): value for name, value in response.headers.items()}
    exchange.body.clear()
    for part in _decoded(response.iter_raw(), exchange.headers.get("content-encoding", ""), exchange.limit):
        exchange.body += part
        if len(exchange.body) > exchange.limit:
            del exchange.body[exchange.limit :]
            raise _TooLargeError


def _decoded(parts: Iterator[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """Undoes the content codings, the last one first, never making much more than `limit` bytes out of anything."""
    for coding in reversed([name.strip().lower() for name in encoding.split(",") if name.strip()]):
        if coding != "identity":
            parts = _inflated(parts, coding, limit)
    return parts


def _inflated(parts: Iterator[bytes], coding: str, limit: int) -> Iterator[bytes]:
    if coding not in _WINDOW_BITS:
        msg = f"the body's Content-Encoding {coding!r} cannot be undone here"
        raise _UndecodableError(msg)
    decoder = zlib.decompressobj(_WINDOW_BITS[coding])
    came = False
    total = 0
    for part in parts:
        came, waiting = True, part
        while waiting:
            try:
                piece = decoder.decompress(waiting, 65536)
            except zlib.error as error:
                msg = f"the body is not {coding}, as its Content-Encoding says: {error}"
                raise _UndecodableError(msg) from None
            yield piece
            total += len(piece)
            if total > limit:
                raise _TooLargeError
            waiting = decoder.unconsumed_tail
    if came and not decoder.eof:
        msg = f"the body's {coding} data break off"
        raise _UndecodableError(msg)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _in_words(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"{text} (`ca-file` names the authorities to trust)"
    return text
