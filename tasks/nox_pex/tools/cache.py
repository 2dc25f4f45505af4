"""The user's shared cache: where it is, what is in it, what may go."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct
from platformdirs import user_cache_path

from nox_pex.system import files, locks

AGE: Final = 30 * 24 * 3600.0
"""Seconds after which what nobody has used goes."""


SIZE: Final = 5_000_000_000
"""Bytes that all of it may have: beyond, what was used longest ago goes first."""


_OFTEN: Final = 24 * 3600.0
"""Seconds between two looks at it that nobody asked for."""


_KINDS: Final = ("tools", "environments", "dependencies")
"""Directories whose own directories each go or stay by themselves."""


class CachePart(Struct, frozen=True, kw_only=True):
    """A directory that goes or stays as a whole: when it was last used (seconds since the epoch), and its bytes."""

    path: Path
    used: float
    size: int


def mark_used(directory: Path) -> None:
    """Note that `directory` is used now, and keep others from removing it as long as this process lives."""
    locks.lock_until_exit(directory)
    with suppress(OSError):  # one that may only be read is no one's to remove
        os.utime(directory)


def parts(root: Path) -> tuple[CachePart, ...]:
    """What is below `root`, the last used first."""
    directories = [path for kind in _KINDS for path in (root / kind).glob("*") if path.is_dir()]
    directories += [root / "pex", root / "wheels"]
    found = [
        CachePart(path=path, used=path.stat().st_mtime, size=files.size(path)) for path in directories if path.is_dir()
    ]
    return tuple(sorted((part for part in found if part.size), key=lambda part: -part.used))


def evictable(found: tuple[CachePart, ...], *, now: float, age: float = AGE, size: int = SIZE) -> Iterator[CachePart]:
    """The parts that are older than `age`, and those with which all is larger than `size`; the last used come first."""
    kept = 0
    for part in found:
        if now - part.used > age or kept + part.size > size:
            yield part
        else:
            kept += part.size


def remove(part: CachePart) -> bool:
    """Remove a part; False where a living process uses it, or is just making it."""
    lock = part.path.with_name(f"{part.path.name}.lock")
    with ExitStack() as stack:
        claims = [part.path, *([lock] if lock.exists() else [])]
        if not all(stack.enter_context(locks.try_lock_directory(claim)) for claim in claims):
            return False
        for entry in part.path.iterdir():  # the directory itself stays: someone may be waiting for a claim to it
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
    return True


def evict_daily(root: Path) -> None:
    """Remove the surplus, at most once a day."""
    looked, now = root / "looked", time.time()
    if looked.exists() and now - looked.stat().st_mtime < _OFTEN:
        return
    with suppress(OSError):  # what may only be read does not grow
        root.mkdir(parents=True, exist_ok=True)
        looked.touch()
        for part in evictable(parts(root), now=now):
            remove(part)


class Caches(Struct, frozen=True, kw_only=True, dict=True):
    """Where nox-pex keeps what all projects of the user share: `chosen`, or where the system has it for None."""

    chosen: Path | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Caches:
        """`NOX_PEX_CACHE_DIR`, or the user's cache directory as the system has it."""
        if chosen := environ.get("NOX_PEX_CACHE_DIR"):
            return cls(chosen=Path(chosen).expanduser().absolute())
        return cls(chosen=None)

    @cached_property
    def root(self) -> Path:
        """The directory of it all, made when it is first written to."""
        if self.chosen is not None:
            return self.chosen
        return user_cache_path("nox-pex", appauthor=False)

    @property
    def pex_root(self) -> Path:
        """Pex's own caches, one for each of its versions, which name the same wheels in other ways.

        A PEX_ROOT of ours: pex keys it by names, so another tool's mistakes would become ours.
        """
        return self.root / "pex"

    @property
    def environments(self) -> Path:
        """What Poetry installed, by all that decides it."""
        return self.root / "environments"

    @property
    def dependencies(self) -> Path:
        """Dependency PEXes, by all that is in them."""
        return self.root / "dependencies"

    @property
    def wheels(self) -> Path:
        """Wheels of locks, for other platforms, by their hash."""
        return self.root / "wheels"
