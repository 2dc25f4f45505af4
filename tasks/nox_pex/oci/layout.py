"""Image layouts on disk, as nox-pex writes them: `oci-layout`, `index.json` and `blobs/`.

Fact sources: OCI image specification 1.1, "Image Layout Specification"; Docker's "Image Specification v1.2" for
`manifest.json`, which `docker load` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import Descriptor, Digest, describe
from nox_pex.oci.manifest import FormatError, Index
from nox_pex.oci.reference import ImageName
from nox_pex.system import files, locks

_VERSION: Final = b'{"imageLayoutVersion":"1.0.0"}'
"""The content of the file `oci-layout`."""


TAG: Final = "org.opencontainers.image.ref.name"
"""The annotation with the tag of a manifest in `index.json`, which skopeo and Podman read."""


_NAME: Final = "io.containerd.image.name"
"""The annotation with the complete name, which Docker and containerd read."""


class Blob(Struct, frozen=True, kw_only=True):
    """Some content with its descriptor: the bytes themselves, or a file that has them."""

    descriptor: Descriptor
    content: bytes | Path

    @classmethod
    def of(cls, data: bytes, media_type: str) -> Blob:
        """Return the blob with the bytes `data`."""
        return cls(descriptor=describe(data, media_type), content=data)

    def read(self) -> bytes:
        """Return the bytes."""
        return self.content if isinstance(self.content, bytes) else files.read_bytes(self.content)


class WrittenImage(Struct, frozen=True, kw_only=True):
    """A complete image: its manifest, or its index if it is for several platforms, and all other blobs.

    `manifests` has the manifests that the index lists; empty without an index. `blobs` are configurations and layers.
    """

    top: Blob
    manifests: tuple[Blob, ...] = ()
    blobs: tuple[Blob, ...]


def blob_path(layout: Path, digest: Digest) -> Path:
    """Return the path of a blob in a layout."""
    algorithm, _, encoded = digest.partition(":")
    return layout / "blobs" / algorithm / encoded


def write(directory: Path, image: WrittenImage, names: Sequence[ImageName]) -> None:
    """Write the layout of `image`, which replaces an existing `directory` as a whole.

    A layer is a hard link to its file, if the file system allows it. With `names`, `index.json` names the image by the
    first one. An image for one platform also gets a `manifest.json`, by which `docker load` gives it all of `names`.
    Raises `OSError`.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with locks.scratch(f".{directory.name}.", parent=directory.parent) as scratch:
        new = scratch / directory.name
        (new / "blobs" / "sha256").mkdir(parents=True)
        for blob in _unique((image.top, *image.manifests, *image.blobs)):
            _put(blob, blob_path(new, blob.descriptor.digest))
        (new / "oci-layout").write_bytes(_VERSION)
        (new / "index.json").write_bytes(manifest.encode(_index(image.top.descriptor, names)))
        if not image.manifests:
            (new / "manifest.json").write_bytes(msgspec.json.encode([_dockers_manifest(image, names)]))
        files.move_into_place(new, directory)


def is_layout(directory: Path) -> bool:
    """Whether a directory is an image layout that nox-pex wrote: with nothing else in it."""
    known = {"oci-layout", "index.json", "manifest.json", "blobs"}
    try:
        found = {path.name for path in directory.iterdir()}
        return found <= known and files.read_bytes(directory / "oci-layout") == _VERSION
    except OSError:
        return False


def read(directory: Path) -> WrittenImage:
    """Return the image in a layout that nox-pex wrote, whose `index.json` lists exactly one manifest.

    The manifests are read and their digests are checked; the other blobs are only named. Raises `FormatError` if one
    does not match its digest, or is missing.
    """
    index = manifest.parse(_bytes(directory / "index.json"), media_types.INDEX)
    if not isinstance(index, Index) or len(index.manifests) != 1:
        msg = "its index.json does not list exactly one image"
        raise FormatError(msg)
    descriptor = msgspec.structs.replace(index.manifests[0], annotations=None)
    top, parsed = _manifest(directory, descriptor)
    listed = parsed.manifests if isinstance(parsed, Index) else ()
    children = [_manifest(directory, each) for each in listed]
    blobs = [
        Blob(descriptor=each, content=blob_path(directory, each.digest))
        for one in (*(child for _, child in children), parsed)
        if not isinstance(one, Index)
        for each in (one.config, *one.layers)
    ]
    return WrittenImage(top=top, manifests=tuple(blob for blob, _ in children), blobs=tuple(_unique(blobs)))


def _manifest(directory: Path, descriptor: Descriptor) -> tuple[Blob, manifest.Manifest | Index]:
    data = _bytes(blob_path(directory, descriptor.digest))
    if not descriptor.describes(data):
        msg = f"the manifest {descriptor.digest} has other bytes than its digest says"
        raise FormatError(msg)
    return Blob(descriptor=descriptor, content=data), manifest.parse(data, descriptor.media_type)


def _bytes(path: Path) -> bytes:
    try:
        if files.size(path) > manifest.LARGEST:
            msg = f"{path.name} has more than {manifest.LARGEST} bytes"
            raise FormatError(msg)
        return files.read_bytes(path)
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}"
        raise FormatError(msg) from error


def _unique(blobs: Iterable[Blob]) -> Iterable[Blob]:
    """Return the blobs, each digest once."""
    return {blob.descriptor.digest: blob for blob in blobs}.values()


def _put(blob: Blob, path: Path) -> None:
    if isinstance(blob.content, bytes):
        path.write_bytes(blob.content)
    else:
        files.link(blob.content, path)


def _index(descriptor: Descriptor, names: Sequence[ImageName]) -> Index:
    annotations = {_NAME: _full(names[0]), TAG: names[0].tag or "latest"} if names else None
    listed = msgspec.structs.replace(descriptor, annotations=annotations)
    return Index(schema_version=2, media_type=media_types.INDEX, manifests=(listed,))


def _full(name: ImageName) -> str:
    return str(msgspec.structs.replace(name, tag=name.tag or "latest"))


def _dockers_manifest(image: WrittenImage, names: Sequence[ImageName]) -> Mapping[str, Any]:
    """Return what `docker load` reads. The paths of blobs may be anything."""
    parsed = manifest.parse(image.top.read(), image.top.descriptor.media_type)
    assert not isinstance(parsed, Index)  # noqa: S101  # for the type checker: an index has manifests
    place = Path()
    return {
        "Config": blob_path(place, parsed.config.digest).as_posix(),
        "RepoTags": [_full(name) for name in names],
        "Layers": [blob_path(place, layer.digest).as_posix() for layer in parsed.layers],
    }
