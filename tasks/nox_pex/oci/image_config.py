"""The configuration of an image: the start of its container, and the layers that its file system is made of.

Fact sources: OCI image specification 1.1, "Image Configuration"; Docker's "Image Specification v1.2" for `Healthcheck`,
which OCI does not have.
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from nox_pex.oci import manifest
from nox_pex.oci.descriptor import Digest, ImagePlatform


class ContainerConfig(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="pascal"):
    """The key `config`: how a container of the image starts. Docker writes null for what is not set.

    `exposed_ports` and `volumes` are sets, whose values are empty objects. Times in `healthcheck` are in nanoseconds.
    """

    user: str | None = None
    exposed_ports: Mapping[str, Any] | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: Mapping[str, Any] | None = None
    working_dir: str | None = None
    labels: Mapping[str, str] | None = None
    stop_signal: str | None = None
    healthcheck: Mapping[str, Any] | None = None


class RootFileSystem(Struct, frozen=True, kw_only=True):
    """The key `rootfs`: the digests of the layers without compression, lowest first."""

    type: Literal["layers"] = "layers"
    diff_ids: tuple[Digest, ...]


class HistoryEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of the key `history`, for people. An entry without a layer has `empty_layer`."""

    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool = False


class ImageConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The configuration of an image for one platform."""

    created: str | None = None
    author: str | None = None
    architecture: str
    variant: str | None = None
    os: str
    config: ContainerConfig | None = None
    rootfs: RootFileSystem
    history: tuple[HistoryEntry, ...] | None = None

    @property
    def platform(self) -> ImagePlatform:
        """The platform that the image is for."""
        return ImagePlatform(os=self.os, architecture=self.architecture, variant=self.variant or None)

    @property
    def container(self) -> ContainerConfig:
        """The start of a container of the image; everything is unset if the configuration does not have it."""
        return self.config or ContainerConfig()


def parse(data: bytes) -> ImageConfig:
    """Return the configuration in `data`. Raises `FormatError` if it is none."""
    return manifest.converted(manifest.table(data), ImageConfig)
