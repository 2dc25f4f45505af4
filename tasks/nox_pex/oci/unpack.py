"""Write the tree that layers make to a directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nox_pex.oci.image import LayerFile
from nox_pex.tools.cache import Caches


def unpacked(layers: Sequence[LayerFile], *, image: str, caches: Caches, as_root: bool) -> Path:
    """Return the directory in the user's cache with the merged tree of `layers`, lowest first; unpack it if needed.

    The same layers are unpacked once. The directory is not removed before this process ends. It must not be written to:
    mount it read-only. With `as_root`, each file gets the owner and group of its layer; otherwise all belong to the
    user. Modes are as in the layer, but without setuid and setgid bits. There are no devices, no FIFOs and no extended
    attributes. `image` names the image in errors. Raises `NoxPexError`: `image-base` if a layer is not one that can be
    unpacked, `cache-unsafe`.
    """
    raise NotImplementedError


@contextmanager
def overlaid(
    base: Sequence[LayerFile], added: Sequence[LayerFile], *, image: str, caches: Caches, as_root: bool
) -> Iterator[Path]:
    """Yield a temporary directory with the merged tree of `base` and `added`, and remove it after the block.

    It is fast if `base` is in the cache: `unpacked(base)` is made first if needed, and its files are hard links, so the
    directory must not be written to. Everything else is as for `unpacked`.
    """
    raise NotImplementedError
