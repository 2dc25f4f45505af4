"""Text from outside in GitHub's Markdown: as it is, and neither markup nor a mention nor a link. Pure.

Fact sources: CommonMark 0.31 (a character reference is text, never structure), GitHub Flavored Markdown (tables,
autolinks), and html-pipeline: mentions, references and links are found in the text nodes of the rendered page, and a
comment, which is removed, divides a text node.
"""

from __future__ import annotations

import re
from typing import Final

from nox_pex.system.lazy import pattern

_MARKUP: Final = pattern(r"""[!"#$&'*<>@\[\\\]^_`{|}~]""")
"""Matches a character that may be markup anywhere in a line."""


_LINKS: Final = pattern(r"&#64;|&#35;|:(?=[\w+/-])|/(?=/)|\bwww(?=\.)|\bGH(?=-[0-9])", re.IGNORECASE)
"""Matches the beginning of a mention, of a reference to an issue, of a link or of an emoji."""


_AT_START: Final = pattern(r"\A(?:[-+=]+|[0-9]+[.)])(?=\s|\Z)")
"""Matches the beginning of a list or of an underlined heading."""


_BACKTICKS: Final = pattern("`+")


def text(plain: str) -> str:
    """Return a line of plain text as Markdown that shows exactly this text, in a cell of a table too."""
    escaped = _AT_START.sub(_references, _MARKUP.sub(_references, plain))
    return _LINKS.sub(r"\g<0><!-- -->", escaped)


def _references(match: re.Match[str]) -> str:
    return "".join(f"&#{ord(each)};" for each in match[0])


def code(plain: str) -> str:
    """Return a line of plain text in the font of code, in a cell of a table too."""
    return f"<code>{text(plain)}</code>" if plain else ""


def block(lines: list[str]) -> str:
    """Return lines of plain text as a block of code. Its fence is longer than every run of backticks in it."""
    content = "\n".join(lines)
    longest = max((len(match[0]) for match in _BACKTICKS.finditer(content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{content}\n{fence}"


def table(header: list[str], rows: list[list[str]], *, right: tuple[int, ...] = ()) -> str:
    """Return a table of cells that are Markdown on one line. The columns `right` are on the right."""
    rule = ["---:" if number in right else "---" for number in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))
