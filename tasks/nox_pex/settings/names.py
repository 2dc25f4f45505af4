"""The names of binaries, which are the beginnings of the names of their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nox_pex.system.lazy import pattern

_NAME: Final = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*")


LONGEST: Final = 128
"""The most characters of a name. A file system takes 255 bytes, and up to 50 characters are put around the name, as in
`.NAME-py3.12.requirements-direct.txt.XXXXXXXX`."""


_PARTS: Final = (".deps", ".own")
"""The endings of the files `NAME.deps.pex` and `NAME.own.pex`, the two parts of a binary in an image."""


def problem_with(name: str) -> str | None:
    """Return why a binary cannot have this name, as "problem; remedy"; None if it can."""
    if not _NAME.fullmatch(name):
        return (
            f"{name!r} is not a safe file name; "
            "use letters, digits, dots, underscores and hyphens, with a letter or a digit first"
        )
    if len(name) > LONGEST:
        return f"the name has {len(name)} characters, and file names have a limit; use at most {LONGEST}"
    return None


def collisions(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name whose files would replace those of another name, and the reason, as "problem; remedy"."""
    known = list(names)
    first: dict[str, str] = {}
    for name in known:
        file = f"pylock.{name.replace('.', '-')}.toml"  # PEP 751 has no dots there
        other = first.setdefault(file.lower(), name)  # some file systems ignore case
        if other != name:
            yield name, f"the binaries {other!r} and {name!r} both have the file {file}; rename one of them"
        for part in _PARTS:
            if name.endswith(part) and name.removesuffix(part) in known:
                yield name, f"the binary {name.removesuffix(part)!r} also has a file {name}.pex; rename one of them"
