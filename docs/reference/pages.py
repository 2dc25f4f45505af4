"""The parts of the pages between `<!-- settings: TABLE -->` or `<!-- error: CODE -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from nox_pex import errors
from reference import keys, words

_PART: Final = re.compile(
    r"^<!-- (?P<kind>settings|error): (?P<name>\S+) -->\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE
)
"""A part of a page, from its first marker to its last."""


def renewed(page: str) -> str:
    """Return the Markdown of a page with its parts as the code has them now."""
    return _PART.sub(lambda part: _text(part["kind"], part["name"]), page)


def _text(kind: str, name: str) -> str:
    """Return a part with its markers. Raises `KeyError` if the code has no such table or error."""
    return f"<!-- {kind}: {name} -->\n\n{_WRITERS[kind](name)}\n\n<!-- end -->"


def settings_table(name: str) -> str:
    """Return the table of the keys in the settings' table `name`, such as `Binary`, in Markdown."""
    rows = [
        f"| `{key.name}` | {words.kind_in_words(key.kind)} | {words.default_in_toml(key.default)} | {key.description} |"
        for key in keys.keys(keys.tables()[name])
    ]
    return "\n".join(["| key | type | default | meaning |", "| --- | --- | --- | --- |", *rows]).replace("|  |", "| |")


def error_section(name: str) -> str:
    """Return the heading of an error code and its meaning, in Markdown."""
    meanings = {str(code): meaning for code, meaning in errors.CODES.items()}
    return f"### `{name}`\n\n{meanings[name]}"


_WRITERS: Final[Mapping[str, Callable[[str], str]]] = {"settings": settings_table, "error": error_section}
