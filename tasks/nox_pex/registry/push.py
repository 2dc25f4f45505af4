"""Push an image and its referrers: blobs, then manifests by digest, then referrers, then tags.

Fact source: OCI distribution specification 1.1, "Push" and "Referrers Tag Schema".
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import Descriptor, Digest, describe
from nox_pex.oci.reference import ImageName
from nox_pex.registry import referrers, uploads
from nox_pex.registry.failures import TryAgainError
from nox_pex.registry.in_parallel import in_parallel
from nox_pex.registry.repository import Progress, Repository
from nox_pex.registry.session import PUSH
from nox_pex.registry.uploads import Content, Outcome
from nox_pex.system.messages import Say
from nox_pex.system.wording import counted

__all__ = ["Content", "PushPlan", "PushResult", "Referrer", "push", "upload", "write_tags"]

_AT_ONCE: Final = 6
"""Blobs that are pushed at the same time."""


_MOST_PLATFORMS: Final = 20
"""Manifests of the older image that are read."""


_SETTLING: Final = 0.15
"""Seconds after which the list of referrers is read once more, at most twice as many."""


class Referrer(Struct, frozen=True, kw_only=True):
    """A manifest whose `subject` is `subject`, and the blobs that it names (its configuration and its layers)."""

    manifest: Content
    blobs: tuple[Content, ...]
    subject: Digest


class PushPlan(Struct, frozen=True, kw_only=True):
    """Everything to push to one repository.

    `manifests` are those of the platforms, and after them the index if there is one: the last gets the tags.
    `mount_from` has the repository (`library/python`) of the same registry that has a blob, for the base's layers.
    `previous` is a tag whose image may have most of the blobs: the repository is not asked for those of its manifests.
    """

    blobs: tuple[Content, ...]
    manifests: tuple[Content, ...]
    referrers: tuple[Referrer, ...] = ()
    tags: tuple[str, ...] = ()
    mount_from: Mapping[Digest, str] = {}
    previous: str | None = None


class PushResult(Struct, frozen=True, kw_only=True):
    """The result of a push.

    `digest` is that of the last manifest. `sent` are the bytes of blobs and manifests that were really sent, those of
    failed attempts too. `blobs_sent`, `blobs_mounted` and `blobs_present` are digests of blobs. `tags` are those that
    name the image now, as full names.
    """

    digest: Digest
    sent: int
    blobs_sent: tuple[Digest, ...]
    blobs_mounted: tuple[Digest, ...]
    blobs_present: tuple[Digest, ...]
    referrers: tuple[Digest, ...]
    tags: tuple[str, ...]


def push(repository: Repository, plan: PushPlan, *, say: Say, progress: Progress | None = None) -> PushResult:
    """Push everything in `plan`, the tags last. Running it again completes what an earlier run began.

    Raises `NoxPexError`: `registry` and `registry-auth` as `Repository` does. If a tag fails, the error names the tags
    that were written and those that were not. Raises `ValueError` if a referrer has a subject that is not in the plan.
    """
    uploaded = upload(repository, plan, say=say, progress=progress)
    tags, sent = write_tags([(repository, tag) for tag in plan.tags], plan.manifests[-1])
    return PushResult(
        digest=uploaded.digest,
        sent=uploaded.sent + sent,
        blobs_sent=uploaded.blobs_sent,
        blobs_mounted=uploaded.blobs_mounted,
        blobs_present=uploaded.blobs_present,
        referrers=uploaded.referrers,
        tags=tags,
    )


def upload(repository: Repository, plan: PushPlan, *, say: Say, progress: Progress | None = None) -> PushResult:
    """Push everything in `plan` except the tags. Raises as `push`."""
    _check(plan)
    counter = _Counter()
    blobs = _blobs(plan)
    # Asked before several threads begin, so that a registry that does not answer is one failure and not several.
    missing = [each for each in plan.manifests if not repository.has_manifest(each.descriptor.digest, actions=PUSH)]
    known = _known(repository, plan.previous) if plan.previous is not None else frozenset[Digest]()
    sending = partial(_push_blobs, repository, blobs, plan.mount_from, counter=counter, progress=progress)
    outcomes = sending(known)
    try:
        _put_manifests(repository, missing, counter=counter)
    except NoxPexError:
        if known.isdisjoint(blob.descriptor.digest for blob in blobs):
            raise
        outcomes = sending(frozenset())  # the repository may have lost a blob of the older image
        _put_manifests(repository, missing, counter=counter)
    _push_referrers(repository, plan.referrers, counter=counter, say=say)

    def of(outcome: Outcome) -> tuple[Digest, ...]:
        return tuple(blob.descriptor.digest for blob, found in zip(blobs, outcomes, strict=True) if found == outcome)

    return PushResult(
        digest=plan.manifests[-1].descriptor.digest,
        sent=counter.value,
        blobs_sent=of("sent"),
        blobs_mounted=of("mounted"),
        blobs_present=of("present"),
        referrers=tuple(each.manifest.descriptor.digest for each in plan.referrers),
        tags=(),
    )


def write_tags(targets: Sequence[tuple[Repository, str]], content: Content) -> tuple[tuple[str, ...], int]:
    """Let each tag name a manifest, which its repository already has, one after another.

    Return the full names, and the bytes that were sent. A tag that names the manifest already is not written again. For
    an image with tags in several repositories: `upload` to each of them first. Raises as `push`.
    """
    done: list[str] = []
    sent = 0
    for repository, tag in targets:
        try:
            if repository.digest_of_tag(tag, actions=PUSH) != content.descriptor.digest:
                uploads.put_manifest(repository.session, content, tag)
                sent += content.descriptor.size
        except NoxPexError as error:
            left = [_full_name(*target) for target in targets[len(done) :]]
            raise _tag_failure(error, done, left) from error
        done.append(_full_name(repository, tag))
    return tuple(done), sent


def _tag_failure(error: NoxPexError, done: Sequence[str], left: Sequence[str]) -> NoxPexError:
    """Return the failure of a tag, which names the tags that moved and those that did not."""
    moved = f"moved: {', '.join(done)}" if done else "no tag has moved"
    problem = f"{error.problem}; {moved}; not moved: {', '.join(left)}"
    return NoxPexError(error.code, problem, f"{error.remedy}; then push again, which completes it", log=error.log)


def _full_name(repository: Repository, tag: str) -> str:
    name = repository.name
    return str(ImageName(registry=name.registry, repository=name.repository, tag=tag))


def _check(plan: PushPlan) -> None:
    """Raise `ValueError` if the plan contradicts itself. A statement about another image must never be attached."""
    if not plan.manifests:
        msg = "there is no manifest to push"
        raise ValueError(msg)
    pushed = {content.descriptor.digest for content in plan.manifests}
    for referrer in plan.referrers:
        parsed = manifest.parse(uploads.read(referrer.manifest), referrer.manifest.descriptor.media_type)
        about = parsed.subject.digest if parsed.subject is not None else None
        if about != referrer.subject or referrer.subject not in pushed:
            msg = f"{referrer.manifest.descriptor.digest} is about {about}, which is not pushed"
            raise ValueError(msg)


def _blobs(plan: PushPlan) -> tuple[Content, ...]:
    """Return each blob of the plan once, the largest first, so that none of them is begun last."""
    each = {blob.descriptor.digest: blob for blob in _all_blobs(plan)}
    return tuple(sorted(each.values(), key=lambda blob: (-blob.descriptor.size, blob.descriptor.digest)))


def _all_blobs(plan: PushPlan) -> Iterable[Content]:
    yield from plan.blobs
    for referrer in plan.referrers:
        yield from referrer.blobs


class _Counter:
    """Counts bytes in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.value = 0

    def add(self, count: int) -> int:
        """Return the new sum."""
        with self._lock:
            self.value += count
            return self.value


