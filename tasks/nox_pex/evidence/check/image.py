"""Read the statements about an image from its registry, each of which may be anything, and check the image.

This is the only part of a check that uses the network. The registry, and everybody who may write to it, may be hostile:
they can hide statements, as they can remove them, but add none that a given key has not signed.

Fact sources: OCI distribution specification 1.1, "Listing Referrers"; `GetBundles` in `pkg/cosign/verify.go`, and
`Bundle` in `pkg/oci/remote/signatures.go` of cosign 3.
"""

from __future__ import annotations

import datetime as dt
import functools
import time
from collections.abc import Callable
from typing import Final, Literal, TypeVar

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.evidence.check import bundle, verdict
from nox_pex.evidence.check.bundle import IgnoredLine, RefusedError
from nox_pex.evidence.check.policy import Policy
from nox_pex.evidence.check.report import Checked
from nox_pex.evidence.check.verdict import Verdict
from nox_pex.oci import manifest
from nox_pex.oci.descriptor import Descriptor, Digest, hexadecimal
from nox_pex.oci.manifest import FormatError, Manifest
from nox_pex.oci.reference import ImageName
from nox_pex.registry.in_parallel import in_parallel
from nox_pex.registry.repository import Repository

_BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle"
"""The beginning of the media types of Sigstore bundles. Their version follows it."""


_MOST: Final = bundle.MOST_LINES
"""Referrers that may be statements."""


_MOST_UNREADABLE: Final = 10
"""Referrers that the registry does not give. With more, the registry itself does not work."""


_AT_ONCE: Final = 8
"""Requests at the same time."""


_LONGEST: Final = 300.0
"""Seconds for all statements together."""


_T = TypeVar("_T")


def check(repository: Repository, digest: Digest, policy: Policy, *, now: dt.datetime) -> Checked:
    """Return the verdict about the image with this digest from the statements that its registry has.

    Raises `NoxPexError`: `registry` if the registry does not have the image, gives another one, or does not answer,
    `registry-auth`. A statement that cannot be read proves nothing.
    """
    repository.fetch_manifest(digest)
    try:
        found = _read(repository, digest)
    except RefusedError as error:
        judged: Verdict = verdict.refused(f"the statements are refused: {error}")
    else:
        judged = verdict.check_lines(found, sha256=hexadecimal(digest), policy=policy, now=now)
    return _checked(repository.name, digest, judged)


def unread(name: ImageName, digest: Digest, error: NoxPexError) -> Checked:
    """Return the verdict about an image of which `check` could read nothing, because of the `error` that it raised."""
    code: Literal["registry", "registry-auth"] = "registry-auth" if error.code == "registry-auth" else "registry"
    return _checked(name, digest, Verdict(problems=(error.problem,), code=code))


def _checked(name: ImageName, digest: Digest, judged: Verdict) -> Checked:
    repository = f"{name.registry}/{name.repository}"
    return Checked(
        file=f"{repository}@{digest}",
        sha256=hexadecimal(digest),
        bundle=repository,
        verdict=judged,
        subject="image",
        entry="referrer",
    )


def require_digest(name: ImageName) -> Digest:
    """Return the digest in the name of an image. Raises `NoxPexError` `usage` if it has none: a tag can move."""
    if name.digest is None:
        tag = name.tag or "latest"
        problem = f"--image {name} has no digest, and the tag {tag} may name another image tomorrow"
        remedy = f"write it as {name.registry}/{name.repository}@sha256:…, which `nox -s push` prints"
        raise NoxPexError("usage", problem, remedy)
    return name.digest


def _read(repository: Repository, digest: Digest) -> list[tuple[int, bytes | IgnoredLine]]:
    """Return the Sigstore bundle of each referrer of `digest` that has one, with its number from 1."""
    listed = {each.digest: each for each in repository.referrers(digest) if _may_be_bundle(each)}
    if len(listed) > _MOST:
        msg = f"there are more than {_MOST:,}"
        raise RefusedError(msg)
    reader = _Reader(repository=repository, subject=digest, deadline=time.monotonic() + _LONGEST)
    work = [functools.partial(reader.layer, *each) for each in enumerate(listed, 1)]
    layers = in_parallel(work, at_once=_AT_ONCE)
    if sum(each.size for each in layers if isinstance(each, Descriptor)) > bundle.LARGEST:
        msg = f"they have more than {bundle.LARGEST >> 20} MiB"
        raise RefusedError(msg)
    contents = [functools.partial(reader.content, *each) for each in enumerate(layers, 1)]
    return list(enumerate(in_parallel(contents, at_once=_AT_ONCE), 1))


class _Reader(Struct, kw_only=True):
    """Reads the referrers of `subject`, until `deadline` (of the monotonic clock). Threads may share it.

    `failure` is the one after which nothing more is read.
    """

    repository: Repository
    subject: Digest
    deadline: float
    unreadable: int = 0
    failure: NoxPexError | None = None

    def layer(self, number: int, digest: Digest) -> Descriptor | IgnoredLine:
        """Return the layer with the bundle of a referrer, by its number and its digest."""
        fetched = self._read(number, lambda: self.repository.fetch_manifest(digest))
        if isinstance(fetched, IgnoredLine):
            return fetched
        try:
            found = manifest.parse(fetched.data, fetched.media_type)
        except FormatError as error:
            return IgnoredLine(number=number, reason=f"its manifest is none: {error}")
        if not isinstance(found, Manifest) or found.subject is None or found.subject.digest != self.subject:
            return IgnoredLine(number=number, reason="it does not refer to this image")
        if len(found.layers) != 1 or not found.layers[0].media_type.startswith(_BUNDLE_TYPE):
            return IgnoredLine(number=number, reason="it has no Sigstore bundle")
        return found.layers[0]

    def content(self, number: int, layer: Descriptor | IgnoredLine) -> bytes | IgnoredLine:
        """Return the bundle in the layer of a referrer, by its number."""
        if isinstance(layer, IgnoredLine):
            return layer
        data = self._read(number, lambda: self.repository.fetch_small(layer, bundle.LARGEST))
        if isinstance(data, bytes) and not bundle.is_utf_8(data):
            return IgnoredLine(number=number, reason="it is not UTF-8")
        return data

    def _read(self, number: int, fetch: Callable[[], _T]) -> _T | IgnoredLine:
        """Return what `fetch` returns. A few referrers may be listed and not be there."""
        if time.monotonic() > self.deadline:
            msg = f"reading them took more than {_LONGEST:g} s"
            raise RefusedError(msg)
        if self.failure is not None:
            raise self.failure
        try:
            return fetch()
        except NoxPexError as error:
            self.unreadable += 1
            if error.code != "registry" or self.unreadable > _MOST_UNREADABLE:
                self.failure = error
                raise
            return IgnoredLine(number=number, reason=f"it cannot be read: {error.problem}")


def _may_be_bundle(descriptor: Descriptor) -> bool:
    """Whether a referrer may be a statement, by what the registry says. Its manifest shows whether it is one."""
    return descriptor.artifact_type is None or descriptor.artifact_type.startswith(_BUNDLE_TYPE)
