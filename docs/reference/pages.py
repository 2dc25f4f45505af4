"""The parts of the pages that are made from the code, each from a line such as `<!-- error: config -->` to its end.

`settings: TABLE` is the table of the keys of a class, `error: CODE` the heading and the meaning of a code, and
`errors: FIRST..LAST` a table of codes. A part ends with `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from nox_pex import errors
from reference import keys, words

_PART: Final = re.compile(
    r"^<!-- (?P<kind>settings|errors?): (?P<name>\S+) -->\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE
)
"""A part of a page, from its first marker to its last."""


def renewed(page: str) -> str:
    """Return the Markdown of a page with its parts as the code has them now."""
    return _PART.sub(lambda part: _text(part["kind"], part["name"]), page)


def _text(kind: str, name: str) -> str:
    """Return a part with its markers. Raises `LookupError` or `ValueError` if the code has no such table or error."""
    return f"<!-- {kind}: {name} -->\n\n{_WRITERS[kind](name)}\n\n<!-- end -->"


def settings_table(name: str) -> str:
    """Return the table of the keys in the settings' table `name`, such as `Binary`, in Markdown."""
    rows = [
        (f"`{key.name}`", words.kind_in_words(key.kind), words.default_in_toml(key.default), key.description)
        for key in keys.keys(keys.tables()[name])
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def error_section(code: str) -> str:
    """Return the heading of an error code and its meaning, in Markdown."""
    return f"### `{code}`\n\n{_meanings()[code]}"


def error_table(codes: str) -> str:
    """Return a table of the error codes `FIRST..LAST` with their meanings, in Markdown."""
    known = list(_meanings())
    first, last = map(known.index, codes.split(".."))
    rows = [(f"[`{code}`](errors.md#{code})", _meanings()[code]) for code in known[first : last + 1]]
    return _table(("code", "meaning"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(map(_row, [head, ["---"] * len(head), *rows]))


def _row(cells: Sequence[str]) -> str:
    """Return a row of a table; a bar in a cell would end the cell."""
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in escaped)}|"


def _meanings() -> dict[str, str]:
    return {str(code): meaning for code, meaning in errors.CODES.items()}


_WRITERS: Final[Mapping[str, Callable[[str], str]]] = {
    "settings": settings_table,
    "error": error_section,
    "errors": error_table,
}
"""Returns the content of a part from the name in its first line, by its kind."""
