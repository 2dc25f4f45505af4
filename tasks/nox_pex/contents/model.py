"""The content of a binary as one value: its files in groups, its sizes, and the settings in its PEX-INFO. Pure.

Names, versions and settings are from the binary: anybody may have chosen them. Whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

Layout = Literal["zipapp", "packed", "loose"]
"""The layouts of a PEX, as pex names them. The PEX in a scie is a `zipapp`."""


class PackedFile(Struct, frozen=True, kw_only=True, gc=False):
    """A file in a binary.

    `path` is its POSIX path: in a distribution that in the wheel (`requests/api.py`), otherwise that in the PEX. `size`
    is in bytes as it is unpacked, `stored` as it is in the archive nearest to it. `crc` is the CRC-32 of its content;
    None if it is not known. `sha256` is the SHA-256 of its content in hexadecimal; empty if the content was not read.
    """

    path: str
    size: int
    stored: int
    crc: int | None = None
    sha256: str = ""


GroupKind = Literal["distribution", "own", "runtime"]


class Group(Struct, frozen=True, kw_only=True):
    """Files that belong together.

    A `distribution` has its normalized `name` and its `version`, and `wheel` is its entry in `.deps`. `own` are the
    loose files of the project, and `runtime` is what pex adds: its bootstrap, PEX-INFO, `__main__.py`. `stored` is how
    many bytes of the binary the group takes, without the records of the ZIP archive. That differs from the sum of its
    files if the distribution is an archive of its own in the binary.
    """

    kind: GroupKind
    stored: int
    files: tuple[PackedFile, ...]
    name: str = ""
    version: str = ""
    wheel: str = ""

    @property
    def size(self) -> int:
        """The bytes of its files as they are unpacked."""
        return sum(file.size for file in self.files)


class PythonInside(Struct, frozen=True, kw_only=True):
    """The portable Python of a scie: its archive's file name, size in bytes and SHA-256.

    If it is not `included`, the scie downloads it at its first start.
    """

    file: str
    size: int
    sha256: str
    included: bool


class BuildFacts(Struct, frozen=True, kw_only=True):
    """The facts in the build record of exactly this file: the project's version, the commit, the time of the build."""

    version: str = ""
    commit: str = ""
    dirty: bool = False
    finished: str = ""


class BootFacts(Struct, frozen=True, kw_only=True):
    """One boot of exactly this file in its smoke test: seconds to ready, and the highest memory in bytes, if known."""

    condition: str
    state: Literal["passed", "failed", "skipped"]
    ready_after: float | None = None
    memory: int | None = None


class BinaryContents(Struct, frozen=True, kw_only=True):
    """The content of a binary.

    `file` is its file name, `sha256` and `size` are those of the whole, as in the build record. `entry_point` is the
    module, with a function after a colon, that it starts; for a script the script's name. `constraints` are the Pythons
    that it runs on. `settings` are the values of its PEX-INFO that the settings of the project decide. `python` is the
    one inside, for a scie. `build` and `boots` are known if results about exactly this file were found. `complete` is
    False for a kept member list, in which files have a CRC-32 and no SHA-256.
    """

    file: str
    sha256: str
    size: int
    layout: Layout
    is_scie: bool = False
    pex_version: str = ""
    entry_point: str = ""
    constraints: tuple[str, ...] = ()
    settings: Mapping[str, Any] = {}
    distributions: tuple[Group, ...]
    own: Group
    runtime: Group
    python: PythonInside | None = None
    build: BuildFacts = BuildFacts()
    boots: tuple[BootFacts, ...] = ()
    complete: bool = True

    @property
    def groups(self) -> Iterator[Group]:
        """Its groups of files: the distributions by name, the project's own files, pex's runtime."""
        yield from self.distributions
        yield self.own
        yield self.runtime

    @property
    def unpacked(self) -> int:
        """The bytes of all files as they are unpacked, without the Python of a scie."""
        return sum(group.size for group in self.groups)

    @property
    def file_count(self) -> int:
        """The number of files, without those of the Python of a scie."""
        return sum(len(group.files) for group in self.groups)

    @property
    def overhead(self) -> int:
        """The bytes of the file that no group takes: the records of the ZIP archive, a scie's launcher."""
        inside = self.python.size if self.python is not None and self.python.included else 0
        taken = inside + sum(group.stored for group in self.groups)
        return max(0, self.size - taken)  # the size of a directory does not count links
