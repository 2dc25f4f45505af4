"""Patterns with the syntax of a `.gitignore`: those of `sources.include` and `sources.exclude`, and Git's own.

Fact sources: gitignore(5), and Git's `wildmatch.c` for the rest. The library pathspec is not used: a pattern that takes
back a directory (a nested `!*/`) takes back the files below it too, so that files which Git ignores would ship.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.system import outside_text
from nox_pex.system.lazy import lazy
from nox_pex.system.wording import nearest

if TYPE_CHECKING:
    import glob
else:
    glob = lazy("glob")  # only needed to suggest a pattern

_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")
"""Matches a byte of a file name that is not UTF-8 (PEP 383). TOML cannot name it."""


_NEVER: Final = re.compile(r"(?!)")
"""Matches nothing, as a pattern that is not valid does."""


_CLASSES: Final = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "xdigit": "0-9a-fA-F",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}
"""The named classes that may be inside brackets, as in `[[:digit:]]`."""


class Pattern(Struct, frozen=True, kw_only=True):
    """One pattern. `negated` patterns of a `.gitignore` take back what an earlier one ignores.

    `anchored` says whether the whole path has to match and not only its last part, `directories` whether only a
    directory can match. `shows_hidden` says whether a part of it begins with a dot.
    """

    regex: re.Pattern[str]
    anchored: bool
    directories: bool
    shows_hidden: bool
    negated: bool = False

    def matches(self, path: str, *, directory: bool = False) -> bool:
        """Whether the pattern matches the file, or the `directory`, of this path itself, and not one above it."""
        if self.directories and not directory:
            return False
        return self.regex.fullmatch(path if self.anchored else path.rpartition("/")[2]) is not None

    def covers(self, path: str) -> str | None:
        """Return the part of the path of a file that the pattern matches: all of it, or a directory above the file."""
        if self.matches(path):
            return path
        ends = (end for end, character in enumerate(path) if character == "/")
        return next((path[:end] for end in ends if self.matches(path[:end], directory=True)), None)


def parse(text: str, *, negated: bool = False) -> Pattern:
    """Return the pattern that `text` is, without the marks that only a line of a `.gitignore` has (`parse_line`)."""
    directories, body = text.endswith("/"), text.removesuffix("/")
    anchored, body = "/" in body, body.removeprefix("/")
    try:
        regex = re.compile(_regex(body.split("/")), re.DOTALL)
    except (re.error, ValueError, LookupError):
        regex = _NEVER
    shows_hidden = any(part.startswith((".", r"\.")) for part in body.split("/"))
    return Pattern(regex=regex, anchored=anchored, directories=directories, shows_hidden=shows_hidden, negated=negated)


def parse_line(line: str) -> Pattern | None:
    r"""Return the pattern of a line of a `.gitignore`; None for a comment and an empty line.

    A `\` keeps a space at the end, and a `#` or `!` at the beginning.
    """
    line = re.sub(r"(?<!\\)((?:\\\\)*) +$", r"\1", line.removesuffix("\r"))
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    return parse(line[negated:], negated=negated) if line.strip("!/") else None


def matching(pattern: str, names: Iterable[str], *, hidden: bool = True) -> set[str]:
    """Return the files among `names` that `pattern` matches, directly or through a directory above them.

    Unless `hidden`, a hidden file is only among them if the pattern names it, or the outermost hidden directory above
    it, by a part that begins with a dot: `**` and `static/` match no `static/.well-known/`, as in a shell.
    """
    found = parse(re.sub("/+", "/", re.sub(r"(?<![^/])\./", "/", pattern)))
    covered = ((name, found.covers(name)) for name in names)
    return {name for name, part in covered if part is not None and (hidden or not _hides(name, part, found))}


def matching_any(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the files among `names` that at least one of `patterns` matches."""
    known = set(names)
    return {name for pattern in patterns for name in matching(pattern, known)}


def quoted(text: str) -> str:
    """Return `text` as a string in TOML."""
    return outside_text.toml_string(text)


def literal(path: str) -> str:
    """Return the pattern that matches the file of this path, or with a final slash the directory, and no other.

    `?` stands for a byte that is not UTF-8, which the settings cannot contain.
    """
    escaped = _UNDECODABLE.sub("?", glob.escape(path.replace("\\", "\\\\")))
    return f"\\{escaped}" if escaped.startswith("!") else escaped


def nothing_matches(pattern: str, root: Path, present: Iterable[str], *, key: str) -> NoxPexError:
    """Return the error `source-missing` for a pattern that matches none of the files `present` in `root`.

    `key` is the dotted key of the setting that has the pattern.
    """
    problem = f"{key}: {quoted(pattern)} matches no file in {root}"
    if os.path.lexists(root / pattern.strip("/")):
        never = (
            "secrets such as .env, caches, environments, built files, project files and links out of the project "
            "never ship, and a hidden file only if the pattern names it"
        )
        return NoxPexError("source-missing", f"{problem} that may ship", f"remove it: {never}")
    known = {f"{name[:end]}/" for name in present for end in range(len(name)) if name[end] == "/"} | set(present)
    near = nearest(pattern, known)
    return NoxPexError("source-missing", problem, f"use {quoted(near)}" if near else "correct or remove the pattern")


def _hides(name: str, part: str, pattern: Pattern) -> bool:
    """Whether `name` is hidden below `part`, which `pattern` matches, or `part` is, and the pattern does not say so."""
    below = name[len(part) :]
    return not pattern.shows_hidden if _is_hidden(part) else "/." in below


def _is_hidden(path: str) -> bool:
    return "/." in f"/{path}"


def _regex(parts: list[str]) -> str:
    """Return the regular expression of a path: of the parts of a pattern between its slashes."""
    text, last = "", len(parts) - 1
    for position, part in enumerate(parts):
        if part != "**":
            text += "".join(_characters(part)) + ("/" if position < last else "")
        elif position < last:
            text += "(?:[^/]+/)*"
        else:
            text += ".+"
    return text


def _characters(part: str) -> Iterator[str]:
    """Yield the regular expression of a part, piece by piece.

    Raises `ValueError` or `LookupError` if the part is not valid.
    """
    position = 0
    while position < len(part):
        character = part[position]
        position += 1
        if character == "*":
            while part[position : position + 1] == "*":
                position += 1
            yield "[^/]*"
        elif character == "?":
            yield "[^/]"
        elif character == "[":
            brackets, position = _brackets(part, position)
            yield brackets
        elif character == "\\":
            yield re.escape(part[position])
            position += 1
        else:
            yield re.escape(character)


def _brackets(part: str, position: int) -> tuple[str, int]:
    """Return the regular expression of the brackets that begin before `position`, and the position after them."""
    negated = part[position : position + 1] in {"!", "^"}
    position += negated
    inside, first = "", position
    while part[position : position + 1] != "]" or position == first:
        if position >= len(part):
            msg = "the brackets are not closed"
            raise ValueError(msg)
        if named := re.compile(r"\[:(\w+):\]").match(part, position):
            inside, position = inside + _CLASSES[named[1]], named.end()
            continue
        position += part[position] == "\\"
        dash = part[position] == "-" and part[position - 1] != "\\"
        inside, position = inside + ("-" if dash else re.escape(part[position])), position + 1
    return f"(?!/)[{'^' if negated else ''}{inside}]", position + 1
