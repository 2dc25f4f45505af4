"""A PEX of any layout in memory: its files can be changed one by one, and everything else keeps its bytes.

The names of files in nested archives (`.bootstrap` and the wheels) continue the archive's name, as if each archive were
a directory.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.support.tampering import zip_records
from tests.support.tampering.zip_records import Archive, Record

INFO: Final = "PEX-INFO"
LAYOUT: Final = ".layout.json"
LAUNCHERS: Final = ("__main__.py", "pex", "__pex__/__init__.py")


class File(Struct, kw_only=True):
    """A file, a directory (its name ends in a slash) or a link: its content or its target, and its mode.

    `record` is the member of an archive that it was read from.
    """

    content: bytes = b""
    mode: int = stat.S_IFREG | 0o644
    record: Record | None = None


class Nested(Struct, frozen=True, kw_only=True):
    """A nested archive as it was read: its bytes, its files, and the file that it is."""

    data: bytes
    files: dict[str, File]
    outer: File


class PexTree(Struct, kw_only=True):
    """A PEX: the bytes before the archive (None for a directory), its files by name in their order, nested archives.

    `kept` are files that `coherent.made_coherent` must leave as they are.
    """

    head: bytes | None
    files: dict[str, File]
    nested: dict[str, Nested] = msgspec.field(default_factory=dict)
    kept: set[str] = msgspec.field(default_factory=set)

    @property
    def info(self) -> dict[str, Any]:
        """Its parsed PEX-INFO."""
        value: dict[str, Any] = json.loads(self.files[INFO].content)
        return value

    @info.setter
    def info(self, value: object) -> None:
        self.files[INFO].content = as_json(value)

    @property
    def is_directory(self) -> bool:
        return self.head is None

    def copy(self) -> PexTree:
        """The same PEX, whose files can be changed."""
        files = {name: msgspec.structs.replace(file) for name, file in self.files.items()}
        return PexTree(head=self.head, files=files, nested=dict(self.nested))

    def names(self, prefix: str = "") -> list[str]:
        """The files below a prefix, without the directories."""
        return [name for name in self.files if name.startswith(prefix) and not name.endswith("/")]

    def wheels(self) -> list[str]:
        """The paths of its distributions, with a slash at the end."""
        found = [name.split("/")[1] for name in self.names(".deps/")]
        return [f".deps/{name}/" for name in dict.fromkeys(found)]

    def own_names(self) -> list[str]:
        """The files of the project: those that pex did not write and that are in no distribution."""
        pex = (".bootstrap/", ".deps/", "__pex__/")
        return [name for name in self.names() if not name.startswith(pex) and name not in (INFO, *LAUNCHERS)]

    def add(self, name: str, content: bytes = b"", *, mode: int = 0o644) -> None:
        """Add a file with the directories above it, or replace its content."""
        if name in self.files:
            self.files[name].content = content
            return
        archive = self.archive_of(name)
        lists_directories = any(
            other.endswith("/") and self.archive_of(other) == archive for other in self.files if other != archive
        )
        for end in (end for end in range(len(archive), len(name)) if lists_directories and name[end] == "/"):
            parent = name[: end + 1]
            if parent != archive:
                self.files.setdefault(parent, File(mode=stat.S_IFDIR | 0o755))
        self.files[name] = File(content=content, mode=stat.S_IFREG | mode)

    def archive_of(self, name: str) -> str:
        """The nested archive that holds a file, with a slash at the end; empty if none does."""
        return next((f"{path}/" for path in self.nested if name.startswith(f"{path}/")), "")

    def archive_bytes(self, path: str) -> bytes:
        """The bytes of a nested archive; those that were read if none of its files changed."""
        prefix = f"{path}/"
        inside = {name.removeprefix(prefix): f for name, f in self.files.items() if name.startswith(prefix)}
        before = self.nested[path]
        return before.data if list(inside.items()) == list(before.files.items()) else _packed(b"", inside)

    def write(self, path: Path) -> None:
        """Write it to a new path."""
        if self.head is None:
            _write_directory(path, self._outer())
        else:
            path.write_bytes(_packed(self.head, self._outer()))
            path.chmod(0o755)

    def _outer(self) -> dict[str, File]:
        """The files of the outermost container: each nested archive is one."""
        outer: dict[str, File] = {}
        for name, file in self.files.items():
            archive = self.archive_of(name)[:-1]
            if not archive:
                outer[name] = file
            elif archive not in outer:
                outer[archive] = msgspec.structs.replace(
                    self.nested[archive].outer, content=self.archive_bytes(archive)
                )
        return outer


def as_json(value: object) -> bytes:
    """JSON as pex writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read(path: Path) -> PexTree:
    """Read a PEX that pex built."""
    if path.is_dir():
        outer, head = _read_directory(path), None
    else:
        archive = zip_records.read(path.read_bytes())
        outer, head = _files(archive), archive.head
    tree = PexTree(head=head, files={})
    for name, file in outer.items():
        is_archive = name == ".bootstrap" or (name.startswith(".deps/") and name.count("/") == 1)
        if not is_archive or name.endswith("/"):
            tree.files[name] = file
            continue
        inside = _files(zip_records.read(file.content))
        tree.nested[name] = Nested(data=file.content, files=inside, outer=file)
        tree.files.update({f"{name}/{inner}": msgspec.structs.replace(found) for inner, found in inside.items()})
    return tree


def _files(archive: Archive) -> dict[str, File]:
    return {
        member.name.decode(): File(content=member.content, mode=member.fields["external"] >> 16, record=member)
        for member in archive.records
    }


def _packed(head: bytes, files: dict[str, File]) -> bytes:
    return zip_records.written(Archive(head=head, records=[_member(name, file) for name, file in files.items()]))


def _member(name: str, file: File) -> Record:
    before = file.record
    if before is None:
        return zip_records.record(name.encode(), file.content, mode=file.mode)
    if before.content == file.content and before.fields["external"] >> 16 == file.mode and before.name == name.encode():
        return before
    like = {**before.fields, "external": file.mode << 16 | before.fields["external"] & 0xFFFF, "flags": 0}
    return zip_records.record(name.encode(), file.content, stored=before.fields["method"] == 0, like=like)


def _read_directory(path: Path) -> dict[str, File]:
    found: dict[str, File] = {}
    for place in sorted(path.rglob("*")):
        name, status = place.relative_to(path).as_posix(), place.lstat()
        if stat.S_ISLNK(status.st_mode):
            found[name] = File(content=os.fsencode(place.readlink()), mode=status.st_mode)
        elif stat.S_ISDIR(status.st_mode):
            found[f"{name}/"] = File(mode=status.st_mode)
        else:
            found[name] = File(content=place.read_bytes(), mode=status.st_mode)
    return found


def _write_directory(path: Path, files: dict[str, File]) -> None:
    path.mkdir()
    for name, file in files.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(file.mode):
            place.mkdir(exist_ok=True)
        elif stat.S_ISLNK(file.mode):
            place.symlink_to(os.fsdecode(file.content))
        else:
            place.write_bytes(file.content)
            place.chmod(stat.S_IMODE(file.mode))
