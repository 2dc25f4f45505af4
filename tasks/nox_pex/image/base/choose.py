"""Choose the manifest for a platform, in indexes that anybody may have written.

Fact sources: OCI image specification 1.1, "Image Index Specification"; containerd's `platforms` (default variants, and
which variants of ARM run older ones); BuildKit, "Image attestation storage" (manifests of `unknown/unknown`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.image.base.source import Found, Source
from nox_pex.oci import image_config, layout, manifest, media_types
from nox_pex.oci.descriptor import Descriptor, Digest, ImagePlatform
from nox_pex.oci.image_config import ImageConfig
from nox_pex.oci.manifest import FormatError, Index, Manifest

_DEEPEST: Final = 4
"""Indexes inside each other."""


_MOST_FETCHED: Final = 32
"""Manifests and indexes that are read to find the one for a platform."""


_DEFAULT_VARIANTS: Final = {"arm64": "v8", "arm": "v7", "amd64": "v1"}


_ARM: Final = ("v8", "v7", "v6", "v5")
"""Variants of 32-bit ARM, each of which also runs programs of the later ones in this list."""


_NO_PLATFORM: Final = "unknown"


class Chosen(Struct, frozen=True, kw_only=True):
    """The manifest for a platform with its digest, and the digest of the index that names it; None if none does."""

    manifest: Manifest
    digest: Digest
    index_digest: Digest | None
    platform: ImagePlatform | None


def choose(source: Source, wanted: ImagePlatform) -> Chosen:
    """Return the manifest of the base for the platform `wanted`.

    Raises `FormatError` if there is none or more than one, and whatever `source` raises.
    """
    top = source.top()
    parsed = manifest.parse(top.data, top.media_type)
    if isinstance(parsed, Manifest):
        return Chosen(manifest=check_image(parsed), digest=top.digest, index_digest=None, platform=None)
    listed = list(_Listing(source).manifests(parsed, depth=1))
    ranked = [(rank, one) for one in listed if (rank := _rank(one.platform, wanted)) is not None]
    best = min((rank for rank, _ in ranked), default=None)
    chosen = {one.descriptor.digest: one for rank, one in ranked if rank == best}
    if not chosen:
        there = ", ".join(sorted({str(one.platform) for one in listed})) or "no platform"
        msg = f"it is for {there}, and not for {wanted}"
        raise FormatError(msg)
    if len(chosen) > 1:
        names = sorted(
            {(one.descriptor.annotations or {}).get(layout.TAG, one.descriptor.digest) for one in chosen.values()}
        )
        msg = f"it has {len(chosen)} images for {wanted}: {', '.join(names)}"
        raise FormatError(msg)
    (one,) = chosen.values()
    found = one.manifest if one.manifest is not None else _manifest_of(source.manifest(one.descriptor))
    return Chosen(
        manifest=check_image(found),
        digest=one.descriptor.digest,
        index_digest=None if top.is_selection else top.digest,
        platform=one.platform,
    )


class _Listed(Struct, frozen=True):
    """A manifest that an index lists, for a platform; the manifest itself if it has been read."""

    descriptor: Descriptor
    platform: ImagePlatform
    manifest: Manifest | None = None


class _Listing:
    """Reads indexes inside each other, and a limited number of manifests."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = _MOST_FETCHED

    def manifests(self, index: Index, *, depth: int) -> Iterator[_Listed]:
        """Yield the manifests of images that an index lists, directly or in another index."""
        if depth > _DEEPEST:
            msg = f"it has more than {_DEEPEST} indexes inside each other"
            raise FormatError(msg)
        for descriptor in index.manifests:
            platform = descriptor.platform
            if descriptor.artifact_type is not None or (platform is not None and platform.os == _NO_PLATFORM):
                continue
            if descriptor.media_type in media_types.INDEXES:
                nested = manifest.parse(self._read(descriptor), descriptor.media_type)
                assert isinstance(nested, Index)  # noqa: S101  # for the type checker: it has the type of an index
                yield from self.manifests(nested, depth=depth + 1)
            elif descriptor.media_type in media_types.MANIFESTS:
                yield from self._listed(descriptor)

    def _listed(self, descriptor: Descriptor) -> Iterator[_Listed]:
        """Yield a manifest; if the index does not name its platform, that of its configuration."""
        if descriptor.platform is not None:
            yield _Listed(descriptor, descriptor.platform)
            return
        found = _manifest_of(Found(media_type=descriptor.media_type, data=self._read(descriptor)))
        if is_image(found):
            config = image_config.parse(self._source.small(found.config))
            yield _Listed(descriptor, config.platform, found)

    def _read(self, descriptor: Descriptor) -> bytes:
        self._left -= 1
        if self._left < 0:
            msg = f"more than {_MOST_FETCHED} manifests would have to be read to find the one for a platform"
            raise FormatError(msg)
        return self._source.manifest(descriptor).data


def _manifest_of(found: Found) -> Manifest:
    parsed = manifest.parse(found.data, found.media_type)
    if isinstance(parsed, Index):
        msg = f"{found.digest} is an index, but another one lists it as an image"
        raise FormatError(msg)
    return parsed


def is_image(found: Manifest) -> bool:
    """Whether a manifest is that of an image, and not of an artifact."""
    return found.artifact_type is None and media_types.oci_name(found.config.media_type) == media_types.CONFIG


def check_image(found: Manifest) -> Manifest:
    """Return a manifest. Raises `FormatError` if it is not that of an image whose layers nox-pex reads."""
    if not is_image(found):
        msg = f"it is no image, but an artifact of the type {found.artifact_type or found.config.media_type!r}"
        raise FormatError(msg)
    for layer in found.layers:
        if media_types.oci_name(layer.media_type) not in media_types.LAYERS:
            msg = f"its layer {layer.digest} has the type {layer.media_type!r}, which is not read"
            raise FormatError(msg)
    return found


def check_config(config: ImageConfig, chosen: Chosen, wanted: ImagePlatform) -> None:
    """Raise `FormatError` if the configuration of an image does not fit its manifest, or the platform `wanted`."""
    variant = config.variant or wanted.variant
    if _rank(msgspec.structs.replace(config.platform, variant=variant), wanted) is None:
        said = f", although its index says {chosen.platform}" if chosen.platform is not None else ""
        msg = f"its configuration says that it is for {config.platform}, and not for {wanted}{said}"
        raise FormatError(msg)
    layers, diff_ids = len(chosen.manifest.layers), len(config.rootfs.diff_ids)
    if layers != diff_ids:
        msg = f"its manifest has {layers} layers, but its configuration has {diff_ids}"
        raise FormatError(msg)


def _rank(platform: ImagePlatform, wanted: ImagePlatform) -> int | None:
    """Return how well an image for `platform` fits `wanted`: 0 is best, None is not at all."""
    if (platform.os, platform.architecture) != (wanted.os, wanted.architecture):
        return None
    found, needed = _variant(platform), _variant(wanted)
    if found == needed:
        return 0
    if wanted.architecture == "arm" and found in _ARM and needed in _ARM:
        rank = _ARM.index(found) - _ARM.index(needed)
        return rank if rank > 0 else None
    return None


def _variant(platform: ImagePlatform) -> str | None:
    return platform.variant or _DEFAULT_VARIANTS.get(platform.architecture)
