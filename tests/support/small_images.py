"""Small images as plans to push: a few layers, a configuration, statements about the image."""

from __future__ import annotations

from pathlib import Path

import msgspec

from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import describe
from nox_pex.registry.push import PushPlan, Referrer
from nox_pex.registry.uploads import Content

ARTIFACT = "application/vnd.example.statement+json"


def content(data: bytes, media_type: str) -> Content:
    return Content(descriptor=describe(data, media_type), source=data)


def content_of_file(file: Path, media_type: str) -> Content:
    return Content(descriptor=describe(file.read_bytes(), media_type), source=file)


def statement(subject: Content, text: bytes = b"{}") -> Referrer:
    """A referrer whose one layer is `text`."""
    config, layer = content(b"{}", media_types.EMPTY), content(text, ARTIFACT)
    made = manifest.Manifest(
        schema_version=2,
        media_type=media_types.MANIFEST,
        artifact_type=ARTIFACT,
        config=config.descriptor,
        layers=(layer.descriptor,),
        subject=subject.descriptor,
        annotations={"org.example.kind": "statement"},
    )
    return Referrer(
        manifest=content(manifest.encode(made), media_types.MANIFEST),
        blobs=(config, layer),
        subject=subject.descriptor.digest,
    )


def image(*layers: bytes, tags: tuple[str, ...] = ("1.0",), statements: tuple[bytes, ...] = ()) -> PushPlan:
    """An image for amd64 with these layers, which need not be archives, and statements about it."""
    blobs = tuple(content(layer, media_types.LAYER_TAR) for layer in layers)
    diff_ids = [blob.descriptor.digest for blob in blobs]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = content(
        msgspec.json.encode({"architecture": "amd64", "os": "linux", "rootfs": rootfs}), media_types.CONFIG
    )
    made = manifest.Manifest(
        schema_version=2,
        media_type=media_types.MANIFEST,
        config=config.descriptor,
        layers=tuple(blob.descriptor for blob in blobs),
    )
    of_image = content(manifest.encode(made), media_types.MANIFEST)
    return PushPlan(
        blobs=(*blobs, config),
        manifests=(of_image,),
        referrers=tuple(statement(of_image, text) for text in statements),
        tags=tags,
    )


def index(*plans: PushPlan, tags: tuple[str, ...] = ("1.0",)) -> PushPlan:
    """The images of several plans, and an index of them."""
    made = manifest.Index(
        schema_version=2,
        media_type=media_types.INDEX,
        manifests=tuple(plan.manifests[0].descriptor for plan in plans),
    )
    return PushPlan(
        blobs=tuple(blob for plan in plans for blob in plan.blobs),
        manifests=(*(plan.manifests[0] for plan in plans), content(manifest.encode(made), media_types.INDEX)),
        referrers=tuple(referrer for plan in plans for referrer in plan.referrers),
        tags=tags,
    )
