"""Incremental build: copy the previous PEX and replace only the project's part.

The result is, byte for byte, what pex would build. This is checked and not assumed: for the previous PEX, the module
first computes everything that pex derives from the content (the code hash, the fingerprint of a wheel, the PEX hash,
the order and the compression of the members). It builds the new PEX only if that gives exactly the bytes that pex
wrote. If another pex or another zlib does any of it differently, pex builds the binary.

Fact source: pex 2.105 (`pex.pex_builder`, `pex.hashing`, `pex.cache.dirs`, `pex.layout`).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.distributions import pex_info
from nox_pex.distributions.record import record_with
from nox_pex.pex import zip_members
from nox_pex.pex.zip_members import Archive, NewMember, ZipMember

_PEX_INFO: Final = "PEX-INFO"


_BOOT_MODULES: Final = ("__main__.py", "__pex__/__init__.py")
"""The members that hold the PEX hash, by which a running PEX finds what it unpacked before; the header may too."""


_PEX_DIRECTORIES: Final = (".bootstrap/", ".deps/", "__pex__/")
"""The directories that pex writes, for itself and for the distributions."""


_CHUNK: Final = 1 << 20
"""Bytes that are read at a time."""


class LoosePart(Struct, frozen=True, kw_only=True):
    """The project's part as loose sources: the files `names` in the directory `root`."""

    root: Path
    names: tuple[str, ...]


class WheelPart(Struct, frozen=True, kw_only=True):
    """The project's part as its wheel, the file `path`."""

    path: Path


class _PexNeededError(Exception):
    """The previous PEX is not what this module computes for it, or the change affects more than the content."""


def rebuild_project_part(
    previous: Path,
    output: Path,
    *,
    part: LoosePart | WheelPart,
    entry_point: str | None,
    pre_install_wheels: bool,
    compress: bool,
    scratch: Path,
) -> bool:
    """Write the PEX file `output`: `previous`, which pex built, with the project's part as it is now.

    Everything else must be as it was when `previous` was built. `entry_point` is what the binary starts, which may
    depend on the sources; None if that is a file. `pre_install_wheels` and `compress` are the settings of the binary,
    and `scratch` is an empty directory to work in. Return False, and leave no `output`, if pex has to build the binary.
    """
    try:
        before = _PreviousPex(archive=zip_members.read(previous), compress=compress, scratch=scratch)
        _require(before.info.get("entry_point") == entry_point, "the binary starts something else")
        as_wheels = before.info.get("deps_are_wheel_files", False)
        _require(as_wheels is not pre_install_wheels, "the distributions are stored in another way")
        change = _change_of_sources(before, part) if isinstance(part, LoosePart) else _change_of_wheel(before, part)
        _write(output, before, change)
    except (_PexNeededError, zip_members.UnsupportedArchiveError, KeyError, ValueError):
        # A missing or different entry comes from a pex that this module does not know.
        output.unlink(missing_ok=True)
        return False
    return True


class _Change(Struct, frozen=True, kw_only=True):
    """The members to pack again, the names of all members in their new order, and the new values in PEX-INFO."""

    packed: Mapping[str, NewMember]
    order: Sequence[str]
    info: Mapping[str, Any]


class _PreviousPex(Struct, frozen=True, kw_only=True, dict=True):
    """The PEX to copy from."""

    archive: Archive
    compress: bool
    scratch: Path

    @cached_property
    def members(self) -> Mapping[str, ZipMember]:
        """Its members by name, in their order."""
        return {member.name: member for member in self.archive.members}

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """Its PEX-INFO. Raises `_PexNeededError` unless its text and its `pex_hash` are as this module computes them.

        Raises `KeyError` if it has none.
        """
        text = self.members[_PEX_INFO].read()
        info: dict[str, Any] = json.loads(text)
        _require(pex_info.text_of(info) == text, "PEX-INFO is written differently")
        _require(info.get("pex_hash") == pex_info.pex_hash(info), "the PEX hash is computed differently")
        return info


