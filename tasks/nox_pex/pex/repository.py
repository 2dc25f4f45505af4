"""The public address of the repository of a checkout, and the branch or tag that is checked out.

Fact sources: git-clone(1), "GIT URLS"; git-symbolic-ref(1); gitremote-helpers(7); RFC 3986.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct

from nox_pex.poetry import lock
from nox_pex.system.git import Git
from nox_pex.system.lazy import pattern
from nox_pex.system.secrets import public_url

_SCHEMES: Final = frozenset({"https", "http", "ssh", "git", "git+ssh", "ssh+git"})
"""The schemes of a repository that others can reach. All others are paths, or commands of a remote helper."""


_IN_A_PATH: Final = "/%:@~+,;=!$&'()*"
"""Characters that stay as they are in the path of a URL (RFC 3986, section 3.3)."""


_HELPER: Final = pattern(r"[^/:@\[]+::")
"""The name of a remote helper before an address."""


class SourceRef(Struct, frozen=True, kw_only=True):
    """The address of a repository, without credentials, and the ref (`refs/heads/main`); None if it is not known."""

    repository: str | None = None
    ref: str | None = None

    @property
    def uri(self) -> str | None:
        """The address with the ref, as SPDX writes it: `git+https://example.org/a/b@refs/heads/main`."""
        if self.repository is None:
            return None
        prefix = "" if self.repository.startswith("git") else "git+"
        ref = f"@{quote(self.ref, safe='/')}" if self.ref is not None else ""
        return f"{prefix}{self.repository}{ref}"


def public_address(address: str) -> str | None:
    """Return the address of a Git repository without user, password, token, query and fragment.

    The short form of SSH becomes a URL (`git@example.org:a/b.git`: `ssh://example.org/a/b.git`).
    None for a path, and for what a remote helper reads.
    """
    address = address.strip()
    if not address.isprintable() or " " in address or _HELPER.match(address):
        return None
    try:
        parts = urlsplit(public_url(lock.git_url(address)))
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in _SCHEMES or not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme.lower()}://{shown}{f':{port}' if port else ''}{quote(parts.path, safe=_IN_A_PATH)}"


def remote_address(git: Git) -> str | None:
    """Return the public address of the remote `origin`, or of the only remote; None if it is not known."""
    address = git.ask("config", "--get", "remote.origin.url")
    if address is None and len(remotes := (git.ask("remote") or "").splitlines()) == 1:
        address = git.ask("config", "--get", f"remote.{remotes[0]}.url")
    return public_address(address) if address else None


def source_ref(git: Git, *, commit: str) -> SourceRef:
    """Return the address of the remote of a checkout, and its ref if that is certain.

    It is that of the branch that is checked out, or else of the only tag of `commit`. If another commit is checked out
    now, there is none.
    """
    return SourceRef(repository=remote_address(git), ref=_ref(git, commit))


def _ref(git: Git, commit: str) -> str | None:
    if git.ask("rev-parse", "HEAD") != commit:
        return None
    if (branch := git.ask("symbolic-ref", "--quiet", "HEAD")) is not None:
        return branch
    tags = (git.ask("tag", "--points-at", "HEAD") or "").splitlines()
    return f"refs/tags/{tags[0]}" if len(tags) == 1 else None
