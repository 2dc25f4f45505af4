"""Links of a project to files and directories in it.

All names are POSIX paths from the project's directory. A link counts as the files that it leads to.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Final

from msgspec import Struct

MAX_LINKED: Final = 100_000
"""The number of files that links may add. Directories with links to each other would add endlessly many."""


OUTSIDE: Final = "a link that leads out of the project"


class Linked(Struct, frozen=True, kw_only=True):
    """The `files` that links lead to: the name through the links, and that of the file itself.

    `lost` are links to files that exist and are not among them, with the reason.
    """

    files: Mapping[str, str]
    lost: Mapping[str, str]


def follow(links: Sequence[str], files: Sequence[str], *, root: str, may_ship: Callable[[str], bool]) -> Linked:
    """Return the names that `links` give to `files`, all in the directory `root` (absolute, no links).

    Both are sorted. Links in linked directories are followed in turn, the nearest first, until they lead to a directory
    that contains one of the links followed before. Names that `may_ship` does not accept are omitted.
    """
    known = set(files)
    found: dict[str, str] = {}
    lost: dict[str, str] = {}
    # the name that leads to a link, the link itself, and the directories of the links that were followed before
    waiting: deque[tuple[str, str, tuple[str, ...]]] = deque((link, link, ()) for link in links)
    while waiting:
        name, link, before = waiting.popleft()
        real = os.path.realpath(f"{root}/{link}")
        places = (*before, os.path.dirname(f"{root}/{link}"))  # noqa: PTH120  # called for each link
        if not os.path.exists(real):  # noqa: PTH110  # called for each link
            continue
        if not is_within(real, root):
            lost[name] = OUTSIDE
            continue
        target = real[len(root) + 1 :]
        inside, links_inside = _below(files, target), _below(links, target)
        if target in known:
            found[name] = target
        elif is_circle(real, (root, *places)):
            continue
        elif reason := _loss(target, inside, links_inside, found):
            lost[name] = reason
        else:
            found |= {path: file for path, file in _renamed(inside, target, name) if may_ship(path)}
            deeper = filter(lambda pair: may_ship(pair[0]), _renamed(links_inside, target, name))
            waiting.extend((path, each, places) for path, each in deeper)
    return Linked(files={name: file for name, file in found.items() if name not in known}, lost=lost)


def _renamed(names: Iterable[str], directory: str, link: str) -> Iterator[tuple[str, str]]:
    """Yield the name that each of `names`, which are in `directory`, has through `link`, and its own."""
    return ((link + name[len(directory) :], name) for name in names)


def _loss(target: str, files: Sized, links: Sized, found: Sized) -> str | None:
    """Return why nothing of the directory `target` ships, which has `files` and `links`; None if it does."""
    if not len(files) and not len(links):
        return f"a link to {target}, which does not ship"
    if len(found) + len(files) > MAX_LINKED:
        return f"a link to {target}; links would add more than {MAX_LINKED:,} files"
    return None


def is_within(path: str, directory: str) -> bool:
    """Whether the absolute `path` is `directory` or below it."""
    return path == directory or path.startswith(directory if directory.endswith("/") else f"{directory}/")


def is_circle(real: str, places: Iterable[str]) -> bool:
    """Whether one of the directories `places` is in the directory `real`: then a link from there to it is endless."""
    return any(is_within(place, real) for place in places)


def _below(names: Sequence[str], directory: str) -> Sequence[str]:
    """Return those of the sorted `names` that are below `directory`."""
    prefix = f"{directory}/"
    start = end = bisect_left(names, prefix)
    while end < len(names) and names[end].startswith(prefix):
        end += 1
    return names[start:end]
