"""Find the line of a key in a TOML file, which `tomllib` does not report; used only after an error has occurred.

The scanner reads only text that `tomllib` has accepted. It finds the path of every key, table and array item. If these
are not exactly the paths in the parsed document, there is no line rather than a wrong one.
Fact source: TOML 1.0 (toml.io).
"""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from nox_pex.system import files

Keys: TypeAlias = tuple[str | int, ...]
"""A path in a document: the keys of tables, and the positions of items of arrays."""


_PART: Final = re.compile(r'\.?(?:(?P<bare>[A-Za-z0-9_-]+)|(?P<quoted>"(?:[^"\\]|\\.)*"))|\[(?P<position>[0-9]+)\]')
"""A part of a dotted path as `explain.dotted` writes it."""


_BLANK: Final = re.compile(r"[ \t]*")
_BETWEEN: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_TEXT: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})' + r"|'''.*?'''(?:'{0,2})" + r"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""", re.DOTALL
)
_OTHER: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9][0-9:.Z+-]*|[^\s,\]}#]+")
"""A number, a boolean, a date or a time. A blank may separate a date and a time."""


class _UnexpectedError(Exception):
    """The scanner does not understand the text."""


def line_of(file: str, path: str, document: Mapping[str, Any]) -> int | None:
    """Return the line, from 1, of the value at the dotted `path` in the TOML file `file`, parsed as `document`.

    If the path does not exist, that is the line of the nearest table around it. None if even that has no line, if the
    file has changed since, or if the scanner does not understand it.
    """
    try:
        text = files.read_text(Path(file))
        if repr(tomllib.loads(text)) != repr(document):  # `nan` is not equal to itself
            return None
        found = lines(text)
    except (OSError, ValueError, RecursionError, _UnexpectedError):
        return None
    if found.keys() != set(paths(document, ())):
        return None
    keys = keys_of(path)
    return next((found[keys[:length]] for length in range(len(keys), 0, -1) if keys[:length] in found), None)


def where(file: str, path: str, document: Mapping[str, Any]) -> str:
    """Return the place of the dotted `path` for an error, with its line if known: `pyproject.toml:3: tool.x`."""
    line = line_of(file, path, document)
    return ": ".join(filter(None, [file if line is None else f"{file}:{line}", path]))


def keys_of(path: str) -> Keys:
    """Return the keys of a dotted path such as `tool."a b".http[0]`; empty if it is not one."""
    keys: list[str | int] = []
    at = 0
    while at < len(path):
        part = _PART.match(path, at)
        if part is None:
            return ()
        keys.append(_key(part["bare"] or part["quoted"]) if part["position"] is None else int(part["position"]))
        at = part.end()
    return tuple(keys)


def lines(text: str) -> Mapping[Keys, int]:
    """Return the line of every key, table and array item in valid TOML. Raises `_UnexpectedError`.

    A table without a line for itself has the first line that mentions it.
    """
    return _Scanner(text).scan()


def paths(value: Any, path: Keys) -> Iterator[Keys]:
    """Yield the path of every key, table and array item in a parsed document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from paths(part, (*path, key))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from paths(part, (*path, position))


def _key(written: str) -> str:
    """Return the key that is written bare or in quotes."""
    return str(tomllib.loads(f"key = {written}")["key"]) if written.startswith(('"', "'")) else written


class _Scanner:
    """Reads a document from its beginning to its end, and notes the line of each path."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._found: dict[Keys, int] = {}
        self._tables: dict[Keys, int] = {}
        """The number of tables in each array of tables so far."""

    def scan(self) -> Mapping[Keys, int]:
        """Return the lines. Raises `_UnexpectedError`."""
        table: Keys = ()
        self._skip(_BETWEEN)
        while self._at < len(self._text):
            if self._takes("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BETWEEN)
        return self._found

    def _header(self) -> Keys:
        """Read a header after its first bracket. Return the path of its table."""
        line, is_array = self._line(), self._takes("[")
        *above, last = self._dotted_key()
        self._expect("]]" if is_array else "]")
        path: Keys = ()
        for key in above:
            path = self._inside((*path, key))
            self._found.setdefault(path, line)
        path = (*path, last)
        if is_array:
            self._found.setdefault(path, line)
            position = self._tables.get(path, 0)
            self._tables[path] = position + 1
            path = (*path, position)
        self._found[path] = line
        return path

    def _inside(self, path: Keys) -> Keys:
        """Return the path of the last table in an array of tables; any other path as it is."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _pair(self, table: Keys) -> None:
        """Read a key and its value in a table."""
        line = self._line()
        path = table
        for key in self._dotted_key():
            path = (*path, key)
            self._found.setdefault(path, line)
        self._expect("=")
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Keys) -> None:
        if self._takes("["):
            self._items("]", lambda position: self._item((*path, position)))
        elif self._takes("{"):
            self._items("}", lambda _: self._pair(path))
        elif not self._skip(_TEXT) and not self._skip(_OTHER):
            raise _UnexpectedError

    def _item(self, path: Keys) -> None:
        self._found[path] = self._line()
        self._value(path)

    def _items(self, end: str, read: Callable[[int], None]) -> None:
        """Read what is between brackets or braces, divided by commas; `read` reads one part, given its number."""
        position = 0
        self._skip(_BETWEEN)
        while not self._takes(end):
            read(position)
            position += 1
            self._skip(_BETWEEN)
            if not self._takes(","):
                self._expect(end)
                return
            self._skip(_BETWEEN)

    def _dotted_key(self) -> list[str]:
        keys: list[str] = []
        while not keys or self._takes("."):
            self._skip(_BLANK)
            written = self._skip(_KEY)
            if not written:
                raise _UnexpectedError
            keys.append(_key(written))
            self._skip(_BLANK)
        return keys

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Read and return what the pattern matches here; empty if it does not match."""
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _takes(self, mark: str) -> bool:
        """Read `mark` if it is here, and return whether it was."""
        found = self._text.startswith(mark, self._at)
        self._at += len(mark) if found else 0
        return found

    def _expect(self, mark: str) -> None:
        self._skip(_BLANK)
        if not self._takes(mark):
            raise _UnexpectedError

    def _line(self) -> int:
        return bisect.bisect_left(self._ends, self._at) + 1
