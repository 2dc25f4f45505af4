"""A binary after an edit: all of it stands in the last one but the project's own part, which is set in its place.

What comes out is, byte for byte, what pex would have made. That is not taken on trust: what pex works out from the
content (the code hash, a wheel's fingerprint, the PEX hash, the order and the packing of the members) is worked out
here for the last binary first, and only where that gives the very bytes that pex wrote is the new one made in this way.
A pex that does any of it otherwise, or another zlib, and pex builds the binary.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from nox_pex.build import zip_members
from nox_pex.build.zip_members import Archive, NewMember, ZipMember
from nox_pex.distributions.record import record_with

_PEX_INFO: Final = "PEX-INFO"


_BOOT: Final = ("__main__.py", "__pex__/__init__.py")
"""The members that hold the PEX hash, by which a binary finds what it once unpacked; so may the header."""


_PEXS_OWN: Final = (".bootstrap/", ".deps/", "__pex__/")


_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class LoosePart:
    """The project's part as loose sources: `names` below the directory `root`."""

    root: Path
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WheelPart:
    """The project's part as its wheel."""

    path: Path


class _NotAlikeError(Exception):
    """The last binary is not what would be worked out here, or the change is of a kind that pex has to judge."""


def rebuild_project_part(last: Path, output: Path, *, part: LoosePart | WheelPart, compress: bool, aside: Path) -> bool:
    """Write the binary `output`: `last`, a PEX file that pex made, with the project's part as it is now.

    All that is not the project's must be as it was when `last` was built. `aside` is an empty directory to work in.
    Returns False, with no `output`, where that cannot be done; then pex has to build it.
    """
    try:
        before = _Last(archive=zip_members.read(last), compress=compress, aside=aside)
        change = _loose(before, part) if isinstance(part, LoosePart) else _wheel(before, part)
        _write(output, before, change)
    except (_NotAlikeError, zip_members.UnsupportedArchiveError, KeyError, ValueError):
        # What is missing, or says something else, is what another pex than the one that is known here has made.
        output.unlink(missing_ok=True)
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class _Change:
    """The members that are packed anew, the names of all in the new order, and what PEX-INFO says of them."""

    packed: Mapping[str, NewMember]
    order: Sequence[str]
    info: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Last:
    """The last binary, understood."""

    archive: Archive
    compress: bool
    aside: Path

    @cached_property
    def members(self) -> Mapping[str, ZipMember]:
        return {member.name: member for member in self.archive.members}

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """PEX-INFO, checked: its text and its `pex_hash` are what would be written here."""
        text = self.members[_PEX_INFO].read() if _PEX_INFO in self.members else b"{}"
        info: dict[str, Any] = json.loads(text)
        _require(_dump(info) == text, "PEX-INFO is written in another way")
        _require(info.get("pex_hash") == _pex_hash(info), "the PEX hash is worked out in another way")
        return info


def _write(output: Path, last: _Last, change: _Change) -> None:
    info = {**last.info, **change.info}
    info["pex_hash"] = _pex_hash(info)
    old, new = last.info["pex_hash"].encode(), info["pex_hash"].encode()
    boot = {name: last.members[name].read().replace(old, new) for name in _BOOT if name in last.members}
    _require(len(boot) == len(_BOOT) and all(new in content for content in boot.values()), "it boots in another way")
    packed = {
        **change.packed,
        **{name: NewMember(name=name, mode=last.members[name].mode, content=content) for name, content in boot.items()},
        _PEX_INFO: NewMember(name=_PEX_INFO, mode=last.members[_PEX_INFO].mode, content=_dump(info)),
    }
    _check_packing(last, [*packed, "__pex__/"])
    fresh = zip_members.pack(last.aside / "new.zip", packed.values(), compress=last.compress)
    members = {**last.members, **{member.name: member for member in fresh.members}}
    zip_members.write(output, last.archive.header.replace(old, new), [members[name] for name in change.order])
    output.chmod(last.archive.path.stat().st_mode & 0o777)


def _check_packing(last: _Last, names: Iterable[str]) -> None:
    """Raise `_NotAlikeError` where packing what is in `last` again would give other bytes than pex did."""
    before = {name: last.members[name] for name in names if name in last.members}
    again = zip_members.pack(
        last.aside / "again.zip",
        [NewMember(name=name, mode=member.mode, content=member) for name, member in before.items()],
        compress=last.compress,
    )
    same = all(known.same_as(made) for known, made in zip(before.values(), again.members, strict=True))
    _require(same, "its members are packed in another way")


