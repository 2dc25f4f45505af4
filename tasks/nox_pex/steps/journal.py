"""The outcomes of one run, as its steps report them."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, final

from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.steps.outcome import Cause, Note, Outcome
from nox_pex.system import outside_text
from nox_pex.system.lazy import pattern

_PLACE: Final = pattern(r"(?P<file>/.*?\.toml)(?::(?P<line>[0-9]{1,7}))?: ")
"""Matches the place at which a problem begins, as `settings.locate.where` writes it."""


_LOCK_CODES: Final = ("lock-stale", "lock-unreadable")


_LONGEST: Final = 2000
"""Characters of a text of a cause. A longer one is cut: an outcome is for a table and for a summary."""


_MOST_LINES: Final = 40
"""The lines of a log that a cause has: the last ones."""


class Place(NamedTuple):
    """The project of a step: its label in the names of its sessions, its directory, and that of the checkout on CI."""

    label: str
    root: Path
    checkout: Path | None

    @classmethod
    def of(cls, root: Path, environ: Mapping[str, str], *, label: str) -> Place:
        """Return the project in the directory `root`."""
        checkout = environ.get("GITHUB_WORKSPACE", "")
        return cls(label=label, root=root, checkout=Path(checkout) if checkout else None)


@final
class Journal:
    """Collects the outcomes of a run, of all its projects. Threads may share it.

    One step runs at a time in a process, for several binaries at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        self._notes: dict[str, Note] = {}
        self._step, self._place = "", Place("", Path(), None)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes until now, in the order in which they were reported."""
        with self._lock:
            return tuple(self._outcomes)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Add outcomes that another process of the same run reported."""
        with self._lock:
            self._outcomes += outcomes

    def note(self, binary: str, note: Note) -> None:
        """Note what only the step knows of the binary with this stem, before its outcome is reported."""
        self._notes[binary] = note

    @contextlib.contextmanager
    def during(self, step: str, place: Place, *, mask: Callable[[str], str]) -> Iterator[None]:
        """Report what fails during the block, which runs `step` of one project, apart from any of its binaries."""
        self._step, self._place, started = step, place, time.monotonic()
        self._notes.clear()
        try:
            yield
        except NoxPexError as error:
            self.failed(error, step, place, mask=mask, seconds=time.monotonic() - started)
            raise

    def failed(
        self, error: NoxPexError, step: str, place: Place, *, mask: Callable[[str], str] = str, seconds: float = 0.0
    ) -> None:
        """Report a failure of `step` of a project, with those found together with it, unless they are reported."""
        own = [each for each in self.outcomes if (each.project, each.step) == (place.label, step)]
        known = {each.cause.key for each in own if each.cause is not None}
        for each in (error, *error.others):
            cause = cause_of(each.replaced(others=()), place, mask=mask)
            if cause.key not in known:
                new = Outcome(project=place.label, binary="", step=step, result="failed", seconds=seconds, cause=cause)
                self.add([new])

    def ended(self, binary: str, *, error: NoxPexError | None, mask: Callable[[str], str], seconds: float) -> None:
        """Report that the running step ended for the binary with this stem, well or with `error`.

        That replaces what was reported of it before: a step may come back to a binary.
        """
        note, place = self._notes.pop(binary, Note()), self._place
        new = Outcome(
            project=place.label,
            binary=binary,
            step=self._step,
            result=note.result if error is None else "failed",
            seconds=seconds,
            cause=None if error is None else cause_of(error, place, mask=mask),
            reason=_text(note.reason, mask),
            file=_text(note.file, mask),
            size=note.size,
            size_before=note.size_before,
            parts=tuple(replace(part, name=_text(part.name, mask), text=_text(part.text, mask)) for part in note.parts),
            section=mask(note.section) if note.section else "",
        )
        with self._lock:
            self._outcomes = [each for each in self._outcomes if not new.replaces(each)] + [new]


JOURNAL: Final = Journal()
"""The outcomes of this process, which is one run."""


def cause_of(error: NoxPexError, place: Place, *, mask: Callable[[str], str]) -> Cause:
    """Return the cause of a failure, with secrets masked, everything invisible escaped, and long texts cut.

    Paths in the problem and the remedy are relative to the checkout of a CI job.
    """
    masked = error.masked(mask)
    file, line = _file_of(masked, place)

    def shorten(text: str) -> str:
        return text if place.checkout is None else text.replace(f"{place.checkout}{os.sep}", "")

    return Cause(
        code=masked.code,
        problem=_text(masked.problem, shorten),
        remedy=_text(masked.remedy, shorten),
        subject=_text(masked.subject, str),
        rows=tuple((label, _text(text, str)) for label, text in masked.rows),
        log=tuple(_cut(outside_text.log_line(each)) for each in masked.log[-_MOST_LINES:]),
        log_file=_text(masked.log_file, str),
        by_hand=_text(masked.by_hand, str),
        file=file,
        line=line,
    )


def _text(text: str, mask: Callable[[str], str]) -> str:
    return _cut(outside_text.shown(mask(text))) if text else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _file_of(error: NoxPexError, place: Place) -> tuple[str, int]:
    """Return the file of the checkout that a failure is about, and the line in it; empty and 0 if there is none."""
    found: re.Match[str] | None = _PLACE.match(error.problem)
    if found is not None:
        return _in_checkout(Path(found["file"]), place), int(found["line"] or 0)
    if error.code in _LOCK_CODES:
        return _in_checkout(place.root / "poetry.lock", place), 0
    return "", 0


def _in_checkout(file: Path, place: Place) -> str:
    root = place.checkout or place.root
    return outside_text.shown(file.relative_to(root).as_posix()) if file.is_relative_to(root) else ""
