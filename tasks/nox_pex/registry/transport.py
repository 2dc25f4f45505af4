"""Requests to a registry, and to the hosts that it redirects to: TLS, proxies, redirects, time limits.

Credentials go to one origin only. Plain HTTP is spoken to loopback only. Fact sources: RFC 9110, section 15.4; OCI
distribution specification 1.1, "Pulling blobs".
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.registry import certificates, failures, origins, proxies
from nox_pex.registry.failures import TryAgainError
from nox_pex.registry.origins import Origin
from nox_pex.system.lazy import lazy
from nox_pex.version import __version__

if TYPE_CHECKING:
    import httpx2

    from nox_pex.registry import deadlines
else:
    httpx2 = lazy("httpx2")  # only needed if a registry is asked
    deadlines = lazy("nox_pex.registry.deadlines")  # imports httpx2

_REDIRECTS: Final = 5


_PIECE: Final = 1 << 18
"""Bytes that are read at once from an answer."""


_SLOWEST: Final = 16 << 10
"""Bytes per second at which a body must arrive at least."""


_SLOWEST_STORE: Final = 4 << 20
"""Bytes per second at which a registry must store what it has received."""


_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})


class Patience(Struct, frozen=True, kw_only=True):
    """The time that a registry has, in seconds, and the number of attempts.

    `attempts` for each request, the first included. `longest` is the longest time that a registry may ask to wait.
    `allowance` is what the body of an answer may need in addition to its size. `sleep` waits between two attempts; None
    waits until the repository is closed at the latest.
    """

    attempts: int = 5
    connect: float = 10.0
    read: float = 60.0
    longest: float = 60.0
    first_wait: float = 0.5
    allowance: float = 60.0
    helper: float = 30.0
    sleep: Callable[[float], None] | None = None


class Ask(Struct, frozen=True, kw_only=True):
    """A request. `content` is its body, or gives it again for each attempt, with `size` bytes."""

    method: str
    url: httpx2.URL
    headers: Mapping[str, str] = {}
    content: bytes | Callable[[], Iterable[bytes]] | None = None
    size: int = 0


class Transport:
    """Sends requests for one registry. All threads may use it at the same time."""

    def __init__(self, endpoint: str, *, environ: Mapping[str, str], patience: Patience) -> None:
        self._endpoint = endpoint
        self._environ = environ
        self._proxies = proxies.proxies(environ)
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._clients: dict[Origin, httpx2.Client] = {}
        self._origin: Origin | None = None
        self.patience = patience

    @property
    def origin(self) -> Origin:
        """The origin of the registry's API. On loopback, the first use asks whether there is TLS."""
        with self._asking:  # another lock than `close` needs, which must not wait for an answer
            if self._origin is None:
                secure = httpx2.URL(f"https://{self._endpoint}")
                plain = origins.is_loopback(secure.host) and not self._speaks_tls(
                    httpx2.URL(f"http://{self._endpoint}")
                )
                self._origin = origins.origin_of(secure.copy_with(scheme="http") if plain else secure)
            return self._origin

    def url(self, path: str) -> httpx2.URL:
        """Return the URL of a path of the registry's API."""
        return httpx2.URL(f"{self.origin}{path}")

    def is_own(self, url: httpx2.URL) -> bool:
        """Whether credentials may go to `url`."""
        return origins.origin_of(url) == self.origin

    @contextlib.contextmanager
    def exchange(self, ask: Ask, authorization: str | None) -> Iterator[httpx2.Response]:
        """Send a request and yield the answer, whose body is not read yet. GET and HEAD follow redirects.

        `authorization` is sent only to the origin of the request. Raises `NoxPexError` `registry`, and `TryAgainError`
        if another attempt may succeed, also while the body is read in the block.
        """
        first, url = origins.origin_of(ask.url), ask.url
        for _ in range(_REDIRECTS + 1):
            headers = {**ask.headers, **_ALWAYS}
            if authorization is not None and origins.origin_of(url) == first:
                headers["Authorization"] = authorization
            with self._translated(ask.method, url), self._sent(ask, url, headers) as response:
                target = response.headers.get("Location", "")
                if ask.method not in ("GET", "HEAD") or response.status_code not in _REDIRECTING or not target:
                    yield response
                    return
            try:
                url = origins.follow(url, target, registry=self.origin)
            except origins.ForbiddenAddressError as error:
                raise failures.broken(ask.method, url, f"it redirects to {error}") from error
        raise failures.broken(ask.method, ask.url, f"it redirects more than {_REDIRECTS} times")

    @contextlib.contextmanager
    def _sent(self, ask: Ask, url: httpx2.URL, headers: dict[str, str]) -> Iterator[httpx2.Response]:
        content = ask.content() if callable(ask.content) else ask.content
        if ask.method in ("PUT", "POST", "PATCH"):
            headers["Content-Length"] = str(ask.size if callable(ask.content) else len(ask.content or b""))
        client = self._client(origins.origin_of(url))
        patience = self.patience
        # A registry stores a large blob before it answers.
        limits = httpx2.Timeout(patience.read + ask.size / _SLOWEST_STORE, connect=patience.connect, pool=None)
        request = client.build_request(ask.method, url, headers=headers, content=content, timeout=limits)
        response = client.send(request, stream=True)
        try:
            yield response
        finally:
            response.close()

    @contextlib.contextmanager
    def _translated(self, method: str, url: httpx2.URL) -> Iterator[None]:
        try:
            yield
        except (httpx2.HTTPError, httpx2.StreamError, ssl.SSLError, ConnectionError, UnicodeError) as error:
            found = failures.unreachable(method, url, error)
            raise found from error

    def _client(self, origin: Origin) -> httpx2.Client:
        """Return the client for an origin. Only the registry's own has its certificates and those of the user."""
        with self._lock:
            if origin not in self._clients:
                self._clients[origin] = self._make_client(origin)
            return self._clients[origin]

    def _make_client(self, origin: Origin) -> httpx2.Client:
        if origin.scheme == "http":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, and needs no time to load authorities
        elif origin == origins.origin_of(httpx2.URL(f"https://{self._endpoint}")):
            context = certificates.context_for(self._endpoint, self._environ)
        else:
            context = certificates.context(self._environ)
        proxy = None if origin.loopback else self._proxies.proxy_for(origin.scheme, origin.host)
        try:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=16)
            return httpx2.Client(
                transport=deadlines.Transport(verify=context, proxy=proxy, limits=limits),
                trust_env=False,
                timeout=httpx2.Timeout(self.patience.read, connect=self.patience.connect, pool=None),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        except (ImportError, ValueError, httpx2.InvalidURL) as error:
            problem = f"the proxy for {origin} cannot be used: {error}"
            raise NoxPexError(
                "registry", problem, "correct the variable of the proxy, or list the host in no_proxy"
            ) from error

    def _speaks_tls(self, url: httpx2.URL) -> bool:
        """Whether a server on loopback wants TLS: it does not answer plain HTTP, or says so. It gets no credentials."""
        client, asked = self._client(origins.origin_of(url)), url.copy_with(path="/v2/")
        try:
            with client.stream("GET", asked, headers=_ALWAYS) as response:
                begin = next(response.iter_raw(_PIECE), b"") if response.status_code == _BAD_REQUEST else b""
                return b"HTTPS" in begin.upper()
        except httpx2.HTTPError as error:
            refused = isinstance(error, httpx2.ConnectError)
            if (refused and url.port is None) or (not refused and self._accepts_tls(url)):
                return True  # nothing is on port 80, so perhaps on port 443
            failure = failures.unreachable("GET", asked, error)
            raise failure from error

    def _accepts_tls(self, url: httpx2.URL) -> bool:
        """Whether a server begins to speak TLS. Nothing is sent to it after that."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            address = url.host, url.port or 80
            with socket.create_connection(address, timeout=self.patience.connect) as plain:
                context.wrap_socket(plain, server_hostname=url.host).close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def pieces(response: httpx2.Response, *, most: int, patience: Patience) -> Iterator[bytes]:
    """Yield the body of an answer as it was sent, up to `most` bytes, and one piece more if there is more.

    Raises `TryAgainError` if it comes slower than 16 KiB per second.
    """
    seconds = patience.allowance + most / _SLOWEST
    deadline = time.monotonic() + seconds
    deadlines.end_body(response, seconds=seconds)
    received = 0
    try:
        for piece in response.iter_raw(_PIECE):
            yield piece
            received += len(piece)
            if received > most:
                return
    except httpx2.ReadTimeout as error:
        if time.monotonic() < deadline:
            raise
        request = response.request
        slow = failures.broken(request.method, request.url, "its answer comes too slowly")
        raise TryAgainError(slow) from error


def body(response: httpx2.Response, *, largest: int, patience: Patience) -> bytes:
    """Return the body of an answer, cut one byte after `largest`."""
    data = bytearray()
    for piece in pieces(response, most=largest, patience=patience):
        data += piece
    return bytes(data[: largest + 1])


_BAD_REQUEST: Final = 400


_ALWAYS: Final = {"Accept-Encoding": "identity", "User-Agent": f"nox-pex/{__version__}"}