def _write(output: Path, previous: _PreviousPex, change: _Change) -> None:
    info = {**previous.info, **change.info}
    info["pex_hash"] = pex_info.pex_hash(info)
    old, new = previous.info["pex_hash"].encode(), info["pex_hash"].encode()
    boot = {name: previous.members[name].read().replace(old, new) for name in _BOOT_MODULES}
    _require(all(new in content for content in boot.values()), "the boot modules do not hold the PEX hash")
    contents = {**boot, _PEX_INFO: pex_info.text_of(info)}
    packed = {
        **change.packed,
        **{
            name: NewMember(name=name, mode=previous.members[name].mode, content=content)
            for name, content in contents.items()
        },
    }
    _check_packing(previous, [*packed, "__pex__/"])
    archive = zip_members.pack(previous.scratch / "new.zip", packed.values(), compress=previous.compress)
    members = {**previous.members, **{member.name: member for member in archive.members}}
    header = previous.archive.header().replace(old, new)
    zip_members.write(output, header, [members[name] for name in change.order])
    output.chmod(previous.archive.path.stat().st_mode & 0o777)


def _check_packing(previous: _PreviousPex, names: Iterable[str]) -> None:
    """Raise `_PexNeededError` if packing the members `names` of `previous` gives other bytes than pex wrote."""
    before = {name: previous.members[name] for name in names if name in previous.members}
    repacked = zip_members.pack(
        previous.scratch / "repacked.zip",
        [NewMember(name=name, mode=member.mode, content=member) for name, member in before.items()],
        compress=previous.compress,
    )
    same = all(old.same_as(new) for old, new in zip(before.values(), repacked.members, strict=True))
    _require(same, "the members are packed differently")


def _change_of_sources(previous: _PreviousPex, part: LoosePart) -> _Change:
    names = tuple(previous.members)
    before = [name for name in names if not name.endswith("/") and not _is_of_pex(name)]
    old_hash = _tree_hash(hashlib.sha1, _in_code_hash(before), lambda name: previous.members[name].chunks())
    _require(previous.info.get("code_hash") == old_hash, "the code hash is computed differently")
    _require(_ordered(names, before) == list(names), "the members have a different order")
    _require(not any(_is_of_pex(name) for name in part.names), "a source has the name of a part of the PEX")
    order = _ordered(names, part.names)
    new_hash = _tree_hash(hashlib.sha1, _in_code_hash(part.names), lambda name: _read(part.root / name))
    return _Change(packed=_changed_sources(previous, part, order), order=order, info={"code_hash": new_hash})


def _changed_sources(previous: _PreviousPex, part: LoosePart, order: Iterable[str]) -> Mapping[str, NewMember]:
    """The files of `part` that are new or changed, and the directories in `order` that are new."""
    changed: dict[str, NewMember] = {}
    kind = stat.S_IFMT(previous.members[_PEX_INFO].mode)  # older versions of pex write no file type
    for name in part.names:
        path = part.root / name
        mode = kind | (0o755 if os.access(path, os.X_OK) else 0o644)
        member = previous.members.get(name)
        if member is None or member.mode != mode or not zip_members.same_bytes(member.chunks(), _read(path)):
            changed[name] = NewMember(name=name, mode=mode, content=path)
    for name in order:
        if name.endswith("/") and name not in previous.members:
            changed[name] = NewMember(name=name, mode=previous.members["__pex__/"].mode)
    return changed


def _change_of_wheel(previous: _PreviousPex, part: WheelPart) -> _Change:
    """The change from a wheel to one with the same files and the same metadata, but other content."""
    wheel, prefix = part.path.name, f".deps/{part.path.name}/"
    members = {name.removeprefix(prefix): m for name, m in previous.members.items() if name.startswith(prefix)}
    files = {name: member for name, member in members.items() if not name.endswith("/")}
    _require(bool(files), "the wheel has another name, or is packed as a file")
    changed = _changed_files(files, part.path)
    layout = json.loads(files[_LAYOUT].read())
    _require(pex_info.text_of(layout) == files[_LAYOUT].read(), "the layout is written differently")
    hashed = files.keys() - {_LAYOUT}
    old_hash = _tree_hash(hashlib.sha256, hashed, lambda name: files[name].chunks())
    distributions = previous.info["distributions"]
    _require(distributions[wheel] == layout["fingerprint"] == old_hash, "a fingerprint is computed differently")
    new_hash = _tree_hash(
        hashlib.sha256, hashed, lambda name: iter((changed[name],)) if name in changed else files[name].chunks()
    )
    changed[_LAYOUT] = pex_info.text_of({**layout, "fingerprint": new_hash})
    return _Change(
        packed={
            prefix + name: NewMember(name=prefix + name, mode=files[name].mode, content=content)
            for name, content in changed.items()
        },
        order=tuple(previous.members),
        info={"distributions": {**distributions, wheel: new_hash}},
    )


