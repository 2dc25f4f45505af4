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
from nox_pex.oci import layer_writer
from nox_pex.oci.layer_writer import Entry
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


def entries(binary: Path, *, name: str) -> Iterator[Entry]:
    """Yield the files for the binary `name` in `DIRECTORY`: a directory with this name, and in it the METADATA."""
    yield Entry(path=name)
    for path, content in metadata_files(binary).items():
        yield Entry(path=f"{name}/{path}", content=content)


def archive_path(binary: Path) -> Path:
    """Return the path of the archive of these files, next to `binary`."""
    return binary.with_suffix(".metadata.tar")


def write_archive(binary: Path, output: Path, *, name: str) -> None:
    """Write a tar archive of the files for the binary `name`; an existing one is replaced. Raises `PexError`."""
    content = b"".join(layer_writer.archive(entries(binary, name=name)))
    files.require_replaceable(output)
    unfinished = output.with_name(f".{output.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.write_bytes(content)
    unfinished.replace(output)


def write_files(binary: Path, root: Path, *, name: str) -> None:
    """Write the files for the binary `name` into the new directory `root`, at their paths in an image."""
    directory = root / DIRECTORY[1:] / name
    directory.mkdir(parents=True)
    for path, content in metadata_files(binary).items():
        (directory / path).parent.mkdir()
        (directory / path).write_bytes(content)


def _found(names: Iterable[str], opener: Callable[[str], IO[bytes]]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        if match := _METADATA.fullmatch(name):
            with opener(name) as file:
                yield match["path"], file.read(_LARGEST)
        elif _WHEEL.fullmatch(name):
            with opener(name) as file, zipfile.ZipFile(file) as wheel:
                yield from of_archive(wheel).items()


if __name__ == "__main__":
    write_files(Path(sys.argv[1]), Path(sys.argv[3]), name=sys.argv[2])
