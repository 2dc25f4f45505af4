"""Watch from outside how a PEX unpacks itself and starts the program, without changing anything for the program.

Fact sources: pex's `pex_bootstrapper.py`, `layout.py`, `sh_boot.py` and `cache/dirs.py`. A PEX unpacks itself into
`unzipped_pexes` of its PEX_ROOT and starts again from there, creates its virtual environment in `venvs`, and replaces
itself by the Python of that environment. A scie unpacks its Python into SCIE_BASE first. proc(5) for the rest.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, final

from nox_pex.smoke.phases import Marks

_LINUX: Final = sys.platform == "linux"


_LONGEST: Final = 64 * 1024
"""Bytes of a command line that are read."""


_MOST: Final = 100


_PYTHONS: Final = ("python", "pypy")
"""The beginnings of the names of Pythons. A shim, such as that of pyenv, has the same arguments before them."""


@final
class BootWatch:
    """The moments of one boot. `env` is the environment of its program; empty if a PEX cannot be watched there.

    It must be created before the program starts, because a PEX of an earlier boot may have left its files.
    """

    def __init__(self, env: Mapping[str, str] | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.marks: Marks = Marks()
        self.launched_at: float | None = None
        self._clock = clock
        self._root = _pex_root(env or {}) if _LINUX else ""
        self._places = [place for place in (self._root, (env or {}).get("SCIE_BASE", "")) if place and _LINUX]
        self._known = {place: _names(place) for place in self._places}

    def started(self, at: float) -> None:
        """Note the launch of the first program of the boot, `at` on the monotonic clock."""
        if self.launched_at is None:
            self.launched_at = at

    def note(self, mark: str, at: float | None = None) -> None:
        """Note that a moment, a field of `Marks`, is `at`, on the monotonic clock, or now. The first one counts."""
        if self.launched_at is not None and getattr(self.marks, mark) is None:
            moment = (self._clock() if at is None else at) - self.launched_at
            setattr(self.marks, mark, max(moment, 0.0))

    def stopped(self, seconds: float) -> None:
        """Note that the program has ended `seconds` after the stop signal."""
        if self.marks.signalled is not None and self.marks.ended is None:
            self.marks.ended = self.marks.signalled + seconds

    @property
    def doing(self) -> str:
        """The part of the start that is seen now, for people; empty if nothing is."""
        marks = self.marks
        if marks.program is not None:
            return "importing"
        if marks.makes_venv is not None:
            return "creating the virtual environment"
        return "unpacking" if marks.writes is not None and marks.unpacked is None else ""

    @property
    def is_over(self) -> bool:
        """Whether the program's own Python runs, so that there is nothing more to see of pex."""
        return self.marks.program is not None or not self._root

    def look(self, pid: int) -> None:
        """Look at the program `pid` once. A program that has ended, or that this user may not see, shows nothing."""
        if self.is_over:
            return
        now = self._clock()
        program, *arguments = _command_line(pid) or [""]
        if program.startswith(f"{self._root}/venvs/"):
            self.note("program", now)
        elif _is_python(program) and any(each.startswith(f"{self._root}/unzipped_pexes/") for each in arguments):
            self.note("unpacked", now)
        if self.marks.program is None and self.marks.makes_venv is None:
            self._look_for_files(pid, now)

    def _look_for_files(self, pid: int, now: float) -> None:
        for place in self._places:
            new = _names(f"/proc/{pid}/root{place}") - self._known[place]  # it may be in another root file system
            if "venvs" in new:
                self.note("makes_venv", now)
            if "unzipped_pexes" in new or (new and place != self._root):
                self.note("writes", now)


def _pex_root(env: Mapping[str, str]) -> str:
    """Return the PEX_ROOT of a program: that of its environment, or the default of pex on Linux (`variables.py`)."""
    if "PEX_ROOT" in env:
        return env["PEX_ROOT"]
    cache = env.get("XDG_CACHE_HOME") or (f"{env['HOME']}/.cache" if "HOME" in env else "")
    return f"{cache}/pex" if cache else ""


def _is_python(program: str) -> bool:
    return program.rpartition("/")[2].startswith(_PYTHONS)


def _command_line(pid: int) -> list[str]:
    try:
        with Path(f"/proc/{pid}/cmdline").open("rb") as file:
            return os.fsdecode(file.read(_LONGEST)).split("\0")
    except OSError:
        return []


def _names(directory: str) -> set[str]:
    """Return the names in a directory, at most 100: a program may have created any number of files there."""
    with contextlib.suppress(OSError, ValueError), os.scandir(directory) as entries:
        return {entry.name for entry in itertools.islice(entries, _MOST)}
    return set()
