"""The registry of the project `distribution` on loopback, behind a proxy that counts what clients send."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.bench import FailedError

_DEADLINE: Final = 30.0
_PIECE: Final = 1 << 16
_CONFIG: Final = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: '{storage}'}}, delete: {{enabled: true}}}}
http: {{addr: '127.0.0.1:{port}'}}
"""


class CountedRegistry:
    """A registry at `address`, such as `localhost:5000`. `sent` are the bytes that clients sent to it so far."""

    def __init__(self, port: int, behind: int) -> None:
        self.address = f"localhost:{port}"
        self.sent = 0
        self._behind = behind
        self._lock = threading.Lock()

    def serve(self, listener: socket.socket) -> None:
        """Pass on every connection, until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._behind))
                for source, target, counts in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass_on, args=(source, target, counts), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counts: bool) -> None:  # noqa: FBT001  # an argument of a thread
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                if counts:
                    with self._lock:
                        self.sent += len(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[CountedRegistry]:
    """Run a registry that keeps its files in `directory`. Raises `FailedError` if it is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        msg = "docker-registry is not installed"
        raise FailedError(msg)
    directory.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        behind = free.getsockname()[1]
    config = directory / "config.yml"
    config.write_text(_CONFIG.format(storage=directory / "storage", port=behind), "utf-8")
    listener = socket.create_server(("127.0.0.1", 0))
    registry = CountedRegistry(listener.getsockname()[1], behind)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
        try:
            _wait(behind)
            threading.Thread(target=registry.serve, args=(listener,), daemon=True).start()
            yield registry
        finally:
            listener.close()
            process.terminate()
            process.wait()


def _wait(port: int) -> None:
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.02)
    msg = "docker-registry does not answer"
    raise FailedError(msg)
