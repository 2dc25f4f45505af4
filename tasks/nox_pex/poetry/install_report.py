"""The report that Poetry writes while it installs. `install_script.py` describes the file.

A distribution is complete as soon as it is in the report: all its files, RECORD and `direct_url.json` are written.
Later, nox-pex may only install it again if another distribution has the same files (`collisions`), and change modes of
scripts and RECORDs; a changed distribution then has another RECORD.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_name

from nox_pex.poetry.file_urls import FileUrls
from nox_pex.poetry.origins import Origin

_INTERVAL: Final = 0.05
"""Seconds between two looks at a report that is being written."""


class _Line(Struct, frozen=True, kw_only=True):
    index: FileUrls | None = None
    chosen: tuple[str, str, str] | None = None
    installed: tuple[str, str] | None = None


class Report(Struct, frozen=True, kw_only=True):
    """The report in the file `path`, which may not exist yet."""

    path: Path

    def addresses(self) -> tuple[FileUrls, ...]:
        """Return what the package indexes said about the files of packages."""
        return tuple(line.index for line, _ in self._lines(0) if line.index is not None)

    def origins(self) -> dict[str, Origin]:
        """Return the locked file that Poetry chose for each distribution, by its name."""
        chosen = (line.chosen for line, _ in self._lines(0) if line.chosen is not None)
        return {canonicalize_name(name): Origin(version=version, file=file) for name, version, file in chosen}

    @contextlib.contextmanager
    def watched(self, installed: Callable[[str, str], None] | None) -> Iterator[None]:
        """Call `installed` for each distribution that is complete: name and version, as in the lock.

        It is called in one other thread during the block, and at the end of the block for the rest. It must not raise.
        """
        if installed is None:
            yield
            return
        ended, start = threading.Event(), 0

        def watch() -> None:
            nonlocal start
            while True:
                last = ended.wait(_INTERVAL)
                for line, start in self._lines(start):  # noqa: B007, B020  # the place to go on from
                    if line.installed is not None:
                        installed(*line.installed)
                if last:
                    return

        thread = threading.Thread(target=watch, name="nox-pex-install")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _lines(self, start: int) -> Iterator[tuple[_Line, int]]:
        """Yield each complete line from the byte `start`, and the byte after it. A line of another form is skipped."""
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                for text in file:
                    if not text.endswith(b"\n"):
                        return
                    start += len(text)
                    with contextlib.suppress(msgspec.DecodeError):
                        yield msgspec.json.decode(text, type=_Line), start
        except FileNotFoundError:
            return
