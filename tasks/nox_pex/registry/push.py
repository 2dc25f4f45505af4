"""Push an image and its referrers: blobs, then manifests by digest, then referrers, then tags.

Fact source: OCI distribution specification 1.1, "Push" and "Referrers Tag Schema".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from nox_pex.oci.descriptor import Descriptor, Digest
from nox_pex.registry.repository import Progress, Repository


class Content(Struct, frozen=True, kw_only=True):
    """A blob or a manifest, and its bytes: in memory, or in a file, which must not change while it is pushed."""

    descriptor: Descriptor
    source: Path | bytes


class Referrer(Struct, frozen=True, kw_only=True):
    """A manifest whose `subject` is `subject`, and the blobs that it names (its configuration and its layers)."""

    manifest: Content
    blobs: tuple[Content, ...]
    subject: Digest


class PushPlan(Struct, frozen=True, kw_only=True):
    """Everything to push to one repository.

    `manifests` are those of the platforms, and after them the index if there is one: the last gets the tags.
    `mount_from` has the repository (`library/python`) of the same registry that has a blob, for the base's layers.
    """

    blobs: tuple[Content, ...]
    manifests: tuple[Content, ...]
    referrers: tuple[Referrer, ...] = ()
    tags: tuple[str, ...] = ()
    mount_from: Mapping[Digest, str] = {}


class PushResult(Struct, frozen=True, kw_only=True):
    """The result of a push.

    `sent` are the bytes of blobs and manifests that were really sent. `blobs_sent`, `blobs_mounted` and
    `blobs_present` are digests of blobs. `tags` are those that were written, and `tags_moved` those among them that
    named another digest before.
    """

    digest: Digest
    sent: int
    blobs_sent: tuple[Digest, ...]
    blobs_mounted: tuple[Digest, ...]
    blobs_present: tuple[Digest, ...]
    referrers: tuple[Digest, ...]
    tags: tuple[str, ...]


def push(
    repository: Repository, plan: PushPlan, *, say: Callable[[str], None], progress: Progress | None = None
) -> PushResult:
    """Push everything in `plan`, the tags last. Running it again completes what an earlier run began.

    Raises `NoxPexError`: `registry` and `registry-auth` as `Repository` does. If a tag fails, the error names the tags
    that were written and those that were not. Raises `ValueError` if a referrer has a subject that is not in the plan.
    """
    raise NotImplementedError


def upload(
    repository: Repository, plan: PushPlan, *, say: Callable[[str], None], progress: Progress | None = None
) -> PushResult:
    """Push everything in `plan` except the tags. Raises as `push`."""
    raise NotImplementedError


def write_tags(targets: Sequence[tuple[Repository, str]], manifest: Content) -> tuple[str, ...]:
    """Let each tag name `manifest`, which its repository already has, one after another. Return the full names.

    For an image with tags in several repositories: `upload` to each of them first. Raises as `push`.
    """
    raise NotImplementedError
