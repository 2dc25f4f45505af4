"""Send a request to the program: one HTTP exchange, or one TCP connection.

An exchange ends by its deadline, even if the program sends slowly or never. A fault of the program is not raised: it is
the `problem` of the `Answer`. `results` decides whether the answer is the expected one.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import msgspec
from msgspec import Struct, field

from nox_pex.settings.checks import HttpCheck
from nox_pex.settings.values import parse_size
from nox_pex.smoke.checks import charsets, content_codings, protocols
from nox_pex.smoke.checks.charsets import NotTextError
from nox_pex.smoke.checks.content_codings import TooLargeError, UndecodableError
from nox_pex.smoke.checks.transport import HEADER_LIMIT, Deadline, Transport, Wire, connect_unix
from nox_pex.smoke.checks.until import MatchedError, Until
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process.network import HERE, Network
from nox_pex.system.limited import LimitError

BODY_LIMIT: Final = 16 * 2**20
"""The number of bytes of a decoded body that are read, unless the check's `max-size` is larger."""


_REDIRECTS: Final = 10


_AGENT: Final = "nox-pex-smoke"


_END_SHOWN: Final = 80
"""The number of characters at the end of a body that a failed `until` shows."""


_LATE: Final = "no complete answer within"
"""The beginning of the problem of an exchange that its deadline ended."""


_NO_ANSWER: Final = "Server disconnected without sending a response."
"""The message of httpcore if the server closes the connection before its first byte."""


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to a request: complete, or up to the `problem` that ended the exchange. Header names are lower case.

    `status` is None if no status line arrived. `seconds` is the time from before connecting to the last byte. `final`
    says that the program will not answer better later: the problem is in the request, or in the protocol.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    problem: str | None = None
    final: bool = False


class _Exchange(Struct, kw_only=True):
    """A request, and the part of its answer that has arrived. It may end at any point.

    `body` holds at most `limit` bytes. `wire` is what is known of the connections, `until` the search for the pattern
    that ends the answer, None if the check has none.
    """

    endpoint: Endpoint
    check: HttpCheck
    wire: Wire
    deadline: Deadline
    until: Until | None
    limit: int

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _Problem(NamedTuple):
    """The values of `Answer.problem` and `Answer.final`."""

    text: str | None
    final: bool = False


class _StrayRedirectError(Exception):
    """A redirect that is not followed, because it leads to another host or there are too many."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return the settings that verify a server with the authorities in `ca_file`, or else with those of the system.

    Raises `OSError` if `ca_file` cannot be read, and its subclass `ssl.SSLError` if it has no certificate.
    """
    return ssl.create_default_context(cafile=ca_file)


def request(
    endpoint: Endpoint,
    check: HttpCheck,
    *,
    tls: ssl.SSLContext | None,
    timeout: float,
    network: Network = HERE,
    cookies: CookieJar | None = None,
) -> Answer:
    """Send the request of `check` and return the answer, after `timeout` seconds at the latest, including redirects.

    A server that says nothing is then asked, within one second more, whether it speaks another protocol.
    The request has those of the `cookies` that are for its URL. Cookies of the answer are added to them.
    """
    limit = max(BODY_LIMIT, parse_size(check.max_size) if check.max_size else 0)
    wire = Wire()
    started = time.monotonic()
    until = Until(check.until, deadline=started + timeout, timeout=timeout) if check.until is not None else None
    with Deadline(timeout) as deadline:
        exchange = _Exchange(endpoint=endpoint, check=check, wire=wire, deadline=deadline, until=until, limit=limit)
        transport = Transport(network, wire, tls=tls, unix_socket=endpoint.unix_socket)
        client = httpx2.Client(transport=transport, trust_env=False, timeout=timeout, cookies=cookies)
        with client:
            problem = _attempt(client, exchange)
    if exchange.status is None and problem.text is not None and not problem.final:
        found = _other_protocol(endpoint, network, wire, problem.text, expects_tls=tls is not None)
        problem = problem if found is None else _Problem(found, final=True)
    seconds = time.monotonic() - started
    return Answer(
        status=exchange.status,
        headers=exchange.headers,
        body=bytes(exchange.body),
        seconds=seconds,
        problem=problem.text,
        final=problem.final,
    )


def connect(host: str, port: int, *, timeout: float, network: Network = HERE) -> str | None:
    """Open a TCP connection and close it. Return the problem, or None if there is none. `timeout` is in seconds."""
    try:
        network.connect(host, port, timeout=timeout).close()
    except TimeoutError:
        return f"no connection within {timeout:g} s"
    except OSError as error:
        return str(error) or type(error).__name__
    return None


