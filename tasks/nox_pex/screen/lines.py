"""Messages as lines of text. Pure."""

from __future__ import annotations

import textwrap
from typing import Final

from nox_pex.screen.form import Form
from nox_pex.system.lazy import pattern
from nox_pex.system.messages import Line, Meaning, Row

INDENT: Final = "  "


_LABEL_WIDTH: Final = 9


_NARROWEST: Final = 50
"""The columns of a terminal below which lines are not broken between words: the second column would be too narrow."""


_LABEL: Final = pattern(r"(?P<label>(?:[\w.()-]+ \| )?[a-z][a-z0-9-]*): +(?P<text>\S.*)\Z")
"""A line that begins with a step or a condition, maybe after the name of a binary: `api | pex: packing`."""


_NEW_LINE: Final = "\n"


_PLAIN: Final[Meaning] = "plain"


_BOLD, _DIM, _FAILED = "1", "2", "1;31"


_COLUMNS: Final = pattern(r".*\S {2,}(?=\S)")
"""The beginning of a text in columns, up to its last column."""


STYLES: Final[dict[Meaning, str]] = {
    "passed": "32",  # green
    "failed": "31",  # red
    "skipped": "33",  # yellow
    "warned": "33",
    "changed": "36",  # cyan
    "unchanged": _DIM,
    "program": _DIM,
}
"""The parameters of SGR (ECMA-48, 8.3.117) for each meaning. They are the terminal's own colours, dark or light."""


_WHOLE: Final = frozenset({"changed", "unchanged", "program"})
"""The meanings that colour the whole line. The others colour the word that says them."""


_WORD: Final = pattern(r"\b(?:passed|failed|FAILED|skipped|warning|note)\b")


def of_log(message: str | Line | Row) -> str:
    """Return a message as a line of a log."""
    if isinstance(message, Row):
        return f"{message.label:<{_LABEL_WIDTH}} {message.text}".rstrip()
    return message if isinstance(message, str) else message.text


def of_terminal(message: str | Line | Row, form: Form, *, width: int) -> str:
    """Return a message as it is on a terminal of `width` columns: a line, or several."""
    if isinstance(message, Row):
        return _row(message, form)
    text, meaning = (message.text, message.meaning) if isinstance(message, Line) else (message, _PLAIN)
    first, *rest = text.split("\n")
    match = _LABEL.match(first)
    label, said = (match["label"], match["text"]) if match is not None else ("", first)
    head = f"{INDENT}{label:<{_LABEL_WIDTH}} " if label else INDENT
    if not label and (columns := _COLUMNS.match(first, 0, width // 2)) is not None:
        head, said = INDENT + columns[0], first[columns.end() :]
    begin, *more = _wrapped(said, width=width - len(head)) if width >= _NARROWEST else [said]
    style = STYLES[meaning] if meaning in _WHOLE else ""
    shown = head + painted(begin, style, form) if style else _with_word(head + begin, meaning, form)
    return "\n".join([shown, *(" " * len(head) + painted(line, style, form) for line in more), *rest])


def _row(row: Row, form: Form) -> str:
    """Return a row: its label in a column, and its text, which is never broken, so that it can be copied."""
    begins = row.label == "FAILED"
    label = painted(f"{row.label:<{_LABEL_WIDTH}}", _FAILED if begins else _DIM, form)
    text = painted(row.text, _BOLD if begins else STYLES.get(row.meaning, ""), form)
    return f"{_NEW_LINE if begins else ''}{INDENT}{label} {text}".rstrip(" ")


def _with_word(line: str, meaning: Meaning, form: Form) -> str:
    """Return `line` with the word for its meaning in its colour; the whole line if it has no such word."""
    style = STYLES.get(meaning, "")
    match = _WORD.search(line) if style else None
    if match is None:
        return INDENT + painted(line.removeprefix(INDENT), style, form)
    return f"{line[: match.start()]}{painted(match[0], style, form)}{line[match.end() :]}"


def _wrapped(text: str, *, width: int) -> list[str]:
    """Return `text` in lines of at most `width` columns, broken between words. A longer word is not broken."""
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [text]


def painted(text: str, style: str, form: Form) -> str:
    """Return `text` in a `style` (parameters of SGR), if the form has colours."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and form.colour and text else text
