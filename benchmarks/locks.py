"""Locks that no build has seen before: those of the projects, with other releases of some packages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_RELEASES: Final = Path(__file__).resolve().parent / "projects" / "releases.lock"
_PACKAGE: Final = re.compile(r"^\[\[package\]\]\n(?:(?!\[\[package\]\]|\[metadata\]|\[extras\]).*\n)*", re.MULTILINE)
"""A package in a lock, with its tables."""

Releases = Mapping[str, str | None]
"""The version by the name of each package that differs from a lock; None for a package that is removed."""

BUMPS: Final[Mapping[str, tuple[Releases, ...]]] = {
    "hello": ({"idna": "3.19"}, {"idna": "3.18"}, {"idna": "3.17"}),
    "app": ({"idna": "3.16"}, {"idna": "3.15"}),
    "noticed": ({"idna": "3.13"},),
}
"""For each project the releases that differ from its lock. No release is in two of them, because caches are shared."""

ADDITIONS: Final[Mapping[str, tuple[Releases, ...]]] = {
    "hello": ({"anyio": "4.11.0", "sniffio": "1.3.1"}, {"anyio": "4.10.0", "sniffio": "1.3.0"}),
    "app": ({"anyio": "4.9.0", "sniffio": "1.2.0"},),
}
"""Releases of anyio that need sniffio, which is not in the locks of the projects."""

REMOVALS: Final[Mapping[str, tuple[Releases, ...]]] = {
    "hello": ({"anyio": "4.15.1", "sniffio": None}, {"anyio": "4.15.0", "sniffio": None}),
    "app": ({"anyio": "4.14.2", "sniffio": None},),
}
"""Releases of anyio that do not need sniffio any more, for a build after that of the addition."""

CHANGES: Final = {"bump": BUMPS, "addition": ADDITIONS, "removal": REMOVALS}
"""The releases of each round, by the case and the project."""


def with_releases(lock: str, releases: Releases) -> str:
    """Return the text of a lock with these `releases`. A package that is not in the lock is added.

    Raises `KeyError` for a release that `releases.lock` does not have.
    """
    known = {_identity(package): package for package in _packages(_RELEASES.read_text("utf-8"))}
    kept = [package for package in _packages(lock) if _identity(package)[0] not in releases]
    packages = sorted([*kept, *(known[name, version] for name, version in releases.items() if version)], key=_identity)
    first, last = lock.index("[[package]]"), max(found.end() for found in _PACKAGE.finditer(lock))
    return lock[:first] + "\n\n".join([*(package.strip() for package in packages), lock[last:].strip()]) + "\n"


def _packages(lock: str) -> Iterator[str]:
    return (found[0] for found in _PACKAGE.finditer(lock))


def _identity(package: str) -> tuple[str, str]:
    """The name and the version of a package in a lock."""
    found = re.search(r'^name = "(.+)"\nversion = "(.+)"$', package, re.MULTILINE)
    if found is None:
        msg = f"a package has no name and version: {package[:80]!r}"
        raise ValueError(msg)
    return found[1], found[2]
