"""A failure as the block that ends a screen: what failed, why, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nox_pex.errors import NoxPexError
from nox_pex.system.messages import Line, Meaning, Row


def rows(error: NoxPexError, *, subject: str) -> Iterator[Row | Line]:
    """Yield the rows of `error` and the lines to paste, without its own line, which comes last.

    `subject` is what failed, if it says nothing.
    The texts are escaped. The caller has masked the secrets in them.
    """
    for label, text in error.block(subject):
        yield Row(label=label, text=text, meaning=_meaning(label, text))
    if lines := error.to_paste:
        yield Line(text="\n".join(lines), meaning="plain")


def messages(error: NoxPexError, *, subject: str) -> Iterator[Row | Line]:
    """Yield the rows of `error`, and its own line."""
    yield from rows(error, subject=subject)
    yield Line(text=str(error), meaning="failed")


def _meaning(label: str, text: str) -> Meaning:
    if label == "FAILED":
        return "failed"
    if text.startswith("| ") or label in ("", "see"):
        return "program"
    return "plain"