def _push_blobs(
    repository: Repository,
    blobs: Sequence[Content],
    mount_from: Mapping[Digest, str],
    known: AbstractSet[Digest],
    *,
    counter: _Counter,
    progress: Progress | None,
) -> list[Outcome]:
    """Push blobs that the repository does not have, several at the same time. Return what happened to each.

    It is not asked for those in `known`.
    """
    total = sum(blob.descriptor.size for blob in blobs)
    done = _Counter()

    def work(blob: Content) -> Outcome:
        digest, sent_now = blob.descriptor.digest, 0

        def sent(count: int) -> None:
            nonlocal sent_now
            counter.add(count)
            fresh = min(count, blob.descriptor.size - sent_now)  # a repeated attempt is no progress
            sent_now += fresh
            if progress is not None:
                progress(done.add(fresh), total, digest)

        outcome: Outcome = "present"
        if digest not in known and not repository.has(digest, actions=PUSH):
            outcome = uploads.upload(repository.session, blob, mount_from=mount_from.get(digest), sent=sent)
        if progress is not None:
            progress(done.add(blob.descriptor.size - sent_now), total, digest)
        return outcome

    return in_parallel([partial(work, blob) for blob in blobs], at_once=_AT_ONCE)


def _put_manifests(repository: Repository, missing: Sequence[Content], *, counter: _Counter) -> None:
    """Put manifests by their digests."""
    for content in missing:
        uploads.put_manifest(repository.session, content, content.descriptor.digest)
        counter.add(content.descriptor.size)


