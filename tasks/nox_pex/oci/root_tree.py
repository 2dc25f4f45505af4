"""The tree of files that the layers of an image make together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from nox_pex.oci.image import LayerFile
from nox_pex.tools.cache import Caches


class TreeEntry(Struct, frozen=True, kw_only=True):
    """A file, directory, link or device in the tree. `layer` is the number of its layer, and `offset` its bytes in it.

    Entries with the same `layer` and `offset` are hard links to one file. `mtime` is in seconds of Unix time.
    """

    kind: Literal["file", "directory", "symlink", "device", "fifo"]
    mode: int
    uid: int
    gid: int
    size: int
    mtime: float
    target: str
    layer: int
    offset: int


class RootTree(Struct, frozen=True, kw_only=True):
    """The merged tree of `layers`. `entries` are by their path from the root, without a leading slash."""

    layers: tuple[LayerFile, ...]
    entries: Mapping[str, TreeEntry]

    def resolve(self, path: str) -> str | None:
        """Return the real path of `path` after following links inside the root; None if there is nothing."""
        raise NotImplementedError

    def read(self, path: str, *, largest: int) -> bytes:
        """Return the content of a regular file, with at most `largest` bytes. Raises `LayerError`."""
        raise NotImplementedError


def tree_of(layers: Sequence[LayerFile], *, image: str, caches: Caches) -> RootTree:
    """Return the tree of `layers`, lowest first. It is read from the user's cache if it was read before.

    `image` names the image in errors. Raises `NoxPexError`: `image-base` if a layer is damaged, hostile or lies.
    """
    raise NotImplementedError
