"""Python interpreters: the one of an environment, and the one that environments are made for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct


class Interpreter(Struct, frozen=True, kw_only=True):
    """The Python of an environment.

    `implementation` and `version` come from its `pyvenv.cfg` (`CPython`, `3.11.7`). `executable` is the base
    interpreter that the environment links to.
    """

    implementation: str
    version: str
    executable: Path

    @property
    def minor(self) -> str:
        """The major and minor version: `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def identity(self) -> str:
        """One line of text that differs for any other interpreter, another patch release too."""
        try:
            size = self.executable.stat().st_size
        except OSError:
            size = 0
        return f"{self.implementation} {self.version} at {self.executable} ({size} bytes)"


class BasePython(Struct, frozen=True, kw_only=True):
    """The Python that environments are made for, by its `name` (`3.12`, or a path).

    `find` returns its path, and raises if there is none. It is only called when an environment has to be made.
    """

    name: str
    find: Callable[[], Path]
