"""The user's shared cache: its directories, their use, and the removal of old ones."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.system import files, locks
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import platformdirs

    from nox_pex.tools import safe_directory
else:
    platformdirs = lazy("platformdirs")  # not needed if nothing changed
    safe_directory = lazy("nox_pex.tools.safe_directory")

MAX_AGE: Final = 30 * 24 * 3600.0
"""Seconds after which an unused part of the cache is removed."""


MAX_SIZE: Final = 5_000_000_000
"""Bytes of the whole cache; beyond them, the parts that were used longest ago are removed first."""


_INTERVAL: Final = 24 * 3600.0
"""Seconds between two evictions that the user did not ask for."""


_KINDS: Final = (
    *("tools", "environments", "dependencies", "packed", "runtimes"),
    *("blobs", "layers", "root-file-systems"),
)
"""Directories of the cache whose subdirectories are parts; each part is removed as a whole."""


ImageFiles: TypeAlias = Literal["blobs", "trees", "root-file-systems"]
"""Directories of the cache for images without an engine."""


_VARIABLE: Final = "NOX_PEX_CACHE_DIR"
"""The environment variable that chooses the directory of the cache."""


_WHOLE: Final = ("pex", "wheels", "urls", "trees")
"""Directories of the cache that are parts themselves."""


_OF_A_PROJECT: Final = ("pyproject.toml", ".git")
"""Names in a directory that is a project or a repository."""


class CachePart(Struct, frozen=True, kw_only=True):
    """A directory that is removed as a whole: `used` is its last use in seconds of Unix time, `size` is in bytes."""

    path: Path
    used: float
    size: int


def mark_used(directory: Path) -> None:
    """Record that `directory` is used now, and keep other processes from removing it until this process ends.

    Raises `NoxPexError` `cache-unsafe`.
    """
    safe_directory.check(directory)
    locks.lock_until_exit(directory)
    with suppress(OSError):  # a read-only cache is not evicted
        os.utime(directory)


def parts(root: Path) -> tuple[CachePart, ...]:
    """Return the parts of the cache `root` that hold files, the most recently used first.

    A directory that nox-pex does not use, because it is unsafe, is not among them.
    """
    kinds = [root / kind for kind in _KINDS if safe_directory.is_safe(root / kind)]
    directories = [*(path for kind in kinds for path in kind.glob("*")), *(root / name for name in _WHOLE)]
    found = [
        CachePart(path=path, used=path.stat().st_mtime, size=files.size(path))
        for path in directories
        if safe_directory.is_safe(path)
    ]
    return tuple(sorted((part for part in found if part.size), key=lambda part: -part.used))


def evictable(
    found: tuple[CachePart, ...], *, now: float, age: float = MAX_AGE, size: int = MAX_SIZE
) -> Iterator[CachePart]:
    """Yield the parts to remove: those unused for `age` seconds, and those with which the cache exceeds `size` bytes.

    `found` are all parts, the most recently used first; `now` is in seconds since the Unix epoch.
    """
    total = 0
    for part in found:
        if now - part.used > age or total + part.size > size:
            yield part
        else:
            total += part.size


def remove(part: CachePart) -> bool:
    """Remove a part; return False, and leave it, if a process is using it or making it."""
    lock = part.path.with_name(f"{part.path.name}.lock")
    with ExitStack() as stack:
        locked = [part.path, *([lock] if lock.exists() else [])]
        if not all(stack.enter_context(locks.try_lock(path)) for path in locked):
            return False
        for entry in part.path.iterdir():  # the directory stays, because a process may be waiting for its lock
            files.remove(entry)
    return True


def evict_daily(root: Path) -> None:
    """Remove the parts of the cache `root` that `evictable` names, at most once a day."""
    stamp, now = root / "looked", time.time()
    if stamp.exists() and now - stamp.stat().st_mtime < _INTERVAL:
        return
    with suppress(OSError):  # a read-only cache does not grow
        root.mkdir(parents=True, exist_ok=True)
        stamp.touch()
        for part in evictable(parts(root), now=now):
            remove(part)


class Caches(Struct, frozen=True, kw_only=True, dict=True):
    """The directories that all projects of the user share: in `chosen`, or if that is None in the user's cache.

    Each property returns a directory that only the user may write to, and makes it if it does not exist. Each raises
    `NoxPexError` `cache-unsafe`. If a directory cannot be made, the step that writes to it reports that.
    """

    chosen: Path | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Caches:
        """Return the caches that `NOX_PEX_CACHE_DIR` chooses, or those in the user's cache directory.

        Raises `NoxPexError` `config` if the variable does not name a directory for a cache.
        """
        if chosen := environ.get(_VARIABLE):
            return cls(chosen=_chosen(chosen))
        return cls(chosen=None)

    @cached_property
    def root(self) -> Path:
        """The directory of the whole cache."""
        root = self.chosen
        if root is None:
            root = platformdirs.user_cache_path("nox-pex", appauthor=False)
        return safe_directory.make(root)

    @property
    def tools(self) -> Path:
        """Environments of tools, by a key of everything that decides their contents."""
        return safe_directory.make(self.root / "tools")

    def home_of(self, tool: str) -> Path:  # noqa: ARG002  # other caches have more than one directory
        """Return the directory for the environments of a tool: `poetry`, `pex`, or `build` for build backends."""
        return self.tools

    @property
    def pex_root(self) -> Path:
        """The directory of pex's caches (PEX_ROOT), one for each version of pex.

        Versions of pex name the same wheel differently, so each has its own. The user's PEX_ROOT is not used: pex finds
        files in it by name, so a wrong file that another tool left there would get into a binary.
        """
        return safe_directory.make(self.root / "pex")

    @property
    def environments(self) -> Path:
        """Installed environments, by a key of everything that decides their contents."""
        return safe_directory.make(self.root / "environments")

    @property
    def dependencies(self) -> Path:
        """Dependency PEXes, by a key of their contents."""
        return safe_directory.make(self.root / "dependencies")

    @property
    def packed(self) -> Path:
        """Packed wheels, by a key of their contents."""
        return safe_directory.make(self.root / "packed")

    @property
    def runtimes(self) -> Path:
        """Pex's own parts of binaries, by a key of the settings that decide them."""
        return safe_directory.make(self.root / "runtimes")

    @property
    def layers(self) -> Path:
        """Layers of images, by their diff ids, and notes on what they were made from."""
        return safe_directory.make(self.root / "layers")

    @property
    def wheels(self) -> Path:
        """Locked wheels for other platforms, by their hash."""
        return safe_directory.make(self.root / "wheels")

    @property
    def urls(self) -> Path:
        """The addresses of locked files on their indexes, by a key of the lock and the indexes."""
        return safe_directory.make(self.root / "urls")

    def of_images(self, kind: ImageFiles) -> Path:
        """Return a directory for images without an engine.

        `blobs` has configurations and layers of base images, by the hexadecimal digits of their digests. `trees` has
        the merged trees of layers and the Pythons in them, and `root-file-systems` the unpacked layers: by a key of the
        layers.
        """
        return safe_directory.make(self.root / kind)


def _chosen(value: str) -> Path:
    """Return the directory that the value of `NOX_PEX_CACHE_DIR` names.

    Raises `NoxPexError` `config`. Parts of the cache are removed when they are old, so a directory with files of the
    user's own cannot be a cache.
    """
    remedy = "name a directory for this cache alone, such as ~/.cache/nox-pex, or unset the variable"
    shown = os.fsencode(value).decode("utf-8", "backslashreplace")
    if shown != value:
        raise NoxPexError("config", f"{_VARIABLE} is not UTF-8: {shown}", remedy)
    try:
        path = Path(os.path.normpath(Path(value).expanduser().absolute()))
    except RuntimeError as error:  # there is no such user
        raise NoxPexError("config", f"{_VARIABLE}={value} names a home directory that is not known", remedy) from error
    if path in (Path(path.anchor), Path(os.path.expanduser("~"))):  # noqa: PTH111  # a user may have no home
        raise NoxPexError("config", f"{_VARIABLE}={value} is a directory for other files ({path})", remedy)
    for name in _OF_A_PROJECT:
        if os.path.lexists(path / name):
            raise NoxPexError("config", f"{_VARIABLE}={value} is the directory of a project: it has {name}", remedy)
    return path
