"""An "installed wheel": a distribution as pex has it in a PEX. `wheel_layout` makes it.

Fact source: pex 2.105 (`pex.installed_wheel`, `pex.hashing.dir_hash`, `pex.common.deterministic_walk`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

LAYOUT: Final = ".layout.json"
"""The file in which pex notes how an installed wheel is laid out, with its fingerprint."""


STASH: Final = ".prefix"
"""The directory of scripts, headers and data in an installed wheel."""


class UnsupportedDistributionError(Exception):
    """A distribution of a form that nox-pex does not lay out. The text says which."""


class LaidOutFile(Struct, frozen=True, kw_only=True):
    """A file of an installed wheel: its `path` in it, its content (a file, or bytes), and whether it is executable.

    `digest` is the one in RECORD, or if that has none the one that the file had (`sha256=…`): the content must have it.
    It is empty for bytes.
    """

    path: str
    content: Path | bytes
    executable: bool = False
    digest: str = ""


class InstalledWheel(Struct, frozen=True, kw_only=True):
    """An installed wheel: the `name` of its directory in a PEX, and its `files`, sorted by path.

    `.layout.json` is not among them, because it holds the fingerprint of all others. `record` is the path of RECORD in
    it. `is_pure` is `Root-Is-Purelib`. `libraries` are the directories in it that Python looks for modules in.
    """

    name: str
    files: tuple[LaidOutFile, ...]
    record: str
    is_pure: bool
    libraries: tuple[str, ...] = (".",)

    @property
    def size(self) -> int:
        """The bytes of its files. Raises `OSError` if one does not exist."""
        return sum(f.content.stat().st_size if isinstance(f.content, Path) else len(f.content) for f in self.files)

    def layout(self, fingerprint: str) -> bytes:
        """Return the content of `.layout.json`."""
        values = {
            "stash_dir": STASH,
            "record_relpath": self.record,
            "fingerprint": fingerprint,
            "root_is_purelib": self.is_pure,
            "sys_path_entries": self.libraries,
        }
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()

    @property
    def key(self) -> str:
        """A digest of everything that decides its bytes. A file counts by its `digest`, so none is read."""
        decisive = [self.name, self.record, self.is_pure, self.libraries]
        contents = [
            [f.path, hashlib.sha256(f.content).hexdigest() if isinstance(f.content, bytes) else f.digest, f.executable]
            for f in self.files
        ]
        return hashlib.sha256(json.dumps([decisive, contents]).encode()).hexdigest()


def fingerprint(files: Iterable[tuple[str, Iterable[bytes]]]) -> str:
    """Return pex's fingerprint of an installed wheel (`pex.hashing.dir_hash`): all names, then all contents.

    `files` are its paths and contents, sorted by path.
    """
    listed = list(files)
    hasher = hashlib.sha256("".join(path for path, _ in listed).encode())
    for _, content in listed:
        for chunk in content:
            hasher.update(chunk)
    return hasher.hexdigest()


def walk(paths: Iterable[str]) -> Iterator[str]:
    """Yield `paths` in the order in which pex packs them: the files of a directory, then its subdirectories."""
    return iter(
        sorted(paths, key=lambda path: [*((1, part) for part in path.split("/")[:-1]), (0, path.split("/")[-1])])
    )
