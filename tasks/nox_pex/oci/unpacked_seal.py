"""Whether an unpacked tree in the user's cache is still as it was written.

A check of an image that runs in a changed tree would prove nothing about the image. Reading all files takes too long
for each run, so their status is compared: nobody can write to a file without a new time of its last change (ctime,
inode(7)), which no program can choose.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.system import files

_SEAL: Final = "seal.json"
_LINKED: Final = "linked"
"""An empty file that says that other trees may have hard links to the files: each link changes their ctime."""


class _Seal(Struct, frozen=True, kw_only=True):
    """Digests of the status of all files: `exact` has all of it, and `apart_from_links` has no ctime."""

    exact: str
    apart_from_links: str


def write(root: Path) -> None:
    """Note the status of all files in `root` next to it. Raises `OSError`."""
    root.with_name(_LINKED).unlink(missing_ok=True)
    files.write_json(root.with_name(_SEAL), msgspec.structs.asdict(_seal(root)))


def allow_links(root: Path) -> None:
    """Note that the files in `root` get hard links. Raises `OSError`."""
    root.with_name(_LINKED).touch()


def is_intact(root: Path) -> bool:
    """Whether nothing in the directory `root` changed since `write`. False if it is incomplete, or no directory."""
    try:
        if not stat.S_ISDIR(root.lstat().st_mode):
            return False
        noted = msgspec.convert(files.read_json(root.with_name(_SEAL)), _Seal)
        found = _seal(root)
    except (OSError, msgspec.ValidationError):
        return False
    may_be_linked = root.with_name(_LINKED).exists()
    return found == noted or (may_be_linked and found.apart_from_links == noted.apart_from_links)


def _seal(root: Path) -> _Seal:
    exact, apart_from_links = hashlib.blake2b(digest_size=32), hashlib.blake2b(digest_size=32)
    for path, found in _entries(os.fsencode(root)):
        kept = (found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_mtime_ns, found.st_ino)
        text = b"%b\0%b\0" % (path, repr(kept).encode())
        apart_from_links.update(text)
        exact.update(b"%b%d\0" % (text, found.st_ctime_ns))
    return _Seal(exact=exact.hexdigest(), apart_from_links=apart_from_links.hexdigest())


def _entries(root: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield the path from `root`, and the status, of `root` and everything in it, always in the same order."""
    yield b"", os.lstat(root)
    waiting = [b""]
    while waiting:
        directory = waiting.pop()
        with os.scandir(os.path.join(root, directory)) as entries:  # noqa: PTH118  # bytes: names need not be UTF-8
            for entry in sorted(entries, key=lambda each: each.name):
                path = os.path.join(directory, entry.name)  # noqa: PTH118  # `pathlib` has no paths of bytes
                yield path, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