_LAYOUT: Final = ".layout.json"
"""The file in which pex notes how an installed wheel is laid out, with its fingerprint."""


def _changed_files(files: Mapping[str, ZipMember], path: Path) -> dict[str, bytes]:
    """The files of the wheel `path` that differ from the installed `files`, and their RECORD, by name.

    Raises `_PexNeededError` if pex would install the wheel in another way than the previous one.
    """
    with zipfile.ZipFile(path) as wheel:
        _check_same_files(files, wheel)
        (metadata,) = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
        record = f"{metadata}/RECORD"
        changed = {
            name: wheel.read(name)
            for name in wheel.namelist()
            if not name.endswith("/")
            and name != record
            and not zip_members.same_bytes(files[name].chunks(), _unpacked(wheel, name))
        }
    _require(not any(name.startswith(f"{metadata}/") for name in changed), "the metadata changed")
    rows = files[record].read().decode()
    for name, content in changed.items():
        _require(record_with(rows, path=name, content=files[name].read()) == rows, "RECORD is written differently")
        rows = record_with(rows, path=name, content=content)
    return {**changed, record: rows.encode()}


def _check_same_files(files: Mapping[str, ZipMember], wheel: zipfile.ZipFile) -> None:
    """Raise `_PexNeededError` unless the wheel has the files of the installed one, all of them in their final place."""
    originals = [name for name in files if name.endswith("original-whl-info.json")]
    _require(len(originals) == 1, "pex notes the original wheel differently")
    noted = json.loads(files[originals[0]].read())
    entries = [[entry.filename, list(entry.date_time), entry.external_attr] for entry in wheel.infolist()]
    _require(noted.get("entries") == entries, "the wheel has other files")
    names = wheel.namelist()
    _require(not any(".data/" in name or name.endswith((".pyc", ".pyo")) for name in names), "pex moves its files")


def _ordered(names: Iterable[str], sources: Iterable[str]) -> list[str]:
    """The members of pex in `names`, in their order there, with `sources` sorted among them, as pex does.

    A directory comes before the first file in it.
    """
    order: dict[str, None] = {}
    directories: list[str] = []
    waiting = deque(sorted(sources))

    def add_source() -> None:
        name = waiting.popleft()
        order.update(dict.fromkeys(f"{name[:end]}/" for end in range(len(name)) if name[end] == "/"))
        order[name] = None

    for name in names:
        if not _is_of_pex(name):
            continue
        if name.endswith("/"):
            directories.append(name)
            continue
        while waiting and waiting[0] < name:
            add_source()
        order.update(dict.fromkeys([*directories, name]))
        directories.clear()
    while waiting:
        add_source()
    return list(order)


def _is_of_pex(name: str) -> bool:
    """Whether a member is not a source of the project."""
    return name.startswith(_PEX_DIRECTORIES) or name in (_PEX_INFO, *_BOOT_MODULES)


def _in_code_hash(names: Iterable[str]) -> Iterator[str]:
    """Yield the sources that count for pex's code hash (`CacheHelper.pex_code_hash`)."""
    for name in names:
        _require(not name.endswith((".pyc", ".pyo")), "there is bytecode among the sources")
        if not name.rpartition("/")[2].startswith("."):
            yield name


def _tree_hash(
    hasher: Callable[[], hashlib._Hash], names: Iterable[str], content: Callable[[str], Iterator[bytes]]
) -> str:
    """Pex's hash of a tree (`hashing.dir_hash`): all names, then all contents."""
    digest = hasher()
    ordered = sorted(names)
    digest.update("".join(ordered).encode())
    for name in ordered:
        for chunk in content(name):
            digest.update(chunk)
    return digest.hexdigest()


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _unpacked(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _require(condition: bool, otherwise: str) -> None:  # noqa: FBT001  # it reads as an assertion
    if not condition:
        raise _PexNeededError(otherwise)
