"""The content of the previous build of a binary, from the member list that the private state keeps of it."""

from __future__ import annotations

from nox_pex.contents.model import BinaryContents
from nox_pex.pex.target import Target


def read(target: Target, *, sha256: str) -> BinaryContents | None:
    """Return the last build of `target` whose SHA-256 is not `sha256`; None if none is kept, or the list is damaged."""
    raise NotImplementedError
