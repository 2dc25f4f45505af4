"""Send a request to the program: one HTTP exchange, or one TCP connection.

An exchange ends by its deadline, even if the program sends slowly or never. A fault of the program is not raised: it is
the `problem` of the `Answer`. `results` decides whether the answer is the expected one.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, final

import httpcore2
import httpx2
import msgspec
from msgspec import Struct, field

from nox_pex.settings.checks import HttpCheck
from nox_pex.settings.values import parse_size
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process.network import HERE, Network

BODY_LIMIT: Final = 16 * 2**20
"""The number of bytes of a decoded body that are read, unless the check's `max-size` is larger."""


_REDIRECTS: Final = 10


_AGENT: Final = "nox-pex-smoke"


_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""The content codings that can be decoded, and the `wbits` of zlib for each."""


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to a request: complete, or up to the `problem` that ended the exchange. Header names are lower case.

    `status` is None if no status line arrived. `seconds` is the time from before connecting to the last byte.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    problem: str | None = None


class _Exchange(Struct, kw_only=True):
    """The part of an answer that has arrived. The exchange may end at any point. `body` holds at most `limit` bytes."""

    limit: int

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _TooLargeError(Exception):
    """The body is larger than the limit."""


class _UndecodableError(Exception):
    """The body does not match its Content-Encoding."""


class _StrayRedirectError(Exception):
    """A redirect that is not followed, because it leads to another host or there are too many."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return the settings that verify a server with the authorities in `ca_file`, or else with those of the system.

    Raises `OSError` if `ca_file` cannot be read, and its subclass `ssl.SSLError` if it has no certificate.
    """
    return ssl.create_default_context(cafile=ca_file)


def request(
    endpoint: Endpoint, check: HttpCheck, *, tls: ssl.SSLContext | None, timeout: float, network: Network = HERE
) -> Answer:
    """Send the request of `check` and return the answer, after `timeout` seconds at the latest, including redirects."""
    limit = max(BODY_LIMIT, parse_size(check.max_size) if check.max_size else 0)
    exchange = _Exchange(limit=limit)
    problem: str | None = None
    late = False
    started = time.monotonic()
    with _Deadline(timeout) as deadline:
        try:
            _exchange(endpoint, check, exchange, deadline=deadline, tls=tls, network=network)
        except _TooLargeError:
            problem = f"the body is larger than {limit} bytes"
        except (_UndecodableError, _StrayRedirectError) as error:
            problem = str(error)
        except httpx2.TimeoutException:
            late = True  # on a busy machine the timeout of a read may come before the deadline
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            problem = _describe_error(error)
        if late or deadline.expired:
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
    """Open a TCP connection and close it. Return the problem, or None if there is none. `timeout` is in seconds."""
    try:
        network.connect(host, port, timeout=timeout).close()
    except TimeoutError:
        return f"no connection within {timeout:g} s"
    except OSError as error:
        return _describe_error(error)
    return None


@final
class _Transport(httpx2.HTTPTransport):
    """The transport of httpx, with connections in a given network."""

    def __init__(self, network: Network, *, tls: ssl.SSLContext | None, unix_socket: Path | None) -> None:
        super().__init__(verify=tls or False, trust_env=False)
        uds = None if unix_socket is None else str(unix_socket)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls, uds=uds, max_connections=1, network_backend=_Backend(network)
        )


@final
class _Backend(httpcore2.SyncBackend):
    """The network backend of httpcore, with TCP connections in a given network."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore2.NetworkStream:
        with _translate_errors({TimeoutError: httpcore2.ConnectTimeout, OSError: httpcore2.ConnectError}):
            connection = self._network.connect(host, port, timeout=timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _Stream(connection)


@final
class _Stream(httpcore2.NetworkStream):
    """A connected socket as a stream of httpcore."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _translate_errors({TimeoutError: httpcore2.ReadTimeout, OSError: httpcore2.ReadError}):
            self._socket.settimeout(timeout)
            return self._socket.recv(max_bytes)

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
                return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        return self._socket if info == "socket" else None


@contextlib.contextmanager
def _translate_errors(errors: Mapping[type[OSError], type[Exception]]) -> Iterator[None]:
    """Turn the system's errors into those of httpcore. The first key that matches counts."""
    try:
        yield
    except OSError as error:
        raise next(new for old, new in errors.items() if isinstance(error, old))(error) from error


@final
class _Deadline:
    """Shuts down the connections at the deadline. A read timeout alone does not stop a server that sends slowly."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.expired = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
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


def _exchange(
    endpoint: Endpoint,
    check: HttpCheck,
    exchange: _Exchange,
    *,
    deadline: _Deadline,
    tls: ssl.SSLContext | None,
    network: Network,
) -> None:
    transport = _Transport(network, tls=tls, unix_socket=endpoint.unix_socket)
    with httpx2.Client(transport=transport, trust_env=False, timeout=deadline.timeout) as client:
        following: httpx2.Request | None = _build_request(client, endpoint, check)
        origin = _origin(following.url) if following else None
        for _ in range(_REDIRECTS + 1):
            if following is None:
                return
            if _origin(following.url) != origin:
                msg = f"redirected to {following.url}, which is outside {endpoint.url}"
                raise _StrayRedirectError(msg)
            following.extensions["trace"] = deadline.watch
            response = client.send(following, stream=True, follow_redirects=False)
            with contextlib.closing(response):
                _receive(response, exchange)
                following = response.next_request if check.follow_redirects else None
        msg = f"more than {_REDIRECTS} redirects"
        raise _StrayRedirectError(msg)


def _build_request(client: httpx2.Client, endpoint: Endpoint, check: HttpCheck) -> httpx2.Request:
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
    for part in _decode(response.iter_raw(), exchange.headers.get("content-encoding", ""), exchange.limit):
        exchange.body += part
        if len(exchange.body) > exchange.limit:
            del exchange.body[exchange.limit :]
            raise _TooLargeError


def _decode(parts: Iterator[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """Decode the content codings, the last one first. No stage decodes much more than `limit` bytes."""
    for coding in reversed([name.strip().lower() for name in encoding.split(",") if name.strip()]):
        if coding != "identity":
            parts = _decompress(parts, coding, limit)
    return parts


def _decompress(parts: Iterator[bytes], coding: str, limit: int) -> Iterator[bytes]:
    if coding not in _WINDOW_BITS:
        msg = f"the body has the unsupported Content-Encoding {coding!r}"
        raise _UndecodableError(msg)
    decoder = zlib.decompressobj(_WINDOW_BITS[coding])
    started = False
    total = 0
    for part in parts:
        started, pending = True, part
        while pending:
            try:
                piece = decoder.decompress(pending, 65536)
            except zlib.error as error:
                msg = f"the body is not {coding}, as its Content-Encoding says: {error}"
                raise _UndecodableError(msg) from None
            yield piece
            total += len(piece)
            if total > limit:
                raise _TooLargeError
            pending = decoder.unconsumed_tail
    if started and not decoder.eof:
        msg = f"the body's {coding} data is truncated"
        raise _UndecodableError(msg)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _describe_error(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"{text} (set `ca-file` to the authorities to trust)"
    return text
