"""The sources of a base image: a registry, or a layout on disk; and the cache in front of them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from nox_pex.image.base.blob_cache import BlobCache
from nox_pex.oci import layout, manifest, media_types
from nox_pex.oci.descriptor import Descriptor, Digest, digest_of
from nox_pex.oci.manifest import FormatError, Index
from nox_pex.oci.reference import ImageName
from nox_pex.registry.repository import Repository
from nox_pex.system import files, os_errors
from nox_pex.system.lazy import pattern
from nox_pex.system.messages import Say, working

_DIGEST: Final = pattern(r"sha256:[0-9a-f]{64}")


_PIECE: Final = 1 << 20
"""Bytes that are copied at a time."""


_SHOWN: Final = 19
"""Characters of a digest in a line of progress."""


_MISSING: Final = (errno.ENOENT, errno.ENOTDIR)


class Found(Struct, frozen=True, kw_only=True):
    """The bytes of a manifest or index, whose digest has been checked, and its media type.

    `is_selection`: it is an index that was made here of some entries of another one, so nobody knows its digest.
    """

    media_type: str
    data: bytes
    is_selection: bool = False

    @property
    def digest(self) -> Digest:
        """The digest of the bytes."""
        return digest_of(self.data)


class Source(Protocol):
    """A registry or a layout on disk.

    Every method raises `NoxPexError`, or `FormatError` with a phrase about the base.
    """

    @property
    def repository(self) -> ImageName | None:
        """The repository of the registry; None for a layout."""

    @property
    def pinned(self) -> Digest | None:
        """The digest of the bytes that `top` returns, if the name of the base has it."""

    def top(self) -> Found:
        """Return the manifest or the index that the name of the base means."""

    def manifest(self, descriptor: Descriptor) -> Found:
        """Return a manifest or an index that an index lists, with the digest and the size of its descriptor."""

    def small(self, descriptor: Descriptor) -> bytes:
        """Return the bytes of a configuration, with the digest and the size of its descriptor."""

    def blob(self, descriptor: Descriptor, into: Path) -> None:
        """Write a blob to the new file `into`, with the digest and the size of its descriptor."""


class RegistrySource:
    """The image `name` in a repository of a registry. `say` shows the progress of large blobs."""

    def __init__(self, opened: Repository, name: ImageName, say: Say) -> None:
        self._opened, self._name, self._say = opened, name, say

    @property
    def repository(self) -> ImageName | None:
        """The repository."""
        return self._name

    @property
    def pinned(self) -> Digest | None:
        """The digest in the name."""
        return self._name.digest

    def top(self) -> Found:
        """Return what the registry has under the tag, or under the digest."""
        return self._get(self._name.wanted)

    def manifest(self, descriptor: Descriptor) -> Found:
        """Return a listed manifest or index."""
        found = self._get(descriptor.digest)
        check_bytes(found.data, descriptor)
        return Found(media_type=descriptor.media_type, data=found.data)

    def small(self, descriptor: Descriptor) -> bytes:
        """Fetch a configuration."""
        return self._opened.fetch_small(descriptor, manifest.LARGEST)

    def blob(self, descriptor: Descriptor, into: Path) -> None:
        """Fetch a blob."""
        fetching = f"image: fetching {descriptor.digest[:_SHOWN]}"
        with working(self._say, fetching, total=descriptor.size, unit="B") as work:
            self._opened.fetch_blob(descriptor, into, progress=lambda done, _, __: work.at(done))

    def _get(self, wanted: str) -> Found:
        fetched = self._opened.find_manifest(wanted)
        if fetched is None:
            msg = f"its registry has no {'manifest' if ':' in wanted else 'tag'} {wanted}"
            raise FormatError(msg)
        return Found(media_type=fetched.media_type, data=fetched.data)


class LayoutSource:
    """The image layout in `directory`.

    `tag` chooses in its `index.json`, None takes everything there. A digest is that of any manifest or index in it.
    """

    def __init__(self, directory: Path, tag: str | None) -> None:
        self._directory, self._tag = directory, tag

    @property
    def repository(self) -> ImageName | None:
        """None: there is no registry."""
        return None

    @property
    def pinned(self) -> Digest | None:
        """The digest, if there is one in place of a tag."""
        return self._tag if self._tag is not None and _DIGEST.fullmatch(self._tag) else None

    def top(self) -> Found:
        """Return the only manifest or index that `index.json` has for the tag; or, if there are several, an index."""
        if not self._directory.is_dir():
            msg = f"there is no directory {self._directory}"
            raise FormatError(msg)
        version = manifest.table(self._small(self._directory / "oci-layout")).get("imageLayoutVersion")
        if not (isinstance(version, str) and version.startswith("1.")):
            msg = f"its layout has the version {version!r}, which is not known"
            raise FormatError(msg)
        if (pinned := self.pinned) is not None:
            data = self._small(layout.blob_path(self._directory, pinned))
            check_bytes(data, Descriptor(media_type="", digest=pinned, size=len(data)))
            return Found(media_type=type_of(data), data=data)
        data = self._small(self._directory / "index.json")
        index = manifest.parse(data, media_types.INDEX)
        assert isinstance(index, Index)  # noqa: S101  # for the type checker: the type is that of an index
        chosen = [each for each in index.manifests if self._tag is None or self._tag in _tags(each)]
        if not chosen:
            tags = ", ".join(sorted({_tags(each)[0] for each in index.manifests})) or "nothing"
            msg = f"its index.json does not have {self._tag or 'an image'}, but {tags}"
            raise FormatError(msg)
        if len({each.digest for each in chosen}) == 1:
            return self.manifest(chosen[0])
        listed = Index(schema_version=2, media_type=media_types.INDEX, manifests=tuple(chosen))
        return Found(media_type=media_types.INDEX, data=manifest.encode(listed), is_selection=True)

    def manifest(self, descriptor: Descriptor) -> Found:
        """Return a listed manifest or index."""
        data = self._small(layout.blob_path(self._directory, descriptor.digest))
        check_bytes(data, descriptor)
        return Found(media_type=descriptor.media_type, data=data)

    def small(self, descriptor: Descriptor) -> bytes:
        """Return a configuration."""
        return self.manifest(descriptor).data

    def blob(self, descriptor: Descriptor, into: Path) -> None:
        """Copy a blob, and check it."""
        path = layout.blob_path(self._directory, descriptor.digest)
        with self._open(path) as source, into.open("xb") as target:
            if os.fstat(source.fileno()).st_size != descriptor.size:
                raise _other_bytes(descriptor)
            while piece := source.read(_PIECE):
                target.write(piece)
        if f"sha256:{files.digest(into)}" != descriptor.digest:
            raise _other_bytes(descriptor)

    def _small(self, path: Path) -> bytes:
        with self._open(path) as file:
            data = file.read(manifest.LARGEST + 1)
        if len(data) > manifest.LARGEST:
            msg = f"{path.name} has more than {manifest.LARGEST} bytes"
            raise FormatError(msg)
        return data

    @contextlib.contextmanager
    def _open(self, path: Path) -> Iterator[io.FileIO]:
        """Open a regular file of the layout. Raises `FormatError` if there is none, or if its path has a link."""
        inside = [path, *path.parents][: len(path.relative_to(self._directory).parts)]
        shown = path.relative_to(self._directory)
        try:
            if any(part.is_symlink() for part in inside):
                msg = f"{shown} in its layout is a link"
                raise FormatError(msg)
            file = files.open_regular(path)
        except OSError as error:
            reason = os_errors.described(error) if error.errno not in _MISSING else "is missing"
            msg = f"{shown} in its layout {reason}"
            raise FormatError(msg) from error
        with file:
            yield file


class CachingSource:
    """A source whose manifests and configurations are kept in the user's cache, and are looked up there first."""

    def __init__(self, source: Source, blobs: BlobCache) -> None:
        self._source, self._blobs = source, blobs

    @property
    def repository(self) -> ImageName | None:
        """The repository of the source."""
        return self._source.repository

    @property
    def pinned(self) -> Digest | None:
        """The digest in the name of the base."""
        return self._source.pinned

    def top(self) -> Found:
        """Return what the name means; from the cache if it has a digest."""
        pinned = self._source.pinned
        known = self._blobs.read(pinned) if pinned is not None else None
        if known is not None:
            return Found(media_type=type_of(known), data=known)
        found = self._source.top()
        if not found.is_selection and self._blobs.read(found.digest) is None:  # a cache may be read-only
            self._blobs.store(found.digest, found.data)
        return found

    def manifest(self, descriptor: Descriptor) -> Found:
        """Return a listed manifest or index."""
        data = self._kept(descriptor, lambda: self._source.manifest(descriptor).data)
        return Found(media_type=descriptor.media_type, data=data)

    def small(self, descriptor: Descriptor) -> bytes:
        """Return a configuration."""
        return self._kept(descriptor, lambda: self._source.small(descriptor))

    def blob(self, descriptor: Descriptor, into: Path) -> None:
        """Write a blob. It is not looked up in the cache, because it is written for the cache."""
        self._source.blob(descriptor, into)

    def _kept(self, descriptor: Descriptor, get: Callable[[], bytes]) -> bytes:
        known = self._blobs.read(descriptor.digest)
        data = get() if known is None else known
        check_bytes(data, descriptor)
        if known is None:
            self._blobs.store(descriptor.digest, data)
        return data


def _tags(descriptor: Descriptor) -> tuple[str, ...]:
    """Return what a manifest in `index.json` is called: its tag, and the tag in that if it is a full name.

    One without a tag is called by its digest.
    """
    name = (descriptor.annotations or {}).get(layout.TAG, descriptor.digest)
    return name, name.rpartition("/")[2].rpartition(":")[2]


def check_bytes(data: bytes, descriptor: Descriptor) -> None:
    """Raise `FormatError` unless `data` has the size and the digest of its descriptor."""
    if not descriptor.describes(data):
        raise _other_bytes(descriptor)


def _other_bytes(descriptor: Descriptor) -> FormatError:
    return FormatError(f"{descriptor.digest} has other bytes than its digest and its size ({descriptor.size}) say")


def type_of(data: bytes) -> str:
    """Return the media type of a manifest or an index by its own keys. Raises `FormatError`."""
    value = manifest.table(data)
    own = value.get("mediaType")
    if isinstance(own, str):
        return own
    return media_types.INDEX if "manifests" in value else media_types.MANIFEST
