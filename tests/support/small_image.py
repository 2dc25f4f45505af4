"""Small images, made by the standard library alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from nox_pex.oci import media_types
from nox_pex.oci.layout import Blob, WrittenImage


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar(files: Mapping[str, bytes]) -> bytes:
    """A layer without compression."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def image(*layers: Mapping[str, bytes], architecture: str = "amd64") -> WrittenImage:
    """An image for one platform whose layers have these files."""
    tars = [tar(files) for files in layers]
    blobs = [Blob.of(gzip.compress(each, mtime=0), media_types.LAYER_GZIP) for each in tars]
    config = Blob.of(
        json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in tars]},
            }
        ).encode(),
        media_types.CONFIG,
    )
    return WrittenImage(top=manifest(config, blobs), blobs=(config, *blobs))


def manifest(config: Blob, layers: list[Blob]) -> Blob:
    value = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": _descriptor(config),
        "layers": [_descriptor(layer) for layer in layers],
    }
    return Blob.of(json.dumps(value).encode(), media_types.MANIFEST)


def index(**images: WrittenImage) -> WrittenImage:
    """An image for several platforms, by their architectures."""
    listed = [
        {**_descriptor(image.top), "platform": {"os": "linux", "architecture": architecture}}
        for architecture, image in images.items()
    ]
    top = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": listed}
    return WrittenImage(
        top=Blob.of(json.dumps(top).encode(), media_types.INDEX),
        manifests=tuple(image.top for image in images.values()),
        blobs=tuple(blob for image in images.values() for blob in image.blobs),
    )


def on_disk(blob: Blob, directory: Path) -> Blob:
    """The same blob as a file."""
    path = directory / blob.descriptor.digest.partition(":")[2]
    path.write_bytes(blob.read())
    return Blob(descriptor=blob.descriptor, content=path)


def _descriptor(blob: Blob) -> dict[str, object]:
    found = blob.descriptor
    return {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
