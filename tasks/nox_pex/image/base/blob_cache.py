"""The blobs of base images in the user's cache, by their digests.

A blob in the cache may have been damaged, or changed through a hard link. So its bytes are compared with its digest
when a process first uses it: what ships has the digest that its manifest names.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from nox_pex.oci import manifest
from nox_pex.oci.descriptor import Descriptor, Digest, digest_of, hexadecimal
from nox_pex.system import files, locks
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches

_BLOB: Final = "blob"
"""The file in the directory of a blob."""


_checked: Final[dict[tuple[str, Digest], tuple[int, int, int, int]]] = {}
"""The blobs whose bytes this process has compared with their digests: path and digest, and what tells a change."""


_LOCK: Final = threading.Lock()


class BlobCache:
    """The blobs in the user's cache. All threads may use it at the same time."""

    def __init__(self, caches: Caches) -> None:
        self._root = caches.of_images("blobs")

    def find(self, descriptor: Descriptor) -> Path | None:
        """Return the file with a blob, which stays until this process ends; None if it is missing or damaged."""
        path = self._path(descriptor.digest)
        with contextlib.suppress(FileNotFoundError):
            self._use(path.parent)
            if path.stat().st_size == descriptor.size and _has_digest(path, descriptor.digest):
                return path
        return None

    def read(self, digest: Digest) -> bytes | None:
        """Return the bytes of a manifest or a configuration; None if it is missing, damaged, or too large for one."""
        path = self._path(digest)
        with contextlib.suppress(OSError):
            self._use(path.parent)
            if path.stat().st_size <= manifest.LARGEST:
                data = files.read_bytes(path)
                return data if digest_of(data) == digest else None
        return None

    def provide(self, descriptor: Descriptor, fetch: Callable[[Descriptor, Path], None]) -> Path:
        """Return the file with a blob. If it is missing or damaged, `fetch` writes it to a path, checked.

        If another process fetches it, its result is waited for.
        """
        found = self.find(descriptor)
        if found is not None:
            return found
        path = self._path(descriptor.digest)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._use(path.parent)
        with locks.locked(path.parent.with_name(f"{path.parent.name}.lock"), waiting=lambda: None):
            found = self.find(descriptor)
            if found is not None:
                return found
            with locks.scratch(".new.", parent=path.parent) as scratch:
                new = scratch / _BLOB
                fetch(descriptor, new)
                new.chmod(0o444)
                new.replace(path)
        return path

    def store(self, digest: Digest, data: bytes) -> None:
        """Keep the bytes of a manifest or a configuration, whose digest has been checked."""
        path = self._path(digest)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._use(path.parent)
        files.write_bytes(path, data)

    def _use(self, directory: Path) -> None:
        with _LOCK:
            cache.mark_used(directory)

    def _path(self, digest: Digest) -> Path:
        return self._root / hexadecimal(digest) / _BLOB


def _has_digest(path: Path, digest: Digest) -> bool:
    """Whether a file has the digest; it is read unless this process has read it, and it is still the same."""
    with files.open_regular(path) as file:
        found = os.fstat(file.fileno())
        identity = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if _checked.get((str(path), digest)) == identity:
            return True
        if f"sha256:{files.digest_of(file)}" != digest:
            return False
    _checked[str(path), digest] = identity
    return True
