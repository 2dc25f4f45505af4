"""Layers and base images for tests, made by `tarfile` and by hand."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nox_pex.oci import media_types
from nox_pex.oci.descriptor import Descriptor, ImagePlatform, digest_of
from nox_pex.oci.image import BaseImage, LayerFile
from nox_pex.oci.image_config import ContainerConfig, ImageConfig, RootFileSystem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TYPES = {
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "link": tarfile.LNKTYPE,
    "character": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def member(name: str, content: bytes | str = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member: a file with `content`; or, with a field named as in `TYPES`, a link to its value, a directory, …"""
    info = tarfile.TarInfo(name)
    info.mtime = fields.pop("mtime", 1_000_000_000)
    data = content.encode() if isinstance(content, str) else content
    for kind, code in TYPES.items():
        if (value := fields.pop(kind, None)) is not None:
            info.type, info.linkname = code, value if isinstance(value, str) else ""
            info.mode = 0o755
    for field, value in fields.items():
        setattr(info, field, value)
    info.size = len(data) if info.type == tarfile.REGTYPE else 0
    return info, data


def directory(name: str, mode: int = 0o755, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, directory=True, mode=mode, **fields)


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def header(name: bytes, *, kind: bytes = b"0", size: int = 0, link: bytes = b"", **fields: bytes) -> bytes:
    """A header that `tarfile` would not write. `fields` replace bytes: `at_345=b"…"`."""
    block = bytearray(512)
    texts = {0: name, 100: b"0000644\0", 108: b"0000000\0", 116: b"0000000\0", 124: b"%011o\0" % size}
    texts |= {136: b"00000000000\0", 148: b" " * 8, 156: kind, 157: link, 257: b"ustar\x0000"}
    texts |= {int(field.removeprefix("at_")): value for field, value in fields.items()}
    for position, text in texts.items():
        block[position : position + len(text)] = text
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(records: Mapping[str, str] | Sequence[tuple[str, str]], kind: bytes = b"x") -> bytes:
    """A PAX header with these records."""
    data = b""
    for key, value in records.items() if isinstance(records, Mapping) else records:
        text = b" %s=%s\n" % (key.encode(), value.encode())
        length = len(text) + len(str(len(text)))
        length = len(text) + len(str(length))
        data += b"%d%s" % (length, text)
    return header(b"pax", kind=kind, size=len(data)) + padded(data)


END = bytes(1024)


def layer(
    root: Path, data: bytes, compression: str = "gzip", *, diff_id: str | None = None, cut: int | None = None
) -> LayerFile:
    """A layer with the uncompressed bytes `data`, in a file in `root`; without its last bytes from `cut` on."""
    if compression == "gzip":
        media_type, stored = media_types.LAYER_GZIP, gzip.compress(data, 1, mtime=0)
    elif compression == "zstd":
        media_type, stored = media_types.LAYER_ZSTD, zstd.compress(data)
    else:
        media_type, stored = media_types.LAYER_TAR, data
    return raw_layer(root, stored[:cut], media_type, diff_id=diff_id or digest_of(data))


def raw_layer(root: Path, stored: bytes, media_type: str, *, diff_id: str) -> LayerFile:
    root.mkdir(parents=True, exist_ok=True)
    digest = digest_of(stored)
    path = root / digest.removeprefix("sha256:")
    path.write_bytes(stored)
    descriptor = Descriptor(media_type=media_type, digest=digest, size=len(stored))
    return LayerFile(descriptor=descriptor, diff_id=diff_id, path=path)


def base_of(*layers: LayerFile, architecture: str = "amd64", env: Sequence[str] = ()) -> BaseImage:
    """A base image with these layers."""
    config = ImageConfig(
        architecture=architecture,
        os="linux",
        config=ContainerConfig(env=tuple(env)),
        rootfs=RootFileSystem(diff_ids=tuple(each.diff_id for each in layers)),
    )
    return BaseImage(
        name="base:1",
        digest=digest_of(b"manifest"),
        index_digest=None,
        platform=ImagePlatform(os="linux", architecture=architecture),
        config=config,
        layers=layers,
        repository=None,
    )


class LayoutFiles:
    """An image layout in `root`, of which every part can be wrong."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs" / "sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', "utf-8")

    def blob(self, data: bytes | dict[str, Any], media_type: str = "", **fields: Any) -> dict[str, Any]:
        """Add a blob, and return its descriptor."""
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        digest = digest_of(content)
        (self.root / "blobs" / "sha256" / digest.removeprefix("sha256:")).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}

    def image(self, architecture: str = "amd64", layers: Sequence[bytes] = (b"",), **changed: Any) -> dict[str, Any]:
        """Add an image whose layers are uncompressed; `changed` replaces keys of its configuration and manifest."""
        config = {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(data) for data in layers]},
            **changed.pop("config", {}),
        }
        descriptor = changed.pop("descriptor", {})
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_types.MANIFEST,
            "config": self.blob(config, media_types.CONFIG),
            "layers": [self.blob(data, media_types.LAYER_TAR) for data in layers],
            **changed,
        }
        return {**self.blob(manifest, manifest["mediaType"] or media_types.MANIFEST), **descriptor}

    def listing(self, *manifests: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Add an index of these manifests."""
        index = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": manifests}
        return self.blob(index, media_types.INDEX, **fields)

    def write(self, *manifests: dict[str, Any]) -> str:
        """Write `index.json`, and return the name of the base."""
        index = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": manifests}
        (self.root / "index.json").write_text(json.dumps(index), "utf-8")
        return f"oci:{self.root}"


def for_platform(descriptor: dict[str, Any], architecture: str, **fields: Any) -> dict[str, Any]:
    return {**descriptor, "platform": {"os": "linux", "architecture": architecture, **fields}}


def tagged(descriptor: dict[str, Any], tag: str) -> dict[str, Any]:
    return {**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}}
