"""Send one blob or one manifest to a repository.

Fact source: OCI distribution specification 1.1, "Pushing blobs", "Mounting a blob from another repository" and "Pushing
Manifests".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci.descriptor import Descriptor
from nox_pex.registry import origins
from nox_pex.registry.session import PUSH, Reading, Session
from nox_pex.registry.transport import Ask
from nox_pex.system import files
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy("httpx2")  # only needed if a registry is asked

Outcome: TypeAlias = Literal["sent", "mounted", "present"]


_PIECE: Final = 1 << 18
"""Bytes that are sent at once."""


_CHUNK: Final = 16 << 20
"""Bytes of one request, if the registry refuses a whole blob as too large."""


_CREATED: Final = 201


_DONE: Final = frozenset({200, 201, 202, 204})


_TOO_LARGE: Final = 413


_OCTETS: Final = {"Content-Type": "application/octet-stream"}


class Content(Struct, frozen=True, kw_only=True):
    """A blob or a manifest, and its bytes: in memory, or in a file, which must not change while it is pushed."""

    descriptor: Descriptor
    source: Path | bytes


class _Begun(Struct, frozen=True, kw_only=True):
    """An upload that the registry has begun: where it goes on, and the smallest chunk in bytes that it accepts."""

    location: httpx2.URL
    smallest: int


def upload(session: Session, content: Content, *, mount_from: str | None, sent: Callable[[int], None]) -> Outcome:
    """Send a blob, or let the registry mount it from its repository `mount_from`. `sent` gets the bytes of each piece.

    After a temporary failure everything is repeated with a new upload. An upload to another host gets no credentials.
    Raises `NoxPexError` `registry` and `registry-auth`.
    """
    source, whole = mount_from, True

    def work() -> Outcome:
        nonlocal source, whole
        try:
            begun = _begin(session, content.descriptor, source)
        except NoxPexError:
            if source is None:
                raise
            source = None  # the registry may refuse a mount for any reason
            begun = _begin(session, content.descriptor, source)
        if begun is None:
            return "mounted"
        if whole and _send_whole(session, content, begun, sent):
            return "sent"
        if whole:
            whole = False
            begun = _begin(session, content.descriptor, None) or begun
        _send_chunks(session, content, begun, sent)
        return "sent"

    return session.retry(work)


def read(content: Content) -> bytes:
    """Return the bytes of a manifest. Raises `NoxPexError` `registry` if they are not what its descriptor says."""
    return b"".join(_pieces(content, 0, content.descriptor.size))


def put_manifest(session: Session, content: Content, reference: str) -> str | None:
    """Write a manifest by its digest or a tag. Return the subject that the registry has recorded, if any.

    Raises `NoxPexError` `registry` if the registry then has another digest for it.
    """

    def answer(reading: Reading) -> str | None:
        _check_stored(reading, content.descriptor)
        return reading.headers.get("OCI-Subject")

    return session.call(
        "PUT",
        f"manifests/{reference}",
        answer,
        expected=_DONE,
        headers={"Content-Type": content.descriptor.media_type},
        content=read(content),
        actions=PUSH,
    )


def _begin(session: Session, descriptor: Descriptor, mount_from: str | None) -> _Begun | None:
    """Begin an upload; None if the registry has mounted the blob from its repository `mount_from` instead."""
    query = {"mount": descriptor.digest, "from": mount_from} if mount_from is not None else {}
    url = session.url("blobs/uploads/").copy_merge_params(query)

    def answer(reading: Reading) -> _Begun | None:
        if reading.status == _CREATED and mount_from is not None:
            return None
        smallest = reading.headers.get("OCI-Chunk-Min-Length", "")
        known = smallest.isascii() and smallest.isdigit()
        return _Begun(location=_location(reading, url), smallest=int(smallest[:9]) if known else 0)

    also = (f"repository:{mount_from}:pull",) if mount_from is not None else ()
    return session.once(Ask(method="POST", url=url, content=b""), answer, expected=_DONE, actions=PUSH, also=also)


def _location(reading: Reading, url: httpx2.URL) -> httpx2.URL:
    """Return the address at which an upload goes on."""
    location = reading.headers.get("Location", "")
    if not location:
        msg = "the registry does not say where the upload goes on"
        raise reading.broken(msg)
    try:
        return origins.follow(url, location, registry=origins.origin_of(url))
    except origins.ForbiddenAddressError as error:
        msg = f"the upload would go on at {error}"
        raise reading.broken(msg) from error


def _with_digest(url: httpx2.URL, descriptor: Descriptor) -> httpx2.URL:
    """Return the address that completes an upload. Its own query stays byte by byte, because it may be signed."""
    digest = str(httpx2.QueryParams({"digest": descriptor.digest})).encode()
    return url.copy_with(query=url.query + b"&" + digest if url.query else digest)


def _send_whole(session: Session, content: Content, begun: _Begun, sent: Callable[[int], None]) -> bool:
    """Send a blob in one request. Whether the registry takes it: it may be too large for one."""
    size = content.descriptor.size
    ask = Ask(
        method="PUT",
        url=_with_digest(begun.location, content.descriptor),
        headers=_OCTETS,
        content=lambda: _counted(session, _pieces(content, 0, size), sent),
        size=size,
    )
    expected = {*_DONE, _TOO_LARGE}
    return session.once(ask, lambda reading: _complete(reading, content.descriptor), expected=expected, actions=PUSH)


def _send_chunks(session: Session, content: Content, begun: _Begun, sent: Callable[[int], None]) -> None:
    """Send a blob in several requests."""
    location, size, chunk = begun.location, content.descriptor.size, max(_CHUNK, begun.smallest)
    for start in range(0, size, chunk):
        location = _send_chunk(session, content, location, slice(start, min(start + chunk, size)), sent)
    url = _with_digest(location, content.descriptor)
    ask = Ask(method="PUT", url=url, headers=_OCTETS, content=b"")
    session.once(ask, lambda reading: _complete(reading, content.descriptor), expected=_DONE, actions=PUSH)


def _send_chunk(
    session: Session, content: Content, location: httpx2.URL, part: slice, sent: Callable[[int], None]
) -> httpx2.URL:
    """Send the bytes of a part of a blob. Return the address of the next part."""
    ask = Ask(
        method="PATCH",
        url=location,
        headers={**_OCTETS, "Content-Range": f"{part.start}-{part.stop - 1}"},
        content=lambda: _counted(session, _pieces(content, part.start, part.stop), sent),
        size=part.stop - part.start,
    )
    return session.once(ask, lambda reading: _location(reading, location), expected=_DONE, actions=PUSH)


def _complete(reading: Reading, descriptor: Descriptor) -> bool:
    """Whether the upload is complete. Raises `NoxPexError` `registry` if the registry has stored something else."""
    if reading.status == _TOO_LARGE:
        return False
    _check_stored(reading, descriptor)
    return True


def _check_stored(reading: Reading, descriptor: Descriptor) -> None:
    """Raise `NoxPexError` `registry` if the registry says that it has stored something else."""
    digest = reading.headers.get("Docker-Content-Digest", "")
    if digest.startswith("sha256:") and digest != descriptor.digest:
        msg = f"the registry has stored {digest} instead of {descriptor.digest}"
        raise reading.broken(msg)


def _counted(session: Session, pieces: Iterator[bytes], sent: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        session.check()
        yield piece
        sent(len(piece))


def _pieces(content: Content, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from `start` to `end`. The last piece comes only if there are that many, with the right digest.

    The digest of a part is not known. Raises `NoxPexError` `registry`.
    """
    hashed, read_bytes, held = hashlib.sha256(), 0, b""
    for piece in _raw(content.source, start, end):
        hashed.update(piece)
        read_bytes += len(piece)
        if held:
            yield held
        held = piece
    whole = end - start == content.descriptor.size
    if read_bytes != end - start or (whole and f"sha256:{hashed.hexdigest()}" != content.descriptor.digest):
        place = str(content.source) if isinstance(content.source, Path) else content.descriptor.digest
        problem = f"{place} is not what its descriptor says: it changed, or is damaged"
        raise NoxPexError("registry", problem, "build the image again")
    if held:
        yield held


def _raw(source: Path | bytes, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from `start` to `end`, or fewer if there are no more. Raises `NoxPexError` `registry`."""
    if isinstance(source, bytes):
        yield source[start:end]
        return
    try:
        with files.open_regular(source) as file:
            file.seek(start)
            left = end - start
            while left > 0 and (piece := file.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece
    except OSError as error:
        problem = f"{source} cannot be read: {error.strerror}"
        raise NoxPexError("registry", problem, "build the image again") from error
