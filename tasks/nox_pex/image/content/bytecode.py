"""Bytecode for the modules in an image, compiled by the Python of its base, or by one of this machine.

One of this machine has the same minor version. Its patch release may differ, and compilers of two patch releases give
some modules other bytecode, which both run. So the release that compiled is a part of what a layer is made from.
"""

from __future__ import annotations

import functools
import io
import json
import os
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final, Protocol

import msgspec
from msgspec import Meta, Struct

from nox_pex.errors import NoxPexError
from nox_pex.image.base_image import ImagePython
from nox_pex.image.content import bytecode_script
from nox_pex.oci.layer_store import LayerStore, key_of
from nox_pex.oci.layer_writer import Entry, Stream
from nox_pex.system import processors
from nox_pex.system.command import Shell, capture
from nox_pex.system.environ import discovery_environ, tool_environ
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import python_discovery
else:
    python_discovery = lazy("python_discovery")  # only needed if this Python has another minor version

OPTIONS: Final = ("-s", "-S", "-B", "-W", "ignore")
"""Options of a Python that compiles: nothing but the standard library is imported, and nothing is written."""


SCRIPT: Final = Path(bytecode_script.__file__)


_VERSION: Final = "import platform; print(platform.python_implementation(), platform.python_version())"


_RELEASE: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
"""A version with its patch release, and no preview of one."""


_NONE: Final = "none"


_PIECE: Final = 1 << 20
"""Bytes that are copied at a time."""


_LONGEST_LINE: Final = 1 << 16
"""Bytes of the line before the bytecode of a source."""


_FEW: Final = 1 << 19
"""Bytes of sources that one process compiles before a second one is worth its start."""


class Compiler(Protocol):
    """A Python that compiles."""

    @property
    def version(self) -> str:
        """Its complete version: `3.11.7`."""
        ...

    @property
    def identity(self) -> str:
        """Everything that decides its bytecode: a layer that another compiler wrote is not used again."""
        ...

    def compile(self, given: Path, output: Path, *, shell: Shell) -> None:
        """Compile the sources in `given` to the new file `output`, as `bytecode_script` does it.

        Raises `NoxPexError` `image-build` if the Python fails.
        """
        ...


class LocalCompiler(Struct, frozen=True, kw_only=True):
    """A Python of this machine: its path, and its complete version."""

    python: Path
    version: str

    @property
    def identity(self) -> str:
        """Its version: the Pythons of this machine are trusted."""
        return self.version

    def compile(self, given: Path, output: Path, *, shell: Shell) -> None:
        """Compile the sources in `given` to `output`."""
        argv: list[str | Path] = [self.python, *OPTIONS, SCRIPT, given, output]
        outcome = shell.run(argv, what="image: compile", env=tool_environ(shell.environ), cwd=output.parent)
        if outcome.status != 0:
            problem = f"{self.python} cannot compile the modules of the image (exit status {outcome.status})"
            raise NoxPexError("image-build", problem, "read its last lines above", log=outcome.tail)


def find_compiler(python: ImagePython, *, store: LayerStore, shell: Shell) -> LocalCompiler | None:
    """Return a Python of this machine with the minor version of `python`; None if there is none.

    One with the same patch release is preferred, and then the one that runs this. Only CPython with a GIL compiles.
    """
    if python.implementation != "CPython" or not python.gil:
        return None
    this = LocalCompiler(python=Path(sys.executable), version=sys.version.split()[0])
    fits = sys.implementation.name == "cpython" and this.version.startswith(f"{python.minor}.")
    if fits and this.version == python.version:
        return this
    found = _discovered(python.version, store=store, shell=shell) if _RELEASE.fullmatch(python.version) else None
    return found or (this if fits else _discovered(python.minor, store=store, shell=shell))


def _discovered(version: str, *, store: LayerStore, shell: Shell) -> LocalCompiler | None:
    """Return a CPython on the PATH with this version (`3.11`, `3.11.7`). The answer is noted for the same PATH.

    That there is none is noted for a patch release alone, because then another one serves.
    """
    key = key_of("compiler", version, os.environ.get("PATH", ""))
    noted = store.recall(key)
    if noted == _NONE and _RELEASE.fullmatch(version):
        return None
    if isinstance(noted, dict) and noted.get("status") == _status(Path(noted["python"])):
        return LocalCompiler(python=Path(noted["python"]), version=noted["version"])
    found = python_discovery.get_interpreter(f"cpython{version}", env=discovery_environ(os.environ))
    if found is None or found.executable is None:
        store.note(key, _NONE)
        return None
    path = Path(found.executable)
    answer = capture([path, "-I", "-c", _VERSION], cwd=Path("/"), env=tool_environ(shell.environ), timeout=30.0)
    name, _, actual = answer.stdout.decode("ascii", "replace").strip().partition(" ")
    if name != "CPython" or not f"{actual}.".startswith(f"{version}."):
        store.note(key, _NONE)
        return None
    store.note(key, {"python": str(path), "version": actual, "status": _status(path)})
    return LocalCompiler(python=path, version=actual)


