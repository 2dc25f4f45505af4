"""Read what is in a finished binary. The binary is never run, and may be any bytes."""

from __future__ import annotations

from pathlib import Path

from nox_pex.contents.model import BinaryContents


def read(path: Path, *, digests: bool = True) -> BinaryContents:
    """Read the binary at `path`: a PEX of any layout, or a scie, with the results about it that are next to it.

    Without `digests`, files in an archive get no SHA-256, and their contents are not read: that is far faster.
    Raises `NoxPexError`: `usage` if it does not exist, `integrity` if it is neither or is damaged, `disk-full`.
    """
    raise NotImplementedError
