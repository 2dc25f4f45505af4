"""Archives that engines save an image in: `docker save`, `podman save`, `buildah push … docker-archive:`.

They are read in place: no entry is unpacked, so the names in an archive are keys and never paths. All three engines
keep the bytes of the configuration, which an archive in OCI's format does not: Podman drops the health check there.

Fact sources: Docker's "Image Specification v1.2", "Combined Image JSON + Filesystem Changeset Format"
(`manifest.json`); `docker/internal/tarfile` of containers/image.
"""

from __future__ import annotations

import functools
import hashlib
import io
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from nox_pex.oci import image_config, layer_store, layer_stream, layer_writer, manifest, media_types
from nox_pex.oci.descriptor import Descriptor, Digest, hexadecimal
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_store import LayerStore
from nox_pex.oci.layer_stream import LayerError
from nox_pex.oci.layout import Blob, WrittenImage
from nox_pex.oci.manifest import FormatError, Manifest
from nox_pex.system import processors, strict_json

_MOST_ENTRIES: Final = 10_000


_MOST_LINKS: Final = 10
"""Links in a row. Older versions of Docker link a layer that is there twice."""


_PIECE: Final = 1 << 20
"""Bytes that are read at a time."""


_GZIP: Final = b"\x1f\x8b"


_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class _Entry(Struct, frozen=True, kw_only=True, rename="pascal"):
    """The entry of `manifest.json` for an image: names in the archive."""

    config: str
    layers: Annotated[tuple[str, ...], Meta(max_length=1000)]


class _Member(Struct, frozen=True, kw_only=True):
    """Bytes of the archive."""

    offset: int
    size: int


def read(archive: Path, into: Path, *, store: LayerStore, known: Mapping[Digest, LayerFile]) -> WrittenImage:
    """Return the image in `archive`, with OCI's media types, and its layers as files in `store`.

    `known` are layers by their diff ids, which are used as they are: those of the base have the digest that they have
    in their registry. A layer that the engine has compressed is kept as it is, in the directory `into`. Every other one
    is compressed by gzip, once: the same image gives the same manifest, if the same zlib compresses. Raises
    `FormatError` if the archive is not what an engine saves, or if a layer is not the one that the configuration names,
    and `OSError`.
    """
    with archive.open("rb") as file:
        try:
            members = _members(file)
        except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
            msg = f"it is no tar archive: {error}"
            raise FormatError(msg) from error
        entry = _entry(_bytes(file, members, "manifest.json"))
        config = _bytes(file, members, entry.config)
    diff_ids = image_config.parse(config).rootfs.diff_ids
    if len(diff_ids) != len(entry.layers):
        msg = "its manifest.json and its configuration list different numbers of layers"
        raise FormatError(msg)
    wanted = {diff_id: _find(members, name) for diff_id, name in zip(diff_ids, entry.layers, strict=True)}
    with futures.ThreadPoolExecutor(processors.count()) as pool:  # zlib lets other threads run
        write = functools.partial(_layer, archive=archive, into=into, known=known, store=store)
        layers = dict(zip(wanted, pool.map(lambda item: write(*item), wanted.items()), strict=True))
    return _image(config, [layers[diff_id] for diff_id in diff_ids])


def _image(config: bytes, layers: list[LayerFile]) -> WrittenImage:
    described = Blob.of(config, media_types.CONFIG)
    top = Manifest(
        schema_version=2,
        media_type=media_types.MANIFEST,
        config=described.descriptor,
        layers=tuple(layer.descriptor for layer in layers),
    )
    blobs = {layer.descriptor.digest: Blob(descriptor=layer.descriptor, content=layer.path) for layer in layers}
    return WrittenImage(top=Blob.of(manifest.encode(top), media_types.MANIFEST), blobs=(described, *blobs.values()))


