"""Generated projects of any size: their wheels, and an index on this machine that serves them."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import itertools
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench, FailedError
from benchmarks.checkout import Checkout
from benchmarks.execution import Step

_PROJECT: Final = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = [{dependencies}]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "here"
url = "{url}"
priority = "primary"

[tool.nox-pex.binary.service]
entry-point = "main"
"""
_PAGE: Final = """\
<!DOCTYPE html>
<a href="{file}#sha256={sha256}" data-dist-info-metadata="sha256={metadata}">{file}</a>
"""
"""A page of the simple repository API with hashes and separate metadata, so that nothing is downloaded to lock it."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A distribution with an empty package, and `files` files of `size` bytes each that no compression makes smaller.

    Files with the suffix `.py` are modules: their bytes are those of a comment in hexadecimal.
    """

    name: str
    files: int = 0
    size: int = 0
    suffix: str = ".bin"

    @property
    def module(self) -> str:
        """The name of its package."""
        return self.name.replace("-", "_")

    def members(self) -> Iterator[tuple[str, bytes]]:
        """The path and the content of each file, without the metadata."""
        yield f"{self.module}/__init__.py", f'"""{self.name}."""\n'.encode()
        for number in range(self.files):
            path = f"{self.module}/part{number:05}{self.suffix}"
            seed = hashlib.shake_128(path.encode())
            if self.suffix == ".py":
                yield path, f"# {seed.hexdigest(self.size // 2)}\n".encode()
            else:
                yield path, seed.digest(self.size)


def write_project(directory: Path, *, name: str, distributions: Sequence[Distribution], url: str) -> None:
    """Write a project that needs `distributions` from the index at `url` to `directory`, without a lock."""
    directory.mkdir(parents=True)
    wanted = ", ".join(f'"{each.name} (==1.0)"' for each in distributions)
    (directory / "pyproject.toml").write_text(_PROJECT.format(name=name, dependencies=wanted, url=url), "utf-8")
    (directory / "main.py").write_text(f"print('{name}')\n", "utf-8")


def locked(bench: Bench, project: Path) -> Checkout:
    """Lock `project` with Poetry, not timed; return a checkout of it. Raises `FailedError`."""
    step = Step(name="poetry lock", argv=(str(bench.tools.poetry), "lock", "--no-interaction"))
    env = bench.environ("synthetic", project=project)
    timed = bench.runner.run([step], cwd=project, env=env, label="lock")
    if timed.failure:
        msg = f"{project.name}: {timed.failure}"
        raise FailedError(msg)
    return Checkout.of(project, bench.work / "checkouts" / "synthetic" / project.name)


@contextmanager
def index(directory: Path, distributions: Iterable[Distribution]) -> Iterator[str]:
    """Write the wheels of `distributions` to `directory`, and serve them from this process; yields the address."""
    for distribution in distributions:
        _write_wheel(directory / "simple" / distribution.name, distribution)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Write nothing, because these lines would mix with those of the benchmark."""

    handler = functools.partial(Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple/"
        finally:
            server.shutdown()


def _write_wheel(directory: Path, distribution: Distribution) -> None:
    """Write the wheel, its metadata and its page of the index. At most one file of the wheel is in memory."""
    directory.mkdir(parents=True)
    info = f"{distribution.module}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {distribution.name}\nVersion: 1.0\n".encode()
    generated = {
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    file = f"{distribution.module}-1.0-py3-none-any.whl"
    rows = []
    with zipfile.ZipFile(directory / file, "w") as wheel:
        for path, content in itertools.chain(distribution.members(), generated.items()):
            wheel.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(content)}\n")
        wheel.writestr(f"{info}/RECORD", "".join([*rows, f"{info}/RECORD,,\n"]))
    (directory / f"{file}.metadata").write_bytes(metadata)
    with (directory / file).open("rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    page = _PAGE.format(file=file, sha256=sha256, metadata=hashlib.sha256(metadata).hexdigest())
    (directory / "index.html").write_text(page, "utf-8")
