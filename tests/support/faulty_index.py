"""A package index on loopback that serves one small wheel, and that a test can make faulty."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Literal

from msgspec import Struct

Fault = Literal["none", "401", "403", "404", "500", "another-file", "half-a-file", "silent", "empty"]

_WHEEL: Final = "parcel-1.0-py3-none-any.whl"


class FaultyIndex(Struct, kw_only=True):
    """The address of the index, and its present fault, which a test sets."""

    url: str
    fault: Fault = "none"


@contextmanager
def serve_index() -> Iterator[FaultyIndex]:
    """Serve the wheel of a distribution `parcel` on a free port."""
    index = FaultyIndex(url="")
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Log nothing: pytest would show it as the test's output."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if index.fault == "silent":
                release.wait()
            elif index.fault in ("401", "403", "404", "500"):
                self.answer(int(index.fault), b"")
            elif self.path == "/simple/parcel/":
                digest = hashlib.sha256(_wheel("a parcel")).hexdigest()
                page = "" if index.fault == "empty" else f'<a href="/files/{_WHEEL}#sha256={digest}">{_WHEEL}</a>'
                self.answer(200, page.encode(), kind="text/html")
            elif self.path == f"/files/{_WHEEL}":
                served = _wheel("another parcel" if index.fault == "another-file" else "a parcel")
                self.answer(200, served, sent=len(served) // 2 if index.fault == "half-a-file" else None)
            else:
                self.answer(404, b"")

        def answer(self, status: int, body: bytes, *, kind: str = "application/zip", sent: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[:sent])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield index
    finally:
        release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _wheel(greeting: str) -> bytes:
    """A wheel with one module, `parcel.GREETING`. The same greeting gives the same bytes."""
    members = {
        "parcel.py": f"GREETING = {greeting!r}\n",
        "parcel-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n",
        "parcel-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "parcel-1.0.dist-info/RECORD": "parcel.py,,\n",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()
