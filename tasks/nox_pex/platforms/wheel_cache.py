"""The user's cache of wheels that the lock names, by their hashes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from nox_pex.system import files
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches


class WheelCache:
    """The wheels below `caches.wheels`, each in a directory named by its hash. Every file in it is complete.

    A hash is written as in the lock: `sha256:…`, or another algorithm.
    """

    def __init__(self, caches: Caches) -> None:
        self._root = caches.wheels
        self._root.mkdir(parents=True, exist_ok=True)
        cache.mark_used(self._root)

    def path(self, expected: str, name: str) -> Path:
        """The path that the wheel `name` with the hash `expected` has in the cache, even if it is not there."""
        algorithm, _, digest = expected.partition(":")
        return self._root / algorithm / digest / name

    def has(self, expected: str, name: str) -> bool:
        """Whether the wheel is in the cache. One whose content does not match its hash is removed."""
        path = self.path(expected, name)
        if not path.exists():
            return False
        if digest_of(path, like=expected) != expected:
            path.unlink(missing_ok=True)
            return False
        return True

    def store(self, path: Path, expected: str, *, copy: bool = False) -> None:
        """Move the file `path`, whose hash has been checked, into the cache. With `copy`, leave the original."""
        target = self.path(expected, path.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.temporary_directory(prefix=".new.", parent=target.parent) as scratch:
            new = scratch / path.name
            (shutil.copyfile if copy else shutil.move)(path, new)
            new.chmod(0o644)
            new.replace(target)


def digest_of(path: Path, *, like: str) -> str:
    """The hash of a file, with the algorithm and in the form of `like` (`sha256:…`). Empty if there is no such file."""
    algorithm = like.partition(":")[0]
    if algorithm == "sha256":
        return f"sha256:{files.digest(path)}"
    try:
        return f"{algorithm}:{hashlib.new(algorithm, path.read_bytes()).hexdigest()}"
    except OSError:
        return ""