def _members(file: io.BufferedReader) -> dict[str, _Member | str]:
    """Return the place of each file in the archive, or the name that a link leads to, by its name."""
    found: dict[str, _Member | str] = {}
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for count, member in enumerate(archive):
            if count >= _MOST_ENTRIES:
                msg = f"more than {_MOST_ENTRIES} entries"
                raise ValueError(msg)
            name = posixpath.normpath(member.name)
            if member.issym():
                found[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
            elif member.islnk():
                found[name] = posixpath.normpath(member.linkname)
            elif member.isreg() and not member.issparse():
                found[name] = _Member(offset=member.offset_data, size=member.size)
    return found


def _find(members: Mapping[str, _Member | str], name: str) -> _Member:
    found: _Member | str = posixpath.normpath(name)
    for _ in range(_MOST_LINKS):
        if not isinstance(found, str):
            return found
        found = members.get(found, "")
    if isinstance(found, str):
        msg = f"it has no file {name!r}"
        raise FormatError(msg)
    return found


def _bytes(file: io.BufferedReader, members: Mapping[str, _Member | str], name: str) -> bytes:
    member = _find(members, name)
    if member.size > manifest.LARGEST:
        msg = f"{name!r} has more than {manifest.LARGEST} bytes"
        raise FormatError(msg)
    file.seek(member.offset)
    return file.read(member.size)


def _entry(data: bytes) -> _Entry:
    try:
        (found,) = msgspec.convert(strict_json.parse(data), tuple[_Entry, ...])
    except (ValueError, RecursionError) as error:
        msg = f"its manifest.json does not list one image: {error}"
        raise FormatError(msg) from error
    return found


def _layer(
    diff_id: Digest, member: _Member, *, archive: Path, into: Path, known: Mapping[Digest, LayerFile], store: LayerStore
) -> LayerFile:
    """Return the layer `diff_id`, which is `member` of the archive."""
    key = layer_store.key_of("saved", diff_id)
    if diff_id in known:
        return known[diff_id]
    if (stored := store.find(key)) is not None:
        return stored.layer
    with archive.open("rb") as file:
        first = next(_pieces(file, member), b"")
        if first.startswith(_ZSTD):
            msg = "a layer is compressed by zstd, which is not read here"
            raise FormatError(msg)
        if first.startswith(_GZIP):
            return _compressed_layer(diff_id, file, member, into / hexadecimal(diff_id))

        def write(path: Path) -> LayerFile:
            layer = layer_writer.compress(_pieces(file, member), path)
            _require(diff_id, layer.diff_id)
            return layer

        return store.keep(key, write).layer


def _compressed_layer(diff_id: Digest, file: io.BufferedReader, member: _Member, path: Path) -> LayerFile:
    """Copy a layer that is compressed already to the new file `path`."""
    content, written = hashlib.sha256(), hashlib.sha256()
    pieces = _pieces(file, member)
    try:
        for piece in layer_stream.gzip_pieces(lambda: next(pieces, b"")):
            content.update(piece)
    except LayerError as error:
        msg = "a layer is not complete"
        raise FormatError(msg) from error
    except zlib.error as error:
        msg = f"a layer is damaged: {error}"
        raise FormatError(msg) from error
    _require(diff_id, f"sha256:{content.hexdigest()}")
    with path.open("xb") as output:
        for piece in _pieces(file, member):
            written.update(piece)
            output.write(piece)
    digest = f"sha256:{written.hexdigest()}"
    descriptor = Descriptor(media_type=media_types.LAYER_GZIP, digest=digest, size=member.size)
    return LayerFile(descriptor=descriptor, diff_id=diff_id, path=path)


def _require(diff_id: Digest, found: Digest) -> None:
    if found != diff_id:
        msg = f"it has another layer than {diff_id}"
        raise FormatError(msg)


def _pieces(file: io.BufferedReader, member: _Member) -> Iterator[bytes]:
    """Yield the bytes of `member`; fewer if the archive ends before."""
    file.seek(member.offset)
    left = member.size
    while left and (piece := file.read(min(left, _PIECE))):
        left -= len(piece)
        yield piece