def cached_path(path: str, minor: str) -> str:
    """Return the path of the bytecode of the module `path` (PEP 3147)."""
    directory, name = posixpath.split(path)
    return posixpath.join(directory, "__pycache__", f"{name[:-3]}.cpython-{minor.replace('.', '')}.pyc")


def compile_all(
    sources: Mapping[str, bytes | Stream], compiler: Compiler, *, scratch: Path, shell: Shell
) -> Mapping[str, Stream]:
    """Return the bytecode of `sources`, by the absolute path that the code gets, in files in `scratch`.

    A source with an error has none. Raises `NoxPexError` `image-build` if the Python fails, or writes something else.
    """
    batches = list(_batches(sources))
    with ThreadPoolExecutor(max_workers=max(1, len(batches))) as pool:
        found = pool.map(
            lambda batch: _compile(batch[1], compiler, output=scratch / f"bytecode{batch[0]}", shell=shell),
            enumerate(batches),
        )
        return {path: stream for each in found for path, stream in each.items()}


def with_bytecode(
    entries: Sequence[Entry], bytecode: Mapping[str, Stream], *, root: str, minor: str
) -> Iterator[Entry]:
    """Yield `entries`, whose paths are relative to the directory `root`, and the bytecode of the modules in them."""
    added = [
        Entry(path=cached_path(entry.path, minor), content=content)
        for entry in entries
        if entry.path.endswith(".py") and (content := bytecode.get(f"{root}/{entry.path}")) is not None
    ]
    replaced = {entry.path for entry in added}
    yield from (entry for entry in entries if entry.path not in replaced)
    yield from added


def _batches(sources: Mapping[str, bytes | Stream]) -> Iterator[Mapping[str, bytes | Stream]]:
    """Yield the sources in batches that take about the same time, one for each processor."""
    sizes = {path: _size(content) for path, content in sources.items()}
    number = max(1, min(processors.count(), sum(sizes.values()) // _FEW))
    batches: list[dict[str, bytes | Stream]] = [{} for _ in range(number)]
    filled = [0] * number
    for path in sorted(sources, key=lambda path: (-sizes[path], path)):
        at = filled.index(min(filled))
        batches[at][path] = sources[path]
        filled[at] += sizes[path]
    yield from (batch for batch in batches if batch)


def _compile(
    sources: Mapping[str, bytes | Stream], compiler: Compiler, *, output: Path, shell: Shell
) -> Mapping[str, Stream]:
    given = output.with_suffix(".in")
    with given.open("wb") as file:
        for path, content in sources.items():
            file.write(json.dumps({"path": path, "size": _size(content)}).encode() + b"\n")
            with _opened(content) as source:
                while piece := source.read(_PIECE):
                    file.write(piece)
    compiler.compile(given, output, shell=shell)
    given.unlink()
    try:
        return dict(_read(output))
    except (ValueError, RecursionError) as error:  # `msgspec.ValidationError` is a `ValueError`
        problem = f"the Python {compiler.version} that compiles the modules of the image writes no bytecode: {error}"
        raise NoxPexError("image-build", problem, "choose a base with a Python that works") from error


class _Facts(Struct, frozen=True):
    """The line before the bytecode of a source: the path that the code gets, and its bytes."""

    path: str
    size: Annotated[int, Meta(ge=0)]


def _read(output: Path) -> Iterator[tuple[str, Stream]]:
    """Yield the bytecode in a file, which the Python of a base may have written. Raises `ValueError`."""
    end = output.stat().st_size
    with output.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            facts = msgspec.json.decode(line, type=_Facts)
            at = file.tell()
            if at + facts.size > end:
                msg = "it ends too early"
                raise ValueError(msg)
            yield facts.path, Stream(size=facts.size, open=functools.partial(_slice, output, at, facts.size))
            file.seek(at + facts.size)


def _slice(file: Path, start: int, size: int) -> IO[bytes]:
    with file.open("rb") as opened:
        opened.seek(start)
        return io.BytesIO(opened.read(size))


def _size(content: bytes | Stream) -> int:
    return len(content) if isinstance(content, bytes) else content.size


def _opened(content: bytes | Stream) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open()


def _status(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
