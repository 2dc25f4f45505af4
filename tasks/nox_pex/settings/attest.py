"""`[tool.nox-pex.attest]` as frozen typed values."""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from collections.abc import Iterator
from typing import ClassVar, Final
from urllib.parse import urlsplit

from nox_pex.settings.table import Table
from nox_pex.system.lazy import pattern
from nox_pex.system.secrets import Secrets

_URI: Final = pattern(r"[a-z][a-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
"""A URI (RFC 3986) with a lower-case scheme, as in-toto's TypeURI requires it."""


class Attest(Table, frozen=True, kw_only=True):
    """The part of the statements of `attest` that nox-pex cannot know."""

    example: ClassVar[str] = '{ builder-id = "https://ci.example.com/builders/1" }'

    builder_id: str | None = None
    """A URI that identifies whoever runs the build, with everything that must be trusted for it; `builder.id` of the
    [provenance](evidence.md#provenance). By default the provenance says that the build was a local one. Name only a
    builder whose owner you are: an identity of a CI system, such as that of GitHub's runners, is for that system to
    claim.
    """

    def _broken_rules(self) -> Iterator[str]:
        if self.builder_id is not None and (problem := _problem_with(self.builder_id)):
            msg = f'`builder-id`: {problem}; write one such as "https://ci.example.com/builders/1"'
            yield msg


def _problem_with(uri: str) -> str | None:
    """Return what is wrong with the identifier of a builder; it does not show a password. None if nothing is."""
    if not _URI.fullmatch(uri):
        return f"{uri.rpartition('@')[2]!r} is not a URI with a lower-case scheme"
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "it is not a URI"
    if "@" in parts.netloc:
        return "it has a user or a password"
    if parts.scheme in ("http", "https") and not parts.netloc:
        return "it has no host"
    if Secrets().mask(uri) != uri:
        return "it has a secret, and everybody can read a statement"
    return "its host has capitals" if parts.netloc != parts.netloc.lower() else None
