"""A web server on loopback that serves a directory."""

from __future__ import annotations

import base64
import contextlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct


class FileServer(Struct, frozen=True, kw_only=True):
    """The served directory, its address, and the requests so far: method, path and credentials of each."""

    root: Path
    url: str
    requests: list[tuple[str, str, str | None]] = msgspec.field(default_factory=list)

    def with_login(self, login: str) -> str:
        """The address with the credentials `user:password` in it."""
        return self.url.replace("://", f"://{login}@")

    def paths(self) -> set[str]:
        """The paths that were requested."""
        return {path for _, path, _ in self.requests}


@contextlib.contextmanager
def serve_files(root: Path, *, login: str | None = None) -> Iterator[FileServer]:
    """Serve `root` on a free port. With a `login` (`user:password`), answer 401 to every other request."""
    expected = "Basic " + base64.b64encode(login.encode()).decode() if login else None
    requests: list[tuple[str, str, str | None]] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._authorized():
                super().do_GET()

        def do_HEAD(self) -> None:
            if self._authorized():
                super().do_HEAD()

        def _authorized(self) -> bool:
            header = self.headers.get("Authorization")
            credentials = base64.b64decode(header.removeprefix("Basic ")).decode() if header else None
            requests.append((self.command, self.path, credentials))
            if expected is None or header == expected:
                return True
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

        def log_message(self, *_: object) -> None:
            """Log nothing: pytest would show it as the test's output."""

    def handler(*args: object) -> Handler:
        return Handler(*args, directory=str(root))  # type: ignore[arg-type]  # whatever the server passes

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield FileServer(root=root, url=f"http://127.0.0.1:{server.server_address[1]}", requests=requests)
        finally:
            server.shutdown()
            thread.join()
