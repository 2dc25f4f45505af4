"""Fetch a base image from its registry, or read it from an OCI layout on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from nox_pex.errors import NoxPexError
from nox_pex.image.base.blob_cache import BlobCache
from nox_pex.image.base.choose import check_config, choose
from nox_pex.image.base.source import CachingSource, LayoutSource, RegistrySource, Source
from nox_pex.oci import image_config, media_types, reference
from nox_pex.oci.descriptor import Descriptor, ImagePlatform
from nox_pex.oci.image import BaseImage, LayerFile
from nox_pex.oci.manifest import FormatError
from nox_pex.registry import repository
from nox_pex.registry.in_parallel import in_parallel
from nox_pex.settings.image import LAYOUT
from nox_pex.system import os_errors
from nox_pex.system.command import Shell
from nox_pex.system.messages import Say
from nox_pex.system.wording import megabytes
from nox_pex.tools.cache import Caches

_AT_ONCE: Final = 4
"""Layers that are fetched, or compared with their digests, at the same time."""


_OF_REGISTRIES: Final = ("registry", "registry-auth")
"""The codes of failures that get the key of the setting here."""


def fetch(name: str, platform: ImagePlatform, *, key: str, root: Path, caches: Caches, shell: Shell) -> BaseImage:
    """Return the base image `name` for `platform`: its configuration, and its layers in the user's cache.

    `name` is as in the settings: `python:3.12-slim`, `registry.example/team/base@sha256:…`, or `oci:PATH[:TAG]` with a
    path relative to the project's directory `root`. `key` is the dotted key of the setting, for errors. The digest of
    everything has been checked, also of what was in the cache. A name with a digest needs no network if everything is
    in the cache. Raises `NoxPexError`: `image-base`, `registry`, `registry-auth`, `disk-full`,
    `cache-unsafe`.
    """
    blobs, place = BlobCache(caches), caches.of_images("blobs")
    try:
        with (
            os_errors.writing(f"the base image {name} to {place}", place=place),
            _source(name, root=root, blobs=blobs, shell=shell) as source,
        ):
            return _fetch(name, platform, source, blobs, shell.say)
    except NoxPexError as error:
        if error.code not in _OF_REGISTRIES:
            raise
        problem = f"{key} names {name}, which cannot be fetched: {error.problem}"
        raise NoxPexError(error.code, problem, error.remedy, log=error.log) from error
    except FormatError as error:
        problem = f"{key} names {name}, which cannot be the base for {platform}: {error}"
        raise NoxPexError("image-base", problem, f"set {key} to another image") from error


@contextlib.contextmanager
def _source(name: str, *, root: Path, blobs: BlobCache, shell: Shell) -> Iterator[Source]:
    """Yield the layout or the registry that `name` means. Raises `FormatError` if it means none."""
    if name.startswith(LAYOUT):
        yield CachingSource(LayoutSource(*layout_place(name.removeprefix(LAYOUT), root)), blobs)
        return
    try:
        parsed = reference.parse(name)
    except ValueError as error:
        raise FormatError(str(error)) from error
    with repository.open_repository(parsed, environ=shell.environ, shell=shell, say=shell.say) as opened:
        yield CachingSource(RegistrySource(opened, parsed, shell.say), blobs)


def layout_place(text: str, root: Path) -> tuple[Path, str | None]:
    """Return the directory and the tag of `PATH`, `PATH:TAG` or `PATH@sha256:…`; a path is relative to `root`."""
    whole = root / text
    if whole.is_dir():
        return whole, None
    path, at, digest = text.rpartition("@")
    if at and digest.startswith("sha256:"):
        return root / path, digest
    path, colon, tag = text.rpartition(":")
    return (root / path, tag) if colon else (whole, None)


def _fetch(name: str, platform: ImagePlatform, source: Source, blobs: BlobCache, say: Say) -> BaseImage:
    """Return the base image that `source` has. Raises `FormatError`, and what `fetch` raises."""
    chosen = choose(source, platform)
    config = image_config.parse(source.small(chosen.manifest.config))
    check_config(config, chosen, platform)
    layers = [_with_oci_type(layer) for layer in chosen.manifest.layers]
    known = in_parallel([partial(blobs.find, layer) for layer in layers], at_once=_AT_ONCE)
    missing = [layer for layer, path in zip(layers, known, strict=True) if path is None]
    if missing:
        say(f"image: fetching {name} for {platform}, {megabytes(sum(layer.size for layer in missing))}")
    # A failure or Ctrl-C waits for no thread: the session of the registry ends its work, and what it wrote is swept.
    paths = in_parallel([partial(blobs.provide, layer, source.blob) for layer in layers], at_once=_AT_ONCE)
    variant = config.variant or (chosen.platform.variant if chosen.platform is not None else None)
    return BaseImage(
        name=name,
        digest=chosen.digest,
        index_digest=chosen.index_digest,
        platform=msgspec.structs.replace(config.platform, variant=variant),
        config=config,
        layers=tuple(
            LayerFile(descriptor=layer, diff_id=diff_id, path=path)
            for layer, diff_id, path in zip(layers, config.rootfs.diff_ids, paths, strict=True)
        ),
        repository=source.repository,
    )


def _with_oci_type(layer: Descriptor) -> Descriptor:
    return Descriptor(media_type=media_types.oci_name(layer.media_type), digest=layer.digest, size=layer.size)
