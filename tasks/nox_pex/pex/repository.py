"""The public address of the repository of a checkout, and the branch or tag that is checked out."""

from __future__ import annotations

from msgspec import Struct

from nox_pex.system.git import Git


class SourceRef(Struct, frozen=True, kw_only=True):
    """The address of a repository, without credentials, and the ref (`refs/heads/main`); None if it is not known."""

    repository: str | None = None
    ref: str | None = None


def public_address(address: str) -> str | None:
    """Return the address of a Git repository without user, password, token, query and fragment.

    The short form of SSH becomes a URL (`git@example.org:a/b.git`: `ssh://example.org/a/b.git`).
    None for a path, and for what a remote helper reads.
    """
    raise NotImplementedError


def source_ref(git: Git, *, commit: str) -> SourceRef:
    """Return the address of the remote of a checkout, and its ref if that is certain.

    It is that of the branch that is checked out, or else of the only tag of `commit`.
    """
    raise NotImplementedError
