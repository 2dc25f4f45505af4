"""Images whose layers are files on this machine."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from nox_pex.oci.descriptor import Descriptor, Digest, ImagePlatform
from nox_pex.oci.image_config import ImageConfig
from nox_pex.oci.reference import ImageName


class LayerFile(Struct, frozen=True, kw_only=True):
    """A layer: its descriptor, the digest of its tar without compression, and the file with its (compressed) bytes."""

    descriptor: Descriptor
    diff_id: Digest
    path: Path


class BaseImage(Struct, frozen=True, kw_only=True):
    """A base image for one platform, with OCI media types.

    `name` is its name in the settings. `digest` is that of its manifest, and `index_digest` that of the index which
    named the manifest; None if no index did. `repository` is the registry's repository that has its layers; None if it
    comes from a layout on disk.
    """

    name: str
    digest: Digest
    index_digest: Digest | None
    platform: ImagePlatform
    config: ImageConfig
    layers: tuple[LayerFile, ...]
    repository: ImageName | None
