"""The parts of a push: where an image goes, what is sent there, and what `NAME.push.json` says of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.evidence.image.referrers import Attachment
from nox_pex.evidence.image.stated import StatedImage
from nox_pex.evidence.results import ImageResult
from nox_pex.oci import manifest, reference
from nox_pex.oci.descriptor import Digest
from nox_pex.oci.layout import Blob, WrittenImage
from nox_pex.oci.reference import DOCKER_HUB, ImageName
from nox_pex.registry.push import Content, PushPlan, PushResult


class Destination(Struct, frozen=True, kw_only=True):
    """A repository that an image is pushed to, and its tags there. `name` has no tag."""

    name: ImageName
    tags: tuple[str, ...]

    @property
    def repository(self) -> str:
        """The repository's full name: `registry.example/team/service`."""
        return str(self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """The full names of the image: `registry.example/team/service:1.4.0`."""
        return tuple(f"{self.repository}:{tag}" for tag in self.tags)


class Pushed(Struct, frozen=True, kw_only=True):
    """The results of sending an image to one repository, and what was attached to it there. Its tags are written."""

    destination: Destination
    results: tuple[PushResult, ...]
    attachments: tuple[Attachment, ...]


def destinations(names: Iterable[str], *, key: str) -> tuple[Destination, ...]:
    """Return the repositories that the `names` of an image are in, each with the tags there.

    `key` is the dotted key of the setting with the names. Raises `NoxPexError` `config` if a name is of no registry.
    """
    found: dict[ImageName, list[str]] = {}
    for text in names:
        try:
            name = reference.parse(text)
        except ValueError as error:
            raise NoxPexError("config", f"{key} has {text!r}: {error}", "correct it") from error
        if name.registry == DOCKER_HUB and not text.startswith(f"{DOCKER_HUB}/") and "/" not in text:
            problem = f"{key} has {text!r}, which names no registry and no user of Docker Hub"
            raise NoxPexError("config", problem, f'write it as "registry.example/team/{text}"')
        found.setdefault(replace(name, tag=None, digest=None), []).append(name.tag or "latest")
    return tuple(Destination(name=name, tags=tuple(dict.fromkeys(tags))) for name, tags in found.items())


def stated(written: WrittenImage, destination: Destination, *, ids: Iterable[Digest] = ()) -> StatedImage:
    """Return the image as statements name it in a repository. `ids` are the engine's names of it."""
    several = bool(written.manifests)
    return StatedImage(
        name=destination.repository,
        index=written.top.descriptor if several else None,
        manifests=tuple(each.descriptor for each in written.manifests) or (written.top.descriptor,),
        ids=frozenset(ids),
    )


def ids(written: WrittenImage) -> frozenset[Digest]:
    """Return the digests by which an engine may name an image for one platform: manifest and configuration."""
    parsed = manifest.parse(written.top.read(), written.top.descriptor.media_type)
    config = {parsed.config.digest} if isinstance(parsed, manifest.Manifest) else set()
    return frozenset({written.top.descriptor.digest, *config})


def content(
    written: WrittenImage, destination: Destination, result: ImageResult, *, earlier: Iterable[Destination] = ()
) -> PushPlan:
    """Return the plan for the blobs and the manifests of an image.

    A registry that has a blob in another repository need not get it again: that of the base, which may have any layer
    that is not known to be the image's own, or one of the `earlier` destinations, which has all. The image that has the
    last tag now is probably the one before the edit.
    """
    found = _base(result)
    base = found.repository if found is not None and found.registry == destination.name.registry else None
    own = set(result.layers)
    layers = [each.descriptor.digest for each in written.blobs if _is_layer(each)]
    mount_from = {digest: base for digest in layers if digest not in own} if base is not None else {}
    for each in earlier:
        if each.name.registry == destination.name.registry:
            mount_from |= {blob.descriptor.digest: each.name.repository for blob in written.blobs}
    return PushPlan(
        blobs=tuple(map(_content, written.blobs)),
        manifests=_manifests(written),
        mount_from=mount_from,
        previous=destination.tags[-1],
    )


def base_registry(result: ImageResult) -> str | None:
    """Return the registry that an image's base is from; None if it is a layout on disk."""
    base = _base(result)
    return None if base is None else base.registry


def attached(written: WrittenImage, attachments: Sequence[Attachment]) -> PushPlan:
    """Return the plan for what refers to an image that is there already."""
    return PushPlan(blobs=(), manifests=_manifests(written), referrers=tuple(each.referrer for each in attachments))


def top(written: WrittenImage) -> Content:
    """Return what the tags name."""
    return _content(written.top)


def record(
    result: ImageResult,
    image: StatedImage,
    pushed: Sequence[Pushed],
    *,
    sent_last: int,
    keyid: str | None,
    seconds: float,
    finished: str,
) -> dict[str, Any]:
    """Return the content of `NAME.push.json`. `sent_last` are the bytes that were sent for the tags."""
    return {
        "name": result.name,
        "binary": result.binary,
        "sha256": result.sha256,
        "digest": image.digest,
        "index": None if image.index is None else image.index.digest,
        "manifests": [
            {"platform": _platform(each.platform, result), "digest": each.digest} for each in image.manifests
        ],
        "names": [f"{each.destination.repository}@{image.digest}" for each in pushed],
        "tags": [name for each in pushed for name in each.destination.names],
        "signed-by": keyid,
        "bytes-sent": sent_last + sum(one.sent for each in pushed for one in each.results),
        "repositories": [_of_repository(each) for each in pushed],
        "seconds": round(seconds, 3),
        "finished": finished,
    }


def _of_repository(pushed: Pushed) -> dict[str, Any]:
    def digests(of: Collection[tuple[Digest, ...]]) -> list[Digest]:
        return list(dict.fromkeys(digest for each in of for digest in each))

    name = pushed.destination.name
    return {
        "registry": name.registry,
        "repository": name.repository,
        "tags": list(pushed.destination.tags),
        "referrers": [
            {
                "kind": each.kind,
                "artifact-type": each.artifact_type,
                "digest": each.referrer.manifest.descriptor.digest,
                "subject": each.referrer.subject,
            }
            for each in pushed.attachments
        ],
        "bytes-sent": sum(each.sent for each in pushed.results),
        "blobs-sent": digests([each.blobs_sent for each in pushed.results]),
        "blobs-mounted": digests([each.blobs_mounted for each in pushed.results]),
        "blobs-present": digests([each.blobs_present for each in pushed.results]),
    }


def _platform(platform: object, result: ImageResult) -> str:
    return str(platform) if platform is not None else result.platforms[0].platform


def _base(result: ImageResult) -> ImageName | None:
    try:
        return reference.parse(result.base.name)
    except ValueError:  # a layout on disk
        return None


def _is_layer(blob: Blob) -> bool:
    return ".layer." in blob.descriptor.media_type


def _manifests(written: WrittenImage) -> tuple[Content, ...]:
    return tuple(map(_content, (*written.manifests, written.top)))


def _content(blob: Blob) -> Content:
    return Content(descriptor=replace(blob.descriptor, platform=None, annotations=None), source=blob.content)