def _other_protocol(endpoint: Endpoint, network: Network, wire: Wire, problem: str, *, expects_tls: bool) -> str | None:
    """Return the problem of a server that speaks another protocol than expected, None if that is not known."""

    def connect(timeout: float) -> socket.socket:
        return _connect(endpoint, network, timeout=timeout)

    if expects_tls:
        silent = not wire.has_tls and (problem.startswith(_LATE) or "EOF" in problem)  # no alert of TLS came
        return protocols.probe_plain(connect) if silent else None
    closed = problem == _NO_ANSWER or "reset by peer" in problem or "Broken pipe" in problem
    return protocols.probe(connect) if closed else None


def _connect(endpoint: Endpoint, network: Network, *, timeout: float) -> socket.socket:
    if endpoint.unix_socket is not None:
        return connect_unix(endpoint.unix_socket, timeout=timeout)
    return network.connect(endpoint.host, endpoint.port, timeout=timeout)


def _attempt(client: httpx2.Client, exchange: _Exchange) -> _Problem:
    """Run the exchange, and return its problem."""
    late = False
    problem = _Problem(None)
    try:
        _run(client, exchange)
    except MatchedError:
        return problem
    except TooLargeError:
        problem = _Problem(f"the body is larger than {exchange.limit} bytes")
    except (UndecodableError, LimitError) as error:
        return _Problem(str(error))
    except NotTextError as error:
        return _Problem(f"`until` cannot search {error}")
    except _StrayRedirectError as error:
        return _Problem(str(error), final=True)
    except httpx2.TimeoutException:
        late = True  # on a busy machine the timeout of a read may come before the deadline
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
        problem = _describe_error(error, exchange.wire)
    if late or exchange.deadline.expired:
        problem = _Problem(f"{_LATE} {exchange.deadline.timeout:g} s")
    return _with_until(problem, exchange)


def _with_until(problem: _Problem, exchange: _Exchange) -> _Problem:
    """Return the problem with what it means for `until`, which has not matched; or that `until` may be missing."""
    until = exchange.check.until
    if until is not None and exchange.status is not None:
        end = repr(_end_of(exchange)) if exchange.body else "no body"
        return _Problem(f"`until` {until!r} did not match: {problem.text or 'the answer is complete'}; it ends: {end}")
    if problem.text is not None and problem.text.startswith(_LATE) and exchange.body:
        return _Problem(f"{problem.text}; if it has no end, set `until`")
    return problem


def _end_of(exchange: _Exchange) -> str:
    try:
        codec = charsets.codec_of(exchange.headers)
    except NotTextError:
        codec = "utf-8"
    return bytes(exchange.body[-4 * _END_SHOWN :]).decode(codec, errors="replace")[-_END_SHOWN:]


def _run(client: httpx2.Client, exchange: _Exchange) -> None:
    check = exchange.check
    following: httpx2.Request | None = _build_request(client, exchange.endpoint, check)
    origin = _origin(following.url) if following else None
    location = ""
    for _ in range(_REDIRECTS + 1):
        if following is None:
            return
        if _origin(following.url) != origin:
            msg = f"redirected to {location}, which is outside {exchange.endpoint.url}"
            raise _StrayRedirectError(msg)
        following.extensions["trace"] = exchange.deadline.watch
        response = client.send(following, stream=True, follow_redirects=False)
        with contextlib.closing(response):
            following = response.next_request if check.follow_redirects else None
            location = response.headers.get("location", "")
            _receive(response, exchange, until=exchange.until if following is None else None)
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


def _receive(response: httpx2.Response, exchange: _Exchange, *, until: Until | None) -> None:
    """Read the body, up to the match of `until`. Raises `TooLargeError`, `MatchedError` and the errors of both."""
    exchange.status = response.status_code
    exchange.headers = {name.lower(): value for name, value in response.headers.items()}
    exchange.body.clear()
    exchange.wire.before_read = None
    if until is not None:
        until.begin(exchange.headers, exchange.body)
        exchange.wire.before_read = until.before_read
    parts = content_codings.decode(response.iter_raw(), exchange.headers.get("content-encoding", ""), exchange.limit)
    too_large = False
    for part in parts:
        exchange.body += part
        if len(exchange.body) > exchange.limit:
            del exchange.body[exchange.limit :]
            too_large = True
            break
    if until is not None:
        until.search()
    if too_large:
        raise TooLargeError


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _describe_error(error: Exception, wire: Wire) -> _Problem:
    """Return the problem of an exchange that an error ended, apart from timeouts."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, httpx2.RemoteProtocolError) and wire.first_bytes:
        if "incomplete" in text or "without sending complete" in text:
            return _Problem(text)
        return _Problem(protocols.describe_bytes(wire.first_bytes, text, header_limit=HEADER_LIMIT), final=True)
    if isinstance(error, httpx2.LocalProtocolError | httpx2.InvalidURL | httpx2.UnsupportedProtocol | UnicodeError):
        return _Problem(f"the request cannot be sent: {text}", final=True)
    tls = protocols.describe_tls_error(text)
    return _Problem(tls or text, final=tls is not None)
