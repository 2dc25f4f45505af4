"""The messages that a step shows while it works. The front end decides how they look: `screen` has the terminal's form.

A plain text is a line without a special meaning. Its first word and a colon name the step or the condition, as in
`pex: packing celery`. Text from outside stays as it is: the front end masks the secrets in it, and escapes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias, final

from msgspec import Struct
from msgspec.structs import replace

Meaning = Literal["plain", "passed", "failed", "skipped", "warned", "changed", "unchanged", "program"]
"""The meaning of a line, which a terminal shows as its colour. `program`: the program under test, or a tool, wrote it.

The text of a line has its meaning in words too.
"""


class Line(Struct, frozen=True, kw_only=True):
    """A line with a meaning."""

    text: str
    meaning: Meaning = "plain"


def changed(text: str) -> Line:
    """Return a line that says what changed, so that work begins."""
    return Line(text=text, meaning="changed")


def unchanged(text: str) -> Line:
    """Return a line that says that nothing has to be done."""
    return Line(text=text, meaning="unchanged")


def skipped(text: str) -> Line:
    """Return a line that says what is not done, and why."""
    return Line(text=text, meaning="skipped")


def warned(text: str) -> Line:
    """Return a line that says what is not as it should be, although nothing failed."""
    return Line(text=text, meaning="warned")


class Row(Struct, frozen=True, kw_only=True):
    """A row of a block or a table: a short label, and a text with a meaning. An empty label continues the row above."""

    label: str
    text: str
    meaning: Meaning = "plain"


class Progress(Struct, frozen=True, kw_only=True):
    """The state of work that takes long: a terminal shows the last one, a log shows one now and then.

    `work` names the work as a line does, as in `pex: packing`. `current` is the item that it is at. `done` is the
    number of finished items, or of bytes if `unit` is `B`, and `total` how many there are; None if that is not known.
    `ended`: the work has ended, well or not.
    """

    work: str
    current: str = ""
    done: int = 0
    total: int | None = None
    unit: Literal["", "B"] = ""
    ended: bool = False


Message: TypeAlias = str | Line | Row | Progress


Say: TypeAlias = Callable[[Message], None]
"""Shows one message to the user. It may be called from any thread."""


def mapped(say: Say, change: Callable[[str], str]) -> Say:
    """Return a `say` that changes every text of a message with `change` first."""

    def changed(message: Message) -> None:
        if isinstance(message, str):
            say(change(message))
        elif isinstance(message, Progress):
            say(replace(message, work=change(message.work), current=change(message.current)))
        else:
            say(replace(message, text=change(message.text)))

    return changed


def prefixed(say: Say, prefix: str) -> Say:
    """Return a `say` that puts `prefix` before each text and before the name of each work, but not before rows."""

    def shown(message: Message) -> None:
        if isinstance(message, str):
            say(f"{prefix}{message}")
        elif isinstance(message, Line):
            say(replace(message, text=f"{prefix}{message.text}"))
        elif isinstance(message, Progress):
            say(replace(message, work=f"{prefix}{message.work}"))
        else:
            say(message)

    return shown


@final
class Work:
    """Work that takes long, whose progress the user sees. Threads may share it, apart from `at`."""

    def __init__(self, say: Say, progress: Progress) -> None:
        self._say = say
        self._progress = progress

    def at(self, done: int, current: str = "", *, total: int | None = None) -> None:
        """Show that `done` items, or bytes, are finished, and the `current` one. `total` replaces the number of all."""
        known = self._progress.total if total is None else total
        self._progress = replace(self._progress, done=done, current=current, total=known)
        self._say(self._progress)

    def finished(self, current: str = "", *, count: int = 1) -> None:
        """Show that `count` more items, or bytes, are finished, the last of them `current`."""
        self.at(self._progress.done + count, current)

    def end(self) -> None:
        """Show that the work has ended."""
        self._say(replace(self._progress, ended=True))


@contextlib.contextmanager
def working(say: Say, work: str, *, total: int | None = None, unit: Literal["", "B"] = "") -> Iterator[Work]:
    """Show the progress of the block, which does `work`. The values are those of `Progress`."""
    shown = Work(say, Progress(work=work, total=total, unit=unit))
    shown.at(0)
    try:
        yield shown
    finally:
        shown.end()
