"""The layer of the form `file`: the binary as it is, and the files by which scanners find its distributions."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nox_pex.distributions import pex_file
from nox_pex.image import scanner_files
from nox_pex.image.content.request import ContentRequest
from nox_pex.oci import layer_writer
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_store import LayerStore, StoredLayer, key_of
from nox_pex.oci.layer_writer import Entry, Stream
from nox_pex.system import files, recipe


def layer(request: ContentRequest, store: LayerStore) -> StoredLayer:
    """Return the layer. Raises `PexError`, and `NoxPexError` `disk-full`."""
    key = key_of(
        "file", recipe.digest_of("image", "oci"), request.root, request.name, request.file, _digest(request.binary)
    )

    def write(path: Path) -> LayerFile:
        return layer_writer.write_layer(_entries(request), path, compressed=_is_compressed(request.binary))

    return store.find(key) or store.keep(key, write)


def _is_compressed(binary: Path) -> bool:
    """Whether the members of a PEX file are compressed, except a few."""
    if binary.is_dir():
        return False
    with zipfile.ZipFile(binary) as archive:
        sizes = dict.fromkeys((True, False), 0)
        for member in archive.infolist():
            sizes[member.compress_type == zipfile.ZIP_STORED] += member.compress_size
    return sizes[True] < sizes[False] / 10


def _digest(binary: Path) -> str:
    digest = pex_file.quick_digest(binary)
    if not digest:
        msg = "it cannot be read"
        raise pex_file.PexError(msg)
    return digest


def _entries(request: ContentRequest) -> Iterator[Entry]:
    place = f"{request.root[1:]}/{request.file}"
    if request.binary.is_dir():
        yield Entry(path=place)
        for path in files.paths(request.binary):
            inner = f"{place}/{path.relative_to(request.binary).as_posix()}"
            yield Entry(path=inner, target=str(path.readlink())) if path.is_symlink() else _entry(inner, path)
    else:
        yield msgspec.structs.replace(_entry(place, request.binary), executable=True)
    for entry in scanner_files.entries(request.binary, name=request.name):
        yield msgspec.structs.replace(entry, path=f"{scanner_files.DIRECTORY[1:]}/{entry.path}")


def _entry(path: str, file: Path) -> Entry:
    if file.is_dir():
        return Entry(path=path)
    status = file.stat()
    stream = Stream(size=status.st_size, open=functools.partial(files.open_regular, file))
    return Entry(path=path, content=stream, executable=bool(status.st_mode & 0o100))
