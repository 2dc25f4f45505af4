"""Names of images: `registry.example:5000/team/service:1.4.0@sha256:…`.

Fact sources: OCI distribution specification 1.1, "Pulling manifests"; the library `distribution/reference`, for names
without a registry, which belong to Docker Hub.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from msgspec import Struct

from nox_pex.oci.descriptor import Digest
from nox_pex.system.lazy import pattern

DOCKER_HUB: Final = "docker.io"
"""The registry of a name such as `python:3.12-slim`."""


_DOCKER_HUB_HOSTS: Final = ("docker.io", "index.docker.io")


DOCKER_HUB_ENDPOINT: Final = "registry-1.docker.io"
"""The host that serves Docker Hub's registry API."""


_OFFICIAL: Final = "library"
"""The first part of the path of Docker Hub's official images."""


_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
"""A part of the name of a host (RFC 1123)."""


_REGISTRY: Final = pattern(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[(?P<address>[0-9a-fA-F:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?")


_REPOSITORY: Final = pattern(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")


_TAG: Final = pattern(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


_DIGEST: Final = pattern(r"sha256:[0-9a-f]{64}")


_HIGHEST_PORT: Final = 65_535


_LONGEST_NAME: Final = 255
"""Characters of registry and repository together."""


class ImageName(Struct, frozen=True, kw_only=True):
    """A name of an image. `registry` is host and perhaps port, by which credentials are looked up."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag, digest = f":{self.tag}" if self.tag else "", f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def endpoint(self) -> str:
        """Host, and perhaps port, of the registry's API."""
        return DOCKER_HUB_ENDPOINT if self.registry == DOCKER_HUB else self.registry

    @property
    def wanted(self) -> str:
        """The digest if there is one, else the tag, else `latest`: how the registry is asked for the manifest."""
        return self.digest or self.tag or "latest"


def parse(text: str) -> ImageName:
    """Return the name of an image that `text` is. Raises `ValueError` with a phrase if it is none."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        msg = "its digest is not sha256: and 64 digits in lower case"
        raise ValueError(msg)
    path, tag = rest, None
    if ":" in rest.rpartition("/")[2]:
        path, _, tag = rest.rpartition(":")
        if not _TAG.fullmatch(tag):
            msg = f"its tag {tag!r} has characters that a tag cannot have"
            raise ValueError(msg)
    registry, repository = _split(path)
    if not _is_registry(registry) or not _REPOSITORY.fullmatch(repository) or len(path) > _LONGEST_NAME:
        msg = "it is not HOST/PATH:TAG with a path in lower case"
        raise ValueError(msg)
    return ImageName(registry=registry, repository=repository, tag=tag, digest=digest or None)


def _is_registry(registry: str) -> bool:
    """Whether a text is a host, perhaps with a port."""
    found = _REGISTRY.fullmatch(registry)
    if found is None or (found["port"] is not None and not 0 < int(found["port"]) <= _HIGHEST_PORT):
        return False
    try:
        return found["address"] is None or bool(ipaddress.IPv6Address(found["address"]))
    except ValueError:
        return False


def _split(path: str) -> tuple[str, str]:
    """Return registry and repository. A first part with a dot, a colon or capitals, or `localhost`, is a registry."""
    first, slash, rest = path.partition("/")
    if slash and (first == "localhost" or any(mark in first for mark in ".:") or first != first.lower()):
        registry, repository = first, rest
    else:
        registry, repository = DOCKER_HUB, path
    if registry in _DOCKER_HUB_HOSTS:
        return DOCKER_HUB, repository if "/" in repository else f"{_OFFICIAL}/{repository}"
    return registry, repository
