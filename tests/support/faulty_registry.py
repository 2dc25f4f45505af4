"""A small registry of ours on loopback, honest by itself, which a test can let fail in any way.

It has the referrers API, which the real registry that the tests run (`tests.support.registries`) does not have.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.oci import media_types
from tests.support.registries import Certificates

_PIECE: Final = b"x" * 65_536


class Received(Struct, frozen=True, kw_only=True):
    """A request: the path with its query, the headers with names in lower case, the body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        return urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Answer(Struct, frozen=True, kw_only=True):
    """An answer. `sent`: the number of bytes of the body after which the connection ends. `endless`: no end.

    `raw`: these bytes instead of an answer in HTTP; with `pause`, that many seconds between the single bytes after the
    first empty line, or between all if there is none. `wait` seconds before it. Both end early with the server.
    """

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    sent: int | None = None
    endless: bool = False
    raw: bytes | None = None
    wait: float = 0.0
    pause: float = 0.0


class _Rule(Struct, kw_only=True):
    matches: re.Pattern[str]
    answer: Answer | Callable[[Received], Answer | None]
    times: int


class FaultyRegistry:
    """The server. `requests` are those that came. `login` is `user:password`: then it wants a token for them, or, with
    `basic`, them themselves."""

    def __init__(self, host: str, *, scheme: str = "http") -> None:
        self.host = host
        self.scheme = scheme
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.requests: list[Received] = []
        self.referrers_api = True
        self.page = 1000
        self.login: str | None = None
        self.basic = False
        self.identity_token: str | None = None
        self.tokens: set[str] = set()
        self.released = threading.Event()
        self._rules: list[_Rule] = []
        self._uploads: dict[str, bytearray] = {}
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def answer(
        self, matching: str, answer: Answer | Callable[[Received], Answer | None], *, times: int = 1_000_000
    ) -> None:
        """Give `answer` to the next `times` requests whose `METHOD PATH` has the expression `matching`."""
        self._rules.append(_Rule(matches=re.compile(matching), answer=answer, times=times))

    def paths(self, method: str = "") -> list[str]:
        """The requests so far as `METHOD PATH`, without their query."""
        return [str(each).partition("?")[0] for each in self.requests if each.method.startswith(method)]

    def add_blob(self, repository: str, data: bytes) -> str:
        digest = _digest(data)
        self.blobs[repository, digest] = data
        return digest

    def add_manifest(self, repository: str, reference: str, media_type: str, data: bytes) -> str:
        digest = _digest(data)
        for name in (reference, digest):
            self.manifests[repository, name] = (media_type, data)
        return digest

    def handle(self, request: Received) -> Answer:
        """Return the answer to a request: that of a rule, or an honest one."""
        with self._lock:
            self.requests.append(request)
            for rule in self._rules:
                if rule.times > 0 and rule.matches.search(str(request)):
                    rule.times -= 1
                    found = rule.answer(request) if callable(rule.answer) else rule.answer
                    if found is not None:
                        return found
            if request.path.startswith("/token"):
                return self._token(request)
            if (refused := self._refused(request)) is not None:
                return refused
            return self._honest(request)

    def _refused(self, request: Received) -> Answer | None:
        header = request.headers.get("authorization", "")
        if self.login is None:
            return None
        if self.basic:
            known, challenge = header == _basic(self.login), 'Basic realm="private, of course"'
        else:
            known = header.removeprefix("Bearer ") in self.tokens
            challenge = f'Bearer realm="{self.url}/token?x=1",service="the, registry"'
        error = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
        return None if known else _json(401, error, {"WWW-Authenticate": challenge})

    def _token(self, request: Received) -> Answer:
        if request.method == "POST":
            given = urllib.parse.parse_qs(request.body.decode())
            known = given.get("refresh_token") == [self.identity_token] and given["grant_type"] == ["refresh_token"]
        else:
            known = request.headers.get("authorization") == _basic(self.login or "")
        if not known:
            return _json(401, {"details": "incorrect username or password"})
        token = f"token-{len(self.requests)}-abcdef"
        self.tokens.add(token)
        return _json(200, {"token": token, "expires_in": 300})

    def _honest(self, request: Received) -> Answer:  # noqa: PLR0911  # one answer for each kind of request
        path = urllib.parse.urlsplit(request.path).path
        if path == "/v2/":
            return Answer()
        found = re.fullmatch(r"/v2/(?P<repository>.+?)/(?P<kind>blobs|manifests|referrers)/(?P<reference>.*)", path)
        if found is None:
            return _error(404, "NAME_UNKNOWN")
        repository, kind, reference = found.groups()
        if kind == "blobs" and reference.startswith("uploads/"):
            return self._upload(request, repository, reference.removeprefix("uploads/"))
        if kind == "blobs":
            data = self.blobs.get((repository, reference))
            return _error(404, "BLOB_UNKNOWN") if data is None else Answer(body=data)
        if kind == "referrers":
            return self._referrers(request, repository, reference)
        if request.method == "PUT":
            return self._put_manifest(request, repository, reference)
        if (repository, reference) not in self.manifests:
            return _error(404, "MANIFEST_UNKNOWN", {"Tag": reference})
        kind, data = self.manifests[repository, reference]
        return Answer(body=data, headers={"Content-Type": kind, "Docker-Content-Digest": _digest(data)})

    def _upload(self, request: Received, repository: str, upload: str) -> Answer:
        digest = request.query.get("digest", [""])[0]
        if request.method == "POST":
            mount, source = request.query.get("mount", [""])[0], request.query.get("from", [""])[0]
            if (source, mount) in self.blobs:
                self.blobs[repository, mount] = self.blobs[source, mount]
                return Answer(status=201, headers={"Docker-Content-Digest": mount})
            upload = f"{len(self._uploads)}"
            self._uploads[upload] = bytearray()
        elif upload not in self._uploads:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        self._uploads[upload] += request.body
        if request.method == "PUT":
            data = bytes(self._uploads.pop(upload))
            self._uploads[upload + "-done"] = bytearray()
            if _digest(data) != digest:
                return _error(400, "DIGEST_INVALID")
            self.blobs[repository, digest] = data
            return Answer(status=201, headers={"Docker-Content-Digest": digest})
        return Answer(status=202, headers={"Location": f"/v2/{repository}/blobs/uploads/{upload}?_state=a%2Bb"})

    def _put_manifest(self, request: Received, repository: str, reference: str) -> Answer:
        content = json.loads(request.body)
        needed = [*content.get("layers", []), *([content["config"]] if "config" in content else [])]
        if any((repository, each["digest"]) not in self.blobs for each in needed):
            return _error(404, "MANIFEST_BLOB_UNKNOWN")
        digest = self.add_manifest(repository, reference, request.headers["content-type"], request.body)
        noted = {"OCI-Subject": content["subject"]["digest"]} if "subject" in content and self.referrers_api else {}
        return Answer(status=201, headers={"Docker-Content-Digest": digest, **noted})

    def _referrers(self, request: Received, repository: str, subject: str) -> Answer:
        if not self.referrers_api:
            return _error(404, "UNSUPPORTED")
        found = {}
        for (of, reference), (kind, data) in self.manifests.items():
            content = json.loads(data)
            if (
                of == repository
                and reference.startswith("sha256:")
                and content.get("subject", {}).get("digest") == subject
            ):
                artifact = content.get("artifactType") or content["config"]["mediaType"]
                found[reference] = {"mediaType": kind, "digest": reference, "size": len(data), "artifactType": artifact}
        after = request.query.get("last", [""])[0]
        left = [found[digest] for digest in sorted(found) if digest > after]
        headers = {"Content-Type": media_types.INDEX}
        if len(left) > self.page:
            last = left[self.page - 1]["digest"]
            headers["Link"] = f'</v2/{repository}/referrers/{subject}?last={last}>; rel="next"'
        return _json(200, {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": left[: self.page]}, headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the acknowledgement of its headers
    registry: FaultyRegistry

    def log_message(self, *_: object) -> None:
        """Log nothing: pytest would show it as the test's output."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        with contextlib.suppress(OSError):
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(method=self.command, path=self.path, headers=headers, body=body)
            self._give(self.registry.handle(received))

    def _give(self, answer: Answer) -> None:
        self.registry.released.wait(answer.wait)
        if answer.raw is not None:
            head, empty, _ = answer.raw.partition(b"\r\n\r\n")
            at_once = 0 if answer.pause and not empty else len(head + empty) if answer.pause else len(answer.raw)
            self.wfile.write(answer.raw[:at_once])
            for piece in answer.raw[at_once:]:
                self.wfile.write(bytes([piece]))
                self.registry.released.wait(answer.pause)
            self.close_connection = True
            return
        self.send_response(answer.status)
        length = {} if answer.endless else {"Content-Length": str(len(answer.body))}
        for name, value in {**length, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.sent])
            while answer.endless and not self.registry.released.is_set():
                self.wfile.write(_PIECE)
        self.close_connection = self.close_connection or answer.sent is not None or answer.endless


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients end connections, and some do not trust the certificate."""


class _Server6(_Server):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def serve_registry(*, certificates: Certificates | None = None, host: str = "127.0.0.1") -> Iterator[FaultyRegistry]:
    """Serve a registry on a free port, with TLS if there are certificates."""
    registry = FaultyRegistry("", scheme="https" if certificates else "http")
    handler = type("Handler", (_Handler,), {"registry": registry})
    with (_Server6 if ":" in host else _Server)((host, 0), handler) as server:
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.certificate, certificates.key)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        shown = f"[{host}]" if ":" in host else host
        registry.host = f"{shown}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield registry
        finally:
            registry.released.set()
            server.shutdown()
            thread.join()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _json(status: int, value: Any, headers: Mapping[str, str] = {}) -> Answer:
    return Answer(
        status=status, body=msgspec.json.encode(value), headers={"Content-Type": "application/json", **headers}
    )


def _error(status: int, code: str, detail: Any = None) -> Answer:
    return _json(status, {"errors": [{"code": code, "message": code.lower().replace("_", " "), "detail": detail}]})
