"""The files by which scanners find the distributions in a binary: the METADATA of each.

Scanners of images look for `*.dist-info/METADATA`, and none opens a PEX file. So an image with a binary has a copy of
these files, and of nothing else, in a directory that no Python looks for modules in.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from nox_pex.distributions import pex_file, tree
from nox_pex.system import files
from nox_pex.system.lazy import pattern

DIRECTORY: Final = "/usr/share/nox-pex"
"""The directory in an image that has one directory for each binary."""


_DISTRIBUTIONS: Final = ".deps/"


_METADATA: Final = pattern(r"(?:\.deps/[^/]+/)?(?P<path>[^/]+\.dist-info/METADATA)")


_WHEEL: Final = pattern(r"\.deps/[^/]+")


_LARGEST: Final = 16 << 20
"""Bytes of a METADATA that are copied."""


def metadata_files(binary: Path) -> Mapping[str, bytes]:
    """Return the METADATA of each distribution in a PEX of any layout, by path (`idna-3.11.dist-info/METADATA`).

    If it has several wheels of a distribution, for several platforms, one METADATA is among them. Raises `PexError`.
    """
    with pex_file.opened(binary) as descriptor:
        if not binary.is_dir():
            with zipfile.ZipFile(binary) as archive:
                return of_archive(archive)
        names = sorted(name for name in tree.files(descriptor) if name.startswith(_DISTRIBUTIONS))
        return dict(_found(names, lambda name: files.open_regular(binary / name)))


def of_archive(archive: zipfile.ZipFile) -> Mapping[str, bytes]:
    """Return the same of an open PEX file, or of a wheel."""
    return dict(_found(sorted(archive.namelist()), archive.open))


def write(binary: Path, into: Path) -> None:
    """Write the METADATA of each distribution in a PEX into the new directory `into`. Raises `PexError`."""
    into.mkdir(parents=True)
    for path, content in metadata_files(binary).items():
        (into / path).parent.mkdir()
        (into / path).write_bytes(content)


def _found(names: Iterable[str], opener: Callable[[str], IO[bytes]]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        if match := _METADATA.fullmatch(name):
            with opener(name) as file:
                yield match["path"], file.read(_LARGEST)
        elif _WHEEL.fullmatch(name):
            with opener(name) as file, zipfile.ZipFile(file) as wheel:
                yield from of_archive(wheel).items()


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
