"""The requirement files of the pinned tools, with the hashes of all files of them and of their dependencies.

`nox -s lock-tools`, in the repository of nox-pex, writes the files. pip and uv refuse a file with another hash
(`--require-hashes`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import Struct

_DIRECTORY: Final = Path(__file__).with_name("requirements")


class Locked(Struct, frozen=True, kw_only=True):
    """A requirement file that pins `requirements` and all their dependencies, for Pythons from `lowest_python` on.

    `name` is the name of the file without its suffix.
    """

    name: str
    requirements: tuple[str, ...]
    lowest_python: str

    @property
    def file(self) -> Path:
        """The path of the file."""
        return _DIRECTORY / f"{self.name}.txt"
