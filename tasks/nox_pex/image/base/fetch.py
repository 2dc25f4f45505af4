"""Fetch a base image from its registry, or read it from an OCI layout on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nox_pex.oci.descriptor import ImagePlatform
from nox_pex.oci.image import BaseImage
from nox_pex.tools.cache import Caches


def fetch(
    name: str,
    platform: ImagePlatform,
    *,
    key: str,
    root: Path,
    caches: Caches,
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> BaseImage:
    """Return the base image `name` for `platform`: its configuration, and its layers in the user's cache.

    `name` is as in the settings: `python:3.12-slim`, `registry.example/team/base@sha256:…`, or `oci:PATH[:TAG]` with a
    path relative to the project's directory `root`. `key` is the dotted key of the setting, for errors. The digest of
    everything has been checked, also of what was in the cache. A name with a digest needs no network if everything is
    in the cache. Raises `NoxPexError`: `image-base`, `registry`, `registry-auth`, `cache-unsafe`.
    """
    raise NotImplementedError
