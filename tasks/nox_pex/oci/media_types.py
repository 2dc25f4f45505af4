"""The media types of OCI images, and Docker's older names for the same formats.

Fact sources: OCI image specification 1.1, "Media Types"; Docker's "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INDEX: Final = "application/vnd.oci.image.index.v1+json"


MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"


CONFIG: Final = "application/vnd.oci.image.config.v1+json"


LAYER_TAR: Final = "application/vnd.oci.image.layer.v1.tar"


LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"


LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"


EMPTY: Final = "application/vnd.oci.empty.v1+json"
"""The configuration of an artifact that has none: the two bytes `{}`."""


DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"


DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"


OCI_NAMES: Final[Mapping[str, str]] = {
    DOCKER_INDEX: INDEX,
    DOCKER_MANIFEST: MANIFEST,
    "application/vnd.docker.container.image.v1+json": CONFIG,
    "application/vnd.docker.image.rootfs.diff.tar": LAYER_TAR,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": LAYER_ZSTD,
}
"""Docker's names, and the OCI names of the same formats: the bytes need no change."""


INDEXES: Final = frozenset({INDEX, DOCKER_INDEX})


MANIFESTS: Final = frozenset({MANIFEST, DOCKER_MANIFEST})


LAYERS: Final = frozenset({LAYER_TAR, LAYER_GZIP, LAYER_ZSTD})
"""The layers that nox-pex reads. A non-distributable (foreign) layer is not among them."""


def oci_name(media_type: str) -> str:
    """Return the OCI name of a media type that also has a name of Docker's; any other one as it is."""
    return OCI_NAMES.get(media_type, media_type)
