"""The time of a run with nothing to do, as a project grows: binaries, source files, distributions."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench, FailedError
from benchmarks.checkout import Checkout
from benchmarks.execution import Step
from benchmarks.results import Key

PIECE: Final = "scale"
BINARIES: Final = (1, 10, 100)
SOURCES: Final = (100, 1_000, 10_000)
DISTRIBUTIONS: Final = (10, 30, 100, 300)
_ROUNDS: Final = 7

_BINARY: Final = """
[tool.nox-pex.binary.b{number}]
script = "uvicorn"
"""
_PROJECT: Final = """\
[project]
name = "many"
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
_MODULE: Final = '''\
"""Module {number} of many."""


def answer(question: str) -> str:
    """Answer a question with the number of this module."""
    return f"{{question}}: {number}" + "{filling}"
'''


def measure(bench: Bench) -> None:
    """Measure the wanted cases. Each size of a project has a separate checkout."""
    if bench.wanted.quick:
        return
    if bench.wanted.has(PIECE, "binaries"):
        _measure(bench, "binaries", {count: _binaries(bench, count) for count in BINARIES})
    if bench.wanted.has(PIECE, "sources"):
        _measure(bench, "sources", {count: _sources(bench, count) for count in SOURCES})
    if bench.wanted.has(PIECE, "distributions"):
        with _index(bench.work / "index", max(DISTRIBUTIONS)) as url:
            places = {count: _distributions(bench, count, url) for count in DISTRIBUTIONS}
        _measure(bench, "distributions", places)


def _measure(bench: Bench, case: str, places: Mapping[int, Checkout]) -> None:
    for count, checkout in places.items():
        bench.say(f"scale: {case}: building {count}")
        bench.build(checkout, f"{PIECE}.{case}.{count}")
    rounds = bench.wanted.at_most(_ROUNDS)
    bench.say(f"scale: {case}: {rounds} rounds")
    for _ in range(rounds):
        for count, checkout in places.items():
            label = f"{PIECE}.{case}.{count}.unchanged"
            timed = bench.runner.run([bench.nox("-s", "pex")], cwd=checkout.root, env=bench.own_environ(), label=label)
            key = Key(piece=PIECE, project="", case=case, subject=str(count))
            bench.recorder.add(key, timed.seconds, failure=timed.failure)


def _binaries(bench: Bench, count: int) -> Checkout:
    checkout = bench.checkout("hello", f"{PIECE}.binaries.{count}")
    with (checkout.root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.writelines(_BINARY.format(number=number) for number in range(1, count))
    return checkout


def _sources(bench: Bench, count: int) -> Checkout:
    checkout = bench.checkout("hello", f"{PIECE}.sources.{count}")
    filling = "x" * 2_500
    for number in range(count - 1):
        package = checkout.root / "many" / f"part{number // 100}"
        if number % 100 == 0:
            package.mkdir(parents=True)
        text = _MODULE.format(number=number, filling=filling)
        (package / f"module{number}.py").write_text(text, "utf-8")
    (checkout.root / "many/__init__.py").write_text("", "utf-8")
    checkout.commit()
    return checkout


def _distributions(bench: Bench, count: int, url: str) -> Checkout:
    """Build a project with `count` small dependencies, which Poetry locks from an index on this machine."""
    template = bench.work / "many" / str(count)
    template.mkdir(parents=True)
    wanted = ", ".join(f'"{_name(number)} (==1.0)"' for number in range(count))
    (template / "pyproject.toml").write_text(_PROJECT.format(dependencies=wanted, url=url), "utf-8")
    (template / "main.py").write_text("print('many')\n", "utf-8")
    step = Step(name="poetry lock", argv=(str(bench.tools.poetry), "lock", "--no-interaction"))
    env = bench.environ("many", project=template)
    timed = bench.runner.run([step], cwd=template, env=env, label=f"{PIECE}.lock.{count}")
    if timed.failure:
        msg = f"{PIECE}: {timed.failure}"
        raise FailedError(msg)
    checkout = Checkout.of(template, bench.work / "checkouts" / f"many{count}")
    bench.build(checkout, f"{PIECE}.distributions.{count}")
    return checkout


@contextmanager
def _index(directory: Path, count: int) -> Iterator[str]:
    """Serve a simple index with `count` small wheels from this process; yields its address."""
    for number in range(count):
        _wheel(directory / "simple" / _name(number), _name(number))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Write nothing, because these lines would mix with those of the benchmark."""

    handler = functools.partial(Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()


def _wheel(directory: Path, name: str) -> None:
    directory.mkdir(parents=True)
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-1.0.dist-info"
    members = {
        f"{module}/__init__.py": f'"""{name}."""\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in members.items()]
    members[f"{info}/RECORD"] = _lines([*rows, f"{info}/RECORD,,"])
    with zipfile.ZipFile(directory / f"{module}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in members.items():
            wheel.writestr(path, text)


def _name(number: int) -> str:
    return f"many-{number:03}"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def _lines(rows: Sequence[str]) -> str:
    return "".join(f"{row}\n" for row in rows)
