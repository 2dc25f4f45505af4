"""Descriptors: the type, the digest and the size of a blob or a manifest.

Fact sources: OCI image specification 1.1, "Content Descriptors" and "Image Index Specification" (`platform`).
"""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

Digest: TypeAlias = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
"""`sha256:` and 64 digits. Other algorithms are refused: no registry of images uses them."""


Size: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 40)]
"""Bytes."""


_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "arm": "armv7l", "loong64": "loongarch64"}
"""Architectures whose name in Go (`GOARCH`) differs from the kernel's (`uname -m`)."""


class ImagePlatform(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The platform that an image is for, with Go's names: `linux`, `arm64`, `v8`."""

    architecture: str
    os: str
    variant: str | None = None

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}{f'/{self.variant}' if self.variant else ''}"

    @property
    def machine(self) -> str:
        """The kernel's name of the architecture: `x86_64`, `aarch64`."""
        return _MACHINES.get(self.architecture, self.architecture)


def parse_platform(text: str) -> ImagePlatform:
    """Return the platform that `linux/arm64` or `linux/arm/v7` names. Raises `ValueError`."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(
        part.isalnum() and part.isascii() and part == part.lower() for part in parts
    ):
        msg = f"{text!r} is not a platform such as linux/amd64"
        raise ValueError(msg)
    return ImagePlatform(os=parts[0], architecture=parts[1], variant=parts[2] if parts[2:] else None)


def platform_of_machine(machine: str) -> ImagePlatform:
    """Return the platform of Linux on a machine with the kernel's name `machine`."""
    names = {kernel: go for go, kernel in _MACHINES.items()}
    return ImagePlatform(os="linux", architecture=names.get(machine, machine))


class Descriptor(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The type, digest and size of some content. Keys that nox-pex does not use are dropped."""

    media_type: str
    digest: Digest
    size: Size
    platform: ImagePlatform | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] | None = None

    def describes(self, data: bytes) -> bool:
        """Whether `data` has the size and the digest."""
        return (len(data), digest_of(data)) == (self.size, self.digest)


def digest_of(data: bytes) -> str:
    """Return the digest of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def hexadecimal(digest: Digest) -> str:
    """Return the digits of a digest, without the name of its algorithm."""
    return digest.partition(":")[2]


def describe(data: bytes, media_type: str) -> Descriptor:
    """Return the descriptor of `data`."""
    return Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
