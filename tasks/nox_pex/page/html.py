"""The pieces that all parts of a page are made of. htpy escapes every text; invisible characters are made visible here.

Fact sources: HTML Living Standard; WAI-ARIA 1.2; WCAG 2.2 (1.4.1: nothing is said by colour alone; 2.1.1: what
scrolls can have the focus).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import htpy
from htpy import Element, Node, caption, code, dd, div, dl, dt, h2, h3, p, pre, span, tbody, td, th, thead, tr

from nox_pex.page.model import Command
from nox_pex.system.outside_text import log_line, shown
from nox_pex.system.wording import size_text

_MARKS: Final = {
    "passed": ("pass", "✔"),
    "failed": ("fail", "✘"),
    "skipped": ("warn", "⊘"),
    "incomplete": ("warn", "◐"),
    "not-run": ("none", "○"),
}
"""The class and the symbol of each state. The word stands next to it."""


_WORDS: Final = {"not-run": "not run", "incomplete": "not complete"}


_LONGEST: Final = 2000
"""Characters of a text that are shown. The name of a file in a binary may have 65,535, and stand in several places."""


def text(value: str) -> str:
    """Return a text from outside on one line, with everything invisible escaped, and without the end of a long one."""
    return shown(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")


def prose(value: str) -> Node:
    """Return a text from outside on one line, in which what is between backticks is code."""
    said = text(value)
    parts = said.split("`")
    return [code[part] if at % 2 else part for at, part in enumerate(parts)] if len(parts) % 2 else said


def capital(value: str) -> str:
    """Return a text with a capital letter at its beginning, if that is a word and no name of a file or a code."""
    first = value.split(" ", 1)[0].rstrip(":,;")
    return f"{value[:1].upper()}{value[1:]}" if first.isalpha() else value


def sentence(value: str) -> Node:
    """Return a text from outside as a sentence: with a capital letter and a full stop."""
    said = value.rstrip()
    return prose(f"{capital(said)}{'' if not said or said.endswith(('.', '!', '?', '…')) else '.'}")


def state(name: str, word: str = "") -> Element:
    """Return a state with its symbol and its word: the state's own, or another `word`."""
    kind, symbol = _MARKS.get(name, ("none", "○"))
    return span(f".state.{kind}")[span(aria_hidden="true")[f"{symbol} "], word or _WORDS.get(name, name)]


def part(identifier: str, title: str, *content: Node) -> Element:
    """Return a section of the page: a landmark with a heading."""
    return htpy.section(aria_labelledby=identifier)[h2(id=identifier)[title], *content]


def subtitle(title: str) -> Element:
    """Return a heading inside of a section."""
    return h3[title]


def note(content: Node, *, kind: str = "") -> Element:
    """Return a sentence in a quiet voice; `kind` may be `warn`."""
    return p(f".note{f'.{kind}' if kind else ''}")[content]


def facts(pairs: Iterable[tuple[str, Node]]) -> Element:
    """Return pairs of a label and a value, without those that have no value."""
    return dl[(div[dt[label], dd[value]] for label, value in pairs if value not in ("", None))]


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[Node]], *, numbers: Sequence[int] = ()) -> Element:
    """Return a table with a caption, which scrolls by itself if it is wider than the page.

    The first cell of each row is its heading. `numbers` are the columns with figures, counted from 0.
    """
    named = "t-" + "".join(character if character.isalnum() else "-" for character in title.lower())
    return div(".scroll", tabindex="0", role="region", aria_labelledby=named)[
        htpy.table[
            caption(id=named)[title],
            thead[tr[(th(_kind(at, numbers), scope="col")[name] for at, name in enumerate(head))]],
            tbody[(_row(cells, numbers) for cells in rows)],
        ]
    ]


def _row(cells: Sequence[Node], numbers: Sequence[int]) -> Element:
    first, *rest = cells
    return tr[th(scope="row")[first], *(td(_kind(at, numbers))[cell] for at, cell in enumerate(rest, start=1))]


def _kind(column: int, numbers: Sequence[int]) -> dict[str, str]:
    return {"class": "n"} if column in numbers else {}


def command(each: Command) -> Element:
    """Return a command line to paste, with its purpose (what it is for, after `to`) and the directory to run it in."""
    place = f"run this in {each.where}" if each.where else "run this"
    said = f"To {each.purpose}, {place}:" if each.purpose else f"{capital(place)}:"
    return div(".command")[p[text(said)], block([each.text])]


def block(lines: Iterable[str]) -> Element:
    """Return lines as they are, in a block that scrolls by itself."""
    return pre(tabindex="0")[code["\n".join(map(log_line, lines))]]


def fold(summary: Node, *content: Node, is_open: bool = False) -> Element:
    """Return content that can be folded away."""
    return htpy.details(open=is_open)[htpy.summary[summary], *content]


def bytes_text(size: int) -> str:
    """Return a size for people: `412 kB`, `63.4 MB`."""
    return size_text(size)


def seconds_text(seconds: float | None) -> str:
    """Return a duration for people: `12 ms`, `0.42 s`, `8.7 s`; empty if it is not known."""
    if seconds is None:
        return ""
    if seconds < 0.1:  # noqa: PLR2004  # below, milliseconds say more
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"  # noqa: PLR2004  # three digits say enough


def time_text(time: str) -> Node:
    """Return a time (RFC 3339) for people: `2026-11-26 16:40 UTC`."""
    return htpy.time(datetime=text(time))[text(time[:16].replace("T", " ")), " UTC"] if time else ""


def digest(value: str, *, length: int = 12) -> Node:
    """Return the beginning of a digest, whose whole text can be copied from the title."""
    return code(title=text(value))[text(value[:length])] if value else ""
