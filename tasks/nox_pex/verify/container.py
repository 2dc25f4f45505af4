"""The vocabulary of everything that holds files: an archive, a directory, or a part of either; and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import IO, Final, Protocol

from msgspec import Struct

from nox_pex.system.wording import megabytes

CHUNK: Final = 1 << 20
"""Bytes that are read at a time."""


MOST_FILES: Final = 200_000
"""The number of files and directories that a container may have. A PEX file has at most 65,535."""


_FREE: Final = 256 << 20
"""Bytes that any binary may unpack to."""


_RATIO: Final = 50
"""Bytes that each byte of a binary may unpack to. The packages of an index unpack to three to five."""


class DamageError(Exception):
    """A file is not what it must be: its message says in which way. It is no fault of nox-pex or of the machine."""


class BombError(DamageError):
    """An archive unpacks to more than is allowed."""


class Allowance(Struct, kw_only=True):
    """The bytes that a binary may still unpack to, with all archives in it. They bound time, memory and disk."""

    left: int

    @classmethod
    def of(cls, size: int) -> Allowance:
        """Return the allowance of a binary of `size` bytes."""
        return cls(left=_FREE + _RATIO * size)

    def take(self, size: int, *, what: str) -> None:
        """Use `size` bytes of the allowance for `what`. Raises `BombError` if it has fewer."""
        if size > self.left:
            msg = f"{what} unpacks to {megabytes(size)}, which is too much for its size"
            raise BombError(msg)
        self.left -= size


class Member(Struct, frozen=True, kw_only=True, gc=False):
    """A file in a container: its POSIX path there, its size in bytes uncompressed, its permissions, its date.

    `date` is in the format of a ZIP archive: the date times 2^16, plus the time. It is None if the container records no
    date that means anything (a directory).
    """

    name: str
    size: int
    mode: int
    date: int | None = None


class Container(Protocol):
    """Something that holds files."""

    @property
    def members(self) -> Mapping[str, Member]:
        """Its files by name, in the order in which they are stored."""

    @property
    def directories(self) -> Mapping[str, int]:
        """The directories that it lists, empty ones too, without a slash at the end, and their permissions."""

    @property
    def duplicates(self) -> Sequence[str]:
        """The names that it holds more than once; which of the copies counts depends on the reader."""

    @property
    def allowance(self) -> Allowance:
        """The bytes that the archives in it may still unpack to."""

    def open(self, name: str) -> IO[bytes]:
        """Open the uncompressed content of a member. Reading it raises `DamageError` if the member is damaged."""


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of `stream` in pieces, so that no member is ever complete in memory."""
    while piece := stream.read(CHUNK):
        yield piece


def read_text(container: Container, name: str, *, limit: int = 16 * CHUNK) -> str:
    """Return the text of a small member, at most its first `limit` bytes; empty if there is no such member."""
    if name not in container.members:
        return ""
    with container.open(name) as stream:
        return stream.read(limit).decode("utf-8", "surrogateescape")


def check_names(files: Sequence[str], directories: Sequence[str]) -> None:
    """Raise `DamageError` unless each name is a plain relative path, and no file is also a directory."""
    for name in (*files, *directories):
        if not name or name.startswith("/") or "\0" in name or not _PARTS_TO_AVOID.isdisjoint(name.split("/")):
            msg = f"the member name {name!r} is no plain relative path"
            raise DamageError(msg)
    listed = set(directories)
    # What is in a directory follows it in this order. So a name of 30,000 levels needs no set of all directories.
    ordered = sorted({name.replace("/", "\0") for name in (*files, *directories)})
    above = {name.replace("\0", "/") for name, next_name in pairwise(ordered) if next_name.startswith(f"{name}\0")}
    if both := next((name for name in files if name in listed or name in above), None):
        msg = f"{both!r} is a file and also a directory"
        raise DamageError(msg)


_PARTS_TO_AVOID: Final = frozenset({"", ".", ".."})
