"""A Python: what it is, and how it is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct


class Interpreter(Struct, frozen=True, kw_only=True):
    """The Python of an environment.

    `implementation` and `version` are as its `pyvenv.cfg` has them (`CPython`, `3.11.7`), `executable` is the base
    interpreter that it links to.
    """

    implementation: str
    version: str
    executable: Path

    @property
    def minor(self) -> str:
        """Major and minor version: `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def identity(self) -> str:
        """What distinguishes this interpreter from another one, as one line."""
        try:
            size = self.executable.stat().st_size
        except OSError:
            size = 0
        return f"{self.implementation} {self.version} at {self.executable} ({size} bytes)"


class BasePython(Struct, frozen=True, kw_only=True):
    """The Python that environments are made for: its name (`3.12`, or a path), and how it is found.

    `find` gives the interpreter, and is only called where an environment has to be made; it raises where there is none.
    """

    name: str
    find: Callable[[], Path]
