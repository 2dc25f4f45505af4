"""The manifests that refer to an image: signatures, statements, bills of materials.

Fact source: OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import Descriptor, Digest
from nox_pex.oci.manifest import FormatError, Index
from nox_pex.registry import origins
from nox_pex.registry.session import PULL, Reading, Session
from nox_pex.registry.transport import Ask
from nox_pex.system.lazy import lazy, pattern

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy("httpx2")  # only needed if a registry is asked

_PAGES: Final = 100


_MOST: Final = 10_000
"""Referrers of one image that are read."""


_LONGEST: Final = 300.0
"""Seconds for all pages of the list."""


_OK: Final = 200


_NO_API: Final = frozenset({400, 404, 405, 406, 501})
"""Statuses of registries without the referrers API."""


_NEXT: Final = pattern(r'<([^<>]{1,4000})>\s*;(?:[^,<>]*;)?\s*rel="?next"?\b')


def tag_of(digest: Digest) -> str:
    """Return the tag of the index of referrers to `digest`, in registries without the API."""
    return digest.replace(":", "-", 1)


class _Page(Struct, frozen=True, kw_only=True):
    """A page of the list of referrers, and the address of the next page."""

    manifests: tuple[Descriptor, ...]
    following: httpx2.URL | None


def listed_by_api(session: Session, digest: Digest, *, actions: str = PULL) -> tuple[Descriptor, ...] | None:
    """Return the referrers to `digest` of all types, None if the registry does not have the API.

    Raises `NoxPexError` `registry` if the answer is nonsense, has more than 100 pages or 10,000 referrers, or is not
    complete after five minutes.
    """
    deadline = time.monotonic() + _LONGEST
    found: list[Descriptor] = []
    seen: set[httpx2.URL] = set()
    url: httpx2.URL | None = session.url(f"referrers/{digest}")
    while url is not None and url not in seen and len(seen) < _PAGES and len(found) <= _MOST:
        if time.monotonic() > deadline:
            problem = f"{session.name.registry} has not listed all referrers to {digest} after {_LONGEST:g} s"
            raise NoxPexError("registry", problem, "try again later")
        page = _page(session, url, first=not seen, actions=actions)
        if page is None:
            return None
        found += page.manifests
        seen.add(url)
        url = page.following
    if url is not None:
        problem = f"{session.name.registry} lists too many referrers to {digest}"
        raise NoxPexError("registry", problem, "remove referrers that nobody needs")
    return tuple(found)


def _page(session: Session, url: httpx2.URL, *, first: bool, actions: str) -> _Page | None:
    """Return a page of the list; None if the first one shows that the registry does not have the API."""

    def read(reading: Reading) -> _Page | None:
        kind = reading.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if first and (reading.status != _OK or kind != media_types.INDEX):
            return None
        try:
            index = parse(reading.body(manifest.LARGEST))
        except FormatError as error:
            msg = f"this is no list of referrers: {error}"
            raise reading.broken(msg) from error
        return _Page(manifests=index.manifests, following=_following(reading, url))

    ask = Ask(method="GET", url=url, headers={"Accept": media_types.INDEX})
    expected = {_OK, *_NO_API} if first else {_OK}
    return session.retry(lambda: session.once(ask, read, expected=expected, actions=actions))


def _following(reading: Reading, url: httpx2.URL) -> httpx2.URL | None:
    """Return the address of the next page, which is in the header `Link` (RFC 8288)."""
    found = _NEXT.search(reading.headers.get("Link", ""))
    if found is None:
        return None
    registry = origins.origin_of(url)
    try:
        following = origins.follow(url, found[1], registry=registry)
    except origins.ForbiddenAddressError as error:
        msg = f"the next page is at {error}"
        raise reading.broken(msg) from error
    if origins.origin_of(following) != registry:
        msg = f"the next page is at {origins.origin_of(following)}, another registry"
        raise reading.broken(msg)
    return following


def parse(data: bytes) -> Index:
    """Return the index of referrers in `data`. Raises `FormatError` if it is none."""
    parsed = manifest.parse(data, media_types.INDEX)
    if not isinstance(parsed, Index):
        msg = "it is no index"
        raise FormatError(msg)
    return parsed


def describe(content: Descriptor, parsed: manifest.Manifest) -> Descriptor:
    """Return the descriptor of a referrer, which has the manifest `parsed`, for the index of referrers."""
    return Descriptor(
        media_type=content.media_type,
        digest=content.digest,
        size=content.size,
        artifact_type=parsed.artifact_type or parsed.config.media_type,
        annotations=parsed.annotations,
    )


def merged(data: bytes | None, new: Sequence[Descriptor]) -> bytes | None:
    """Return the index `data` with the referrers `new` added; None if it has them already.

    Everything that others wrote stays as it is, also keys that nox-pex does not know. None for `data` stands for no
    index. Raises `FormatError` if `data` is no index.
    """
    table: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": []}
    if data is not None:
        parse(data)
        table = manifest.table(data)
    present = {entry["digest"] for entry in table["manifests"]}
    added = [msgspec.to_builtins(each) for each in new if each.digest not in present]
    if not added and data is not None:
        return None
    return msgspec.json.encode({**table, "manifests": [*table["manifests"], *added]})
