"""The difference between two binaries as one value. Pure.

Names and versions are from the binaries: anybody may have chosen them. Whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from nox_pex.contents.model import BootFacts, BuildFacts, GroupKind
from nox_pex.system.wording import size_change, size_text

Change = Literal["added", "removed", "changed"]


class Sizes(Struct, frozen=True, kw_only=True):
    """Bytes before and after; 0 for what is not there."""

    old: int = 0
    new: int = 0

    @property
    def growth(self) -> int:
        """How many bytes more there are; negative if there are fewer."""
        return self.new - self.old


class FileChange(Struct, frozen=True, kw_only=True, gc=False):
    """A file that is only in one of the binaries, or differs: its path in its group, and its sizes in bytes."""

    path: str
    change: Change
    old_size: int = 0
    new_size: int = 0
    old_stored: int = 0
    new_stored: int = 0


class GroupChange(Struct, frozen=True, kw_only=True):
    """A group of files that is only in one of the binaries, or differs.

    The groups are those of `BinaryContents`. A version is empty if the group is not there or has none. `stored` are the
    bytes in the binary, `unpacked` those of the files. `files` are those that differ, sorted by path. `is_project`: it
    is the project's own distribution, if the project is known.
    """

    kind: GroupKind
    change: Change
    name: str = ""
    old_version: str = ""
    new_version: str = ""
    stored: Sizes
    unpacked: Sizes
    files: tuple[FileChange, ...]
    is_project: bool = False

    @property
    def is_new_version(self) -> bool:
        """Whether both binaries have it, in different versions."""
        return self.change == "changed" and self.old_version != self.new_version


class SettingChange(Struct, frozen=True, kw_only=True):
    """A setting in PEX-INFO: its key there, and its values as compact JSON; None if it is not there."""

    key: str
    old: str | None
    new: str | None


class BootChange(Struct, frozen=True, kw_only=True):
    """The boots of both binaries under one condition; None for a binary without a result of exactly this file."""

    condition: str
    old: BootFacts | None
    new: BootFacts | None


class Side(Struct, frozen=True, kw_only=True):
    """One of the two binaries, as a whole."""

    file: str
    sha256: str
    size: int
    unpacked: int
    file_count: int
    distribution_count: int
    layout: str
    pex_version: str
    entry_point: str
    constraints: tuple[str, ...]
    python: str
    build: BuildFacts


class Difference(Struct, frozen=True, kw_only=True):
    """The difference between an old binary and a new one.

    `by` is how files were compared: by the SHA-256 of their contents, or by CRC-32 and size, if the old binary is a
    kept list. `baseline` says where the old one comes from. `distributions` are in the order of their names.
    """

    old: Side
    new: Side
    by: Literal["sha256", "crc32"]
    baseline: Literal["file", "previous-build"]
    distributions: tuple[GroupChange, ...]
    own: GroupChange | None
    runtime: GroupChange | None
    settings: tuple[SettingChange, ...]
    boots: tuple[BootChange, ...]

    @property
    def is_same(self) -> bool:
        """Whether both are the same bytes."""
        return bool(self.old.sha256) and self.old.sha256 == self.new.sha256

    @property
    def size(self) -> Sizes:
        """The bytes of the whole binaries."""
        return Sizes(old=self.old.size, new=self.new.size)

    @property
    def unpacked(self) -> Sizes:
        """The bytes of all files as they are unpacked."""
        return Sizes(old=self.old.unpacked, new=self.new.unpacked)

    @property
    def groups(self) -> Iterator[GroupChange]:
        """All groups that differ."""
        yield from self.distributions
        yield from (each for each in (self.own, self.runtime) if each is not None)


def own_code(difference: Difference) -> tuple[FileChange, ...]:
    """Return the files of the project that differ: the loose ones, and those of its own distribution, sorted by path.

    What a build backend derives from the others (`*.dist-info/…`) is not among them.
    """
    groups = (difference.own, *(each for each in difference.distributions if each.is_project))
    found = [file for group in groups if group is not None for file in group.files]
    return tuple(sorted(without_derived(found), key=lambda file: file.path))


def without_derived(files: Sequence[FileChange]) -> tuple[FileChange, ...]:
    """Return files of a distribution without its metadata, which a build backend derives from the others."""
    return tuple(file for file in files if not file.path.partition("/")[0].endswith(".dist-info"))


def runtime_files(difference: Difference) -> tuple[FileChange, ...]:
    """Return the files of pex's runtime that differ, without those in which it notes what is in the binary."""
    found = difference.runtime.files if difference.runtime is not None else ()
    return tuple(file for file in found if not file.path.startswith(_NOTED))


_NOTED: Final = ("PEX-INFO", "__main__.py", "__pex__/")


def facts(difference: Difference) -> tuple[SettingChange, ...]:
    """Return what differs in the binaries as wholes, apart from their sizes: labels for people, and both values."""
    old, new = difference.old, difference.new
    pairs = {
        "version": (old.build.version, new.build.version),
        "entry point": (old.entry_point, new.entry_point),
        "Python constraint": (", ".join(old.constraints), ", ".join(new.constraints)),
        "Python inside": (old.python, new.python),
        "layout": (old.layout, new.layout),
        "pex": (old.pex_version, new.pex_version),
    }
    unknown = "version" if not (old.build.version and new.build.version) else ""
    differing = {key: pair for key, pair in pairs.items() if pair[0] != pair[1] and key != unknown}
    return tuple(
        SettingChange(key=key, old=before or None, new=after or None) for key, (before, after) in differing.items()
    )


def new_boots(difference: Difference) -> tuple[BootChange, ...]:
    """Return the boots of which there is a result for the new binary."""
    return tuple(boot for boot in difference.boots if boot.new is not None)


def growth(difference: Difference) -> str:
    """Return how the size changed: `+12 kB since the last build`, `-1.3 MB from old.pex`."""
    since = "since the last build" if difference.baseline == "previous-build" else f"from {difference.old.file}"
    return f"{size_change(difference.size.growth)} {since}"


def summary(difference: Difference) -> str:
    """Return the size of the new binary and how it changed: `63.4 MB (+12 kB since the last build)`."""
    return f"{size_text(difference.new.size)} ({growth(difference)})"


def largest(changes: Sequence[GroupChange]) -> list[GroupChange]:
    """Return groups, those whose bytes in the binary changed most first."""
    return sorted(changes, key=lambda each: (-abs(each.stored.growth), each.kind, each.name))
