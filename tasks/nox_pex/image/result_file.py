"""The content of `NAME.image.json`: the image, and the result of its check. Pure.

`evidence.results.ImageResult` reads the keys that a statement needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from nox_pex.image.engine import Engine
from nox_pex.image.job import BuiltImage, Job
from nox_pex.image.without_engine import ImageLayout, PlatformImage
from nox_pex.oci import reference
from nox_pex.oci.descriptor import Digest
from nox_pex.smoke import report as smoke_report
from nox_pex.smoke.report import SmokeReport


def of_engine(job: Job, built: BuiltImage, engine: Engine, report: SmokeReport, *, sha256: str) -> dict[str, Any]:
    """Return the content for an image that an engine built.

    `sha256` is that of the binary in it; empty if the image's own build built it.
    """
    machine = f"{built.description.get('Os') or 'linux'}/{built.description.get('Architecture') or 'unknown'}"
    return {
        **_of_any(job, report, sha256=sha256),
        "id": built.identity,
        "tags": list(built.tags),
        "engine": engine.name,
        "base": {
            "name": job.image.base,
            "digest": _digest_of_base(job.image.base, built.base),
            "id": built.base.get("Id"),
            "python": str(built.python),
        },
        "layers": list(built.layers),
        "bytes-over-base": built.added_bytes,
        "seconds": round(built.seconds, 3),
        "built": msgspec.to_builtins(built.times),
        "platforms": [{"platform": machine, "conditions": smoke_report.boots_as_json(report)}],
    }


def of_layout(job: Job, built: ImageLayout, reports: Sequence[SmokeReport], *, sha256: str) -> dict[str, Any]:
    """Return the content for an image that nox-pex wrote, with a report for each of its platforms."""
    first = built.runs_here() or built.images[0]
    return {
        **_of_any(job, smoke_report.together(reports), sha256=sha256),
        "digest": built.digest,
        "tags": list(built.tags),
        "engine": "none",
        "layout": built.directory.name,
        "base": {
            "name": job.image.base,
            "digest": first.base.index_digest or first.base.digest,
            "python": str(first.python),
        },
        "layers": [layer.descriptor.digest for layer in first.content.layers],
        "bytes-over-base": first.added_bytes,
        "compressor": ", ".join(first.content.compressors),
        "seconds": round(built.seconds, 3),
        "built": msgspec.to_builtins(built.times),
        "platforms": [_of_platform(image, report) for image, report in zip(built.images, reports, strict=True)],
    }


def _of_any(job: Job, report: SmokeReport, *, sha256: str) -> dict[str, Any]:
    return {
        "name": job.target.name,
        "binary": job.target.binary.name,
        "sha256": sha256,
        "form": job.image.form,
        "from-source": job.from_source,
        "passed": report.passed,
        "failure": smoke_report.failure_as_json(report),
        "ready-after": report.ready_after("container"),
    }


def _of_platform(image: PlatformImage, report: SmokeReport) -> Mapping[str, Any]:
    return {
        "platform": str(image.platform),
        "digest": image.manifest.descriptor.digest,
        "base": image.base.digest,
        "python": str(image.python),
        "bytecode": image.content.bytecode,
        "layers": [
            {
                "title": title,
                "digest": layer.descriptor.digest,
                "diff-id": layer.diff_id,
                "size": layer.descriptor.size,
            }
            for layer, title in zip(image.content.layers, image.content.titles, strict=True)
        ],
        "conditions": smoke_report.boots_as_json(report),
    }


def _digest_of_base(base: str, description: Mapping[str, Any]) -> Digest | None:
    """Return the digest by which the registry knows the base; None if the engine does not say it for certain."""
    try:
        name = reference.parse(base)
    except ValueError:
        return None
    if name.digest is not None:
        return name.digest
    known = [str(each).partition("@") for each in description.get("RepoDigests") or ()]
    found = {digest for repository, _, digest in known if _is_repository(repository, name)}
    of_platform = description.get("Digest")  # Podman also lists the digest of the index
    return of_platform if of_platform in found else found.pop() if len(found) == 1 else None


def _is_repository(text: str, name: reference.ImageName) -> bool:
    try:
        found = reference.parse(text)
    except ValueError:
        return False
    return (found.registry, found.repository) == (name.registry, name.repository)
