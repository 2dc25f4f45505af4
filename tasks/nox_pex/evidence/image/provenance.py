"""The predicate of an image's build: that of its binary, with the binary and the base among the dependencies. Pure.

Fact sources: SLSA "Provenance" v1; the purl specification and its type `oci`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nox_pex.evidence import documents, materials, provenance
from nox_pex.evidence.provenance import Build
from nox_pex.evidence.results import ImageResult
from nox_pex.oci import reference
from nox_pex.oci.descriptor import Digest, hexadecimal
from nox_pex.settings.image import LAYOUT

_LOCAL: Final = "base"
"""The name of a base that is a layout on disk. Its path is one of this machine."""


def predicate(build: Build, result: ImageResult) -> dict[str, Any]:
    """Return the predicate of the image of `result`, whose binary `build` describes.

    It begins with the build of the binary, and ends with that of the image. Raises `OSError` as that of the binary.
    """
    of_binary = provenance.predicate(build)
    definition, details = of_binary["buildDefinition"], of_binary["runDetails"]
    started = details.get("metadata", {}).get("startedOn", result.built.started)
    binary = {"name": result.binary, "digest": {"sha256": result.sha256}}
    return {
        "buildDefinition": {
            **definition,
            "buildType": documents.IMAGE_BUILD_TYPE,
            "resolvedDependencies": [*definition["resolvedDependencies"], binary, *_bases(result)],
        },
        "runDetails": {
            **details,
            "metadata": {"startedOn": min(started, result.built.started), "finishedOn": result.built.finished},
        },
    }


def _bases(result: ImageResult) -> Iterator[dict[str, Any]]:
    """Yield a descriptor of the base: of its index, and of the manifest for each platform.

    A base that only an engine knows has the engine's id of it.
    """
    base = result.base
    found: dict[Digest, str | None] = {}
    if base.digest is not None:
        found[base.digest] = None
    for each in result.platforms:
        if each.base is not None:
            found.setdefault(each.base, each.platform)
    for digest, platform in found.items():
        yield _of_base(base.name, digest, platform)
    if not found:
        name = _public_name(base.name)
        identity = {"digest": {"sha256": base.id.removeprefix("sha256:")}} if base.id is not None else {}
        yield {"name": name, "uri": _uri(base.name, None), **identity, "annotations": {"engineId": True}}


def _of_base(base: str, digest: Digest, platform: str | None) -> dict[str, Any]:
    of_platform = {"annotations": {"platform": platform}} if platform is not None else {}
    return {
        "name": f"{_public_name(base)}@{digest}",
        "uri": _uri(base, digest),
        "digest": {"sha256": hexadecimal(digest)},
        **of_platform,
    }


def _public_name(base: str) -> str:
    """Return the name of a base without its digest, and without a path of this machine."""
    return _LOCAL if base.startswith(LAYOUT) else base.partition("@")[0]


def _uri(base: str, digest: Digest | None) -> str:
    """Return the package URL of a base. It says in which repository it is, unless that is not one of a registry."""
    try:
        name = reference.parse(_public_name(base))
    except ValueError:
        return materials.purl("oci", _LOCAL, digest)
    if base.startswith(LAYOUT):
        return materials.purl("oci", _LOCAL, digest)
    short = name.repository.rpartition("/")[2]
    where = {"repository_url": f"{name.registry}/{name.repository}", "tag": name.tag or ""}
    return materials.purl("oci", short, digest, where)
