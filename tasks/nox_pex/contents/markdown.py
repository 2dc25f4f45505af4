"""A difference as Markdown, for a comment on a pull request or a summary of a CI job. Pure."""

from __future__ import annotations

from typing import Final

from nox_pex.contents.difference import Difference

LONGEST: Final = 65_536
"""Characters of a comment on GitHub."""


def markdown(difference: Difference, *, limit: int = LONGEST) -> str:
    """Return a heading, a table and collapsed details, at most `limit` characters; a line says if it was cut."""
    raise NotImplementedError
