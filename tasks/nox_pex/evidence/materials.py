"""The locked files that a binary's distributions were installed from."""

from __future__ import annotations

from msgspec import Struct
from packaging.utils import NormalizedName

from nox_pex.poetry.lock import LockedFile


class Material(Struct, frozen=True, kw_only=True):
    """One distribution in a binary, and the file of the lock that it was installed from.

    `purl` is its package URL. `files` has that one file; if it is not certain which one it was, all that it may have
    been, and none for a distribution without locked files (Git, a path). `from_sdist` says that a wheel was built from
    it. `commit` is the commit of a distribution that comes from Git.
    """

    name: NormalizedName
    version: str
    purl: str
    files: tuple[LockedFile, ...] = ()
    from_sdist: bool = False
    commit: str | None = None
