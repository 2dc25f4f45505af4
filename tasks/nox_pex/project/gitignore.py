"""The `.gitignore` files of a directory that is in no Git repository, such as one that was copied without `.git`."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from nox_pex.project.patterns import Pattern, parse_line
from nox_pex.system import files


class Rules(Struct, frozen=True, kw_only=True):
    """The rules of the `.gitignore` files in the directory `root` (absolute), below it and above it.

    `above` has the path of each directory above `root` that has such a file, with its patterns, the uppermost first.
    """

    root: str
    above: tuple[tuple[str, tuple[Pattern, ...]], ...] = ()
    _known: dict[str, tuple[Pattern, ...]] = {}

    @classmethod
    def of(cls, root: str) -> Rules:
        """Read the rules for the directory `root`.

        The files above it count only if they do not ignore `root` itself: then it is not part of that tree.
        """
        directories = [str(directory) for directory in Path(root).parents][::-1]
        above = tuple((directory, found) for directory in directories if (found := _patterns(directory)))
        ancestors = [*directories[1:], root]
        ignored = any(_decide(above, path, directory=True) for path in ancestors)
        return cls(root=root, above=() if ignored else above)

    def ignore(self, name: str, *, directory: bool) -> bool:
        """Whether Git would ignore the file, or the `directory`, `name` (from `root`), all directories above it given.

        The nearest file decides, and in it the last pattern that matches.
        """
        ends = [end for end, character in enumerate(name) if character == "/"]
        inside = [(f"{self.root}/{name[:end]}" if end else self.root) for end in (0, *ends)]
        rules = (*self.above, *((path, self._patterns(path)) for path in inside))
        return _decide(rules, f"{self.root}/{name}", directory=directory)

    def _patterns(self, directory: str) -> tuple[Pattern, ...]:
        if directory not in self._known:
            self._known[directory] = _patterns(directory)
        return self._known[directory]


def _decide(rules: tuple[tuple[str, tuple[Pattern, ...]], ...], path: str, *, directory: bool) -> bool:
    """Whether `rules`, the nearest last, ignore `path`; rules of a directory that is not above it do not count."""
    for base, patterns in reversed(rules):
        prefix = base if base.endswith("/") else f"{base}/"
        if path.startswith(prefix):
            for pattern in reversed(patterns):
                if pattern.matches(path[len(prefix) :], directory=directory):
                    return not pattern.negated
    return False


def _patterns(directory: str) -> tuple[Pattern, ...]:
    """Return the patterns of the `.gitignore` in a directory; none if it has no such file. Git follows no link here."""
    path = f"{directory}/.gitignore"
    if os.path.islink(path):  # noqa: PTH114  # called for each directory of a project
        return ()
    try:
        lines = files.read_bytes(Path(path)).decode("utf-8-sig", "surrogateescape").split("\n")
    except OSError:
        return ()
    return tuple(pattern for line in lines if (pattern := parse_line(line)) is not None)