def _known(repository: Repository, tag: str) -> frozenset[Digest]:
    """Return the digests of the blobs of the image that has a tag now: a repository has what its manifests name."""
    found: set[Digest] = set()
    waiting = [tag]
    while waiting:
        fetched = repository.find_manifest(waiting.pop(), actions=PUSH)
        try:
            parsed = manifest.parse(fetched.data, fetched.media_type) if fetched is not None else None
        except manifest.FormatError:  # anything may have the tag
            parsed = None
        if isinstance(parsed, manifest.Manifest):
            found |= {parsed.config.digest, *(layer.digest for layer in parsed.layers)}
        elif parsed is not None and len(waiting) + len(parsed.manifests) <= _MOST_PLATFORMS:
            waiting += [each.digest for each in parsed.manifests]
    return frozenset(found)


def _push_referrers(repository: Repository, pushed: Sequence[Referrer], *, counter: _Counter, say: Say) -> None:
    """Push the manifests of referrers. A registry without the referrers API gets an index of them under a tag."""
    unlisted: dict[Digest, list[Descriptor]] = {}
    for referrer in pushed:
        content = referrer.manifest
        noted = uploads.put_manifest(repository.session, content, content.descriptor.digest)
        counter.add(content.descriptor.size)
        if noted != referrer.subject:
            parsed = manifest.parse(uploads.read(content), content.descriptor.media_type)
            if isinstance(parsed, manifest.Manifest):
                unlisted.setdefault(referrer.subject, []).append(referrers.describe(content.descriptor, parsed))
    if unlisted:  # one line, also for an index, whose manifests have referrers too
        first, *others = map(referrers.tag_of, unlisted)
        more = f" (and {counted(others, 'other tag')})" if others else ""
        say(f"{repository.name.registry} has no referrers API: the tag {first} lists them{more}")
    for subject, descriptors in unlisted.items():
        _merge(repository, referrers.tag_of(subject), descriptors, counter=counter)


def _merge(repository: Repository, tag: str, new: Sequence[Descriptor], *, counter: _Counter) -> None:
    """Add referrers to the index that a tag names: read, merge, write, and read again.

    Everything begins again if the new referrers are then not there, because somebody else wrote at the same time.
    """

    def work() -> None:
        found = repository.find_manifest(tag, actions=PUSH)
        try:
            data = referrers.merged(found.data if found else None, new)
        except manifest.FormatError as error:
            problem = f"{_full_name(repository, tag)} is no index of referrers, and is not overwritten: {error}"
            raise NoxPexError("registry", problem, "remove that tag, and push again") from error
        if data is None:
            return
        content = Content(descriptor=describe(data, media_types.INDEX), source=data)
        uploads.put_manifest(repository.session, content, tag)
        counter.add(len(data))
        # Somebody else may have read the old list before this write, and write theirs after it.
        for seconds in (0.0, _SETTLING * (1 + secrets.randbelow(100) / 100)):
            repository.session.pause(seconds)
            written = repository.find_manifest(tag, actions=PUSH)
            if written is None or not _lists(written.data, new):
                problem = f"{_full_name(repository, tag)} does not keep the new referrers: somebody else writes it too"
                raise TryAgainError(NoxPexError("registry", problem, "push again when nobody else does"))

    repository.session.retry(work)


def _lists(data: bytes, new: Sequence[Descriptor]) -> bool:
    """Whether an index of referrers has all of `new`; False if it is none."""
    try:
        return referrers.merged(data, new) is None
    except manifest.FormatError:
        return False
