"""Layers of images: deterministic tar archives, compressed by gzip.

Fact sources: OCI image specification 1.1, "Image Layer Filesystem Changeset"; POSIX.1-2008, pax ("ustar Interchange
Format", "pax Header Block"); RFC 1952 for gzip.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from nox_pex.oci.image import LayerFile


class Entry(Struct, frozen=True, kw_only=True):
    """An entry of a layer: a file with `content`, a link to `target`, or a directory if both are None.

    `path` is relative to the root of the image, with `/`.
    """

    path: str
    content: bytes | None = None
    target: str | None = None
    executable: bool = False


def write_layer(entries: Iterable[Entry], output: Path) -> LayerFile:
    """Write a layer with `entries` to the new file `output`, compressed by gzip.

    The entries are sorted; directories above them are added. All belong to user 0 and group 0, with the modes 0755,
    0644 (0777 for links) and the date 1980-01-01. The same entries give the same `diff_id` on any machine.
    """
    raise NotImplementedError