def _loose(last: _Last, part: LoosePart) -> _Change:
    names = tuple(last.members)
    before = [name for name in names if not name.endswith("/") and not _is_pexs(name)]
    old_hash = _tree_hash(hashlib.sha1, _hashed(before), lambda name: last.members[name].chunks())
    _require(last.info.get("code_hash") == old_hash, "the code hash is worked out in another way")
    _require(_ordered(names, before) == list(names), "the members are in another order")
    _require(not any(_is_pexs(name) for name in part.names), "a source has the name of a part of the PEX")
    packed: dict[str, NewMember] = {}
    kind = stat.S_IFMT(last.members[_PEX_INFO].mode)  # older ones wrote no type of file
    for name in part.names:
        path = part.root / name
        mode = kind | (0o755 if os.access(path, os.X_OK) else 0o644)
        member = last.members.get(name)
        if member is None or member.mode != mode or not zip_members.same_bytes(member.chunks(), _read(path)):
            packed[name] = NewMember(name=name, mode=mode, content=path)
    order = _ordered(names, part.names)
    for name in order:
        if name.endswith("/") and name not in last.members:
            packed[name] = NewMember(name=name, mode=last.members["__pex__/"].mode)
    new_hash = _tree_hash(hashlib.sha1, _hashed(part.names), lambda name: _read(part.root / name))
    return _Change(packed=packed, order=order, info={"code_hash": new_hash})


def _wheel(last: _Last, part: WheelPart) -> _Change:
    """A wheel whose files have other content, but are the same files, with the same metadata."""
    prefix = f".deps/{part.path.name}/"
    lies = {name.removeprefix(prefix) for name in last.members if name.startswith(prefix) and not name.endswith("/")}
    _require(bool(lies), "the wheel has another name, or lies there as a file")
    with zipfile.ZipFile(part.path) as wheel:
        (metadata_directory,) = {name.partition("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
        record = f"{metadata_directory}/RECORD"
        _check_same_files(last, prefix, wheel)
        changed = {
            name: wheel.read(name)
            for name in wheel.namelist()
            if not name.endswith("/")
            and name != record
            and not zip_members.same_bytes(last.members[prefix + name].chunks(), _unpacked(wheel, name))
        }
    _require(not any(name.startswith(f"{metadata_directory}/") for name in changed), "the metadata changed")
    rows = last.members[prefix + record].read().decode()
    for name, content in changed.items():
        known = record_with(rows, path=name, content=last.members[prefix + name].read())
        _require(known == rows, "RECORD is written in another way")
        rows = record_with(rows, path=name, content=content)
    changed[record] = rows.encode()
    layout = json.loads(last.members[f"{prefix}.layout.json"].read())
    hashed = lies - {".layout.json"}
    old_hash = _tree_hash(hashlib.sha256, hashed, lambda name: last.members[prefix + name].chunks())
    distributions = last.info["distributions"]
    _require(distributions[part.path.name] == layout["fingerprint"] == old_hash, "a wheel's fingerprint is another")
    _require(_dump(layout) == last.members[f"{prefix}.layout.json"].read(), "the layout is written in another way")
    layout["fingerprint"] = new_hash = _tree_hash(
        hashlib.sha256,
        hashed,
        lambda name: iter((changed[name],)) if name in changed else last.members[prefix + name].chunks(),
    )
    changed[".layout.json"] = _dump(layout)
    return _Change(
        packed={
            prefix + name: NewMember(name=prefix + name, mode=last.members[prefix + name].mode, content=content)
            for name, content in changed.items()
        },
        order=tuple(last.members),
        info={"distributions": {**distributions, part.path.name: new_hash}},
    )


def _check_same_files(last: _Last, prefix: str, wheel: zipfile.ZipFile) -> None:
    """Raise `_NotAlikeError` where the wheel has other files than the one that was installed, or ones that move."""
    original = [name for name in last.members if name.startswith(prefix) and name.endswith("original-whl-info.json")]
    _require(len(original) == 1, "pex notes in another way what the wheel was")
    noted = json.loads(last.members[original[0]].read())
    entries = [[entry.filename, list(entry.date_time), entry.external_attr] for entry in wheel.infolist()]
    _require(noted.get("entries") == entries, "the wheel has other files")
    names = wheel.namelist()
    _require(not any(".data/" in name or name.endswith((".pyc", ".pyo")) for name in names), "files move")


def _ordered(names: Iterable[str], own: Iterable[str]) -> list[str]:
    """The names of pex's own members, as they stand in `names`, with `own` among them where pex puts them: sorted.

    A directory stands before the first file in it.
    """
    order: dict[str, None] = {}
    ahead: list[str] = []
    waiting = deque(sorted(own))

    def take() -> None:
        name = waiting.popleft()
        order.update(dict.fromkeys(f"{name[:end]}/" for end in range(len(name)) if name[end] == "/"))
        order[name] = None

    for name in names:
        if not _is_pexs(name):
            continue
        if name.endswith("/"):
            ahead.append(name)
            continue
        while waiting and waiting[0] < name:
            take()
        order.update(dict.fromkeys([*ahead, name]))
        ahead.clear()
    while waiting:
        take()
    return list(order)


def _is_pexs(name: str) -> bool:
    return name.startswith(_PEXS_OWN) or name in (_PEX_INFO, *_BOOT)


def _hashed(names: Iterable[str]) -> Iterator[str]:
    """What counts for pex's code hash (`CacheHelper.pex_code_hash`)."""
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


def _pex_hash(info: Mapping[str, Any]) -> str:
    """Pex's hash of a whole PEX (`PEXBuilder._prepare_code`)."""
    return hashlib.sha1(_dump({key: value for key, value in info.items() if key != "pex_hash"})).hexdigest()  # noqa: S324


def _dump(value: Mapping[str, Any]) -> bytes:
    """JSON as pex writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


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
        raise _NotAlikeError(otherwise)
