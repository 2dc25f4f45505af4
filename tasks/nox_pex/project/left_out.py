"""The report on files that do not ship although a person may expect them to."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from nox_pex.project.default_rules import is_key
from nox_pex.project.patterns import quoted
from nox_pex.project.tree import top_of

_FAMILIAR: Final = (
    *("*.md", "*.rst", "*.lock", "*.log", "*.iml", "README*", "LICEN[CS]E*", "COPYING*", "NOTICE*", "AUTHORS*"),
    *("CHANGE*", "CODEOWNERS", "MANIFEST.in", "Makefile", "GNUmakefile", "justfile", "Justfile", "Procfile"),
    *("Dockerfile*", "Containerfile*", "*compose*.y*ml", "requirements*.txt", "constraints*.txt", "setup.cfg"),
    *("tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", "mkdocs.yml", "codecov.yml", "package.json"),
)
"""Patterns of files at the root that nobody expects in a binary, so they are not reported."""


class LeftOut(Struct, frozen=True, kw_only=True):
    """A file or directory (with a final slash) that does not ship, and the line of settings that would include it."""

    path: str
    line: str

    def __str__(self) -> str:
        return f"{self.path} (to include it: {self.line})"


def report(omitted: Iterable[str], *, shipped_tops: Collection[str]) -> tuple[LeftOut, ...]:
    """The entries to report for the files `omitted`, sorted by path.

    These are unfamiliar files at the root, private keys in directories that ship, and directories at the root of which
    nothing ships. `shipped_tops` are the files and directories at the root of which something ships.
    """
    paths = set()
    for name in omitted:
        top = top_of(name)
        if top == name:
            if not any(fnmatchcase(name, pattern) for pattern in _FAMILIAR):
                paths.add(name)
        elif top not in shipped_tops:
            paths.add(f"{top}/")
        elif is_key(name):
            paths.add(name)
    return tuple(LeftOut(path=path, line=f"sources.include = [{quoted(glob.escape(path))}]") for path in sorted(paths))
