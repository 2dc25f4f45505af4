"""The address of a Git repository, in the part that is the same for all ways to reach it (git-clone(1), "GIT URLS")."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from msgspec import Struct

from nox_pex.system.lazy import pattern

_URL: Final = pattern(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#]*@)?(?P<host>\[[^/?#\]]+\]|[^/?#@:]+)(?::\d*)?(?P<path>/[^?#]*)"
)


_SHORT: Final = pattern(r"(?:[^/@]*@)?(?P<host>\[[^\]/]+\]|[^/:@.][^/:@]*)[:/](?P<path>.+)")
"""The form of SSH (`git@host:path`), and one without a scheme (`host/path`). `./path` is one on this machine."""


_IN_A_PATH: Final = "/%:@~+,;=!$&'()*"
"""Characters that a URL may have in its path as they are (RFC 3986, section 3.3), and `%` of those that it has not."""


class Repository(Struct, frozen=True, kw_only=True):
    """A host, in lower case, and a path on it, without a slash at both ends and without `.git`."""

    host: str
    path: str


def parse(address: str) -> Repository | None:
    """Return the repository at `address`; None if it has no host or no path. Scheme, user and port do not matter."""
    match = _URL.fullmatch(address) or (None if "://" in address else _SHORT.fullmatch(address))
    if match is None:
        return None
    path = match["path"].strip("/").removesuffix(".git").rstrip("/")
    if not path:
        return None
    return Repository(host=match["host"].lower(), path=quote(path, safe=_IN_A_PATH, errors="replace"))


def of_dependency(uri: str) -> frozenset[Repository]:
    """Return the repositories that a resolved dependency `git+ADDRESS[@REF]` may be of; none for another dependency.

    An `@` may be in a path, or in a ref.
    """
    address = uri.removeprefix("git+")
    if address == uri and not uri.startswith("git://"):
        return frozenset()
    start = address.find("/", address.find("://") + 3)
    path = address[start:] if start >= 0 else ""
    paths = {path, path.partition("@")[0], path.rpartition("@")[0]}
    found = (parse(address[: len(address) - len(path)] + each) for each in paths)
    return frozenset(each for each in found if each is not None)
