"""Show messages while a step works: in a log as plain lines, on a terminal with colours and one live line."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TextIO, final

from msgspec import Struct

from nox_pex.screen import lines, width
from nox_pex.screen.form import Form
from nox_pex.system import streams
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import Message, Progress

if TYPE_CHECKING:
    from nox_pex.screen import progress
else:
    progress = lazy("nox_pex.screen.progress")  # only needed for work that takes long

_LOG_INTERVAL: Final = 10.0
"""Seconds between two lines of a log about the same work."""


_LIVE_INTERVAL: Final = 0.1
"""Seconds between two live lines. Work that takes less than twice as long has none."""


_NARROWEST: Final = 12
"""The columns of a terminal below which there is no live line: it would take several lines, and stay there."""


_CLEAR: Final = "\r\x1b[K"
"""Go to the first column and erase the line (ECMA-48, CR and EL)."""


class _Work(Struct, kw_only=True):
    """Work that has not ended: its last progress, and the times when it began and when a log is due to show it."""

    progress: Progress
    began: float
    due: float


@final
class Screen:
    """Shows messages in a `form`. `write` shows a line of a log, `stream` is the terminal.

    Threads may share it. A thread of its own shows work that takes long, while the screen is open.
    """

    def __init__(
        self,
        form: Form,
        *,
        write: Callable[[str], None],
        stream: TextIO | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._form, self._write, self._stream, self._clock = form, write, stream, clock
        self._lock = threading.RLock()
        self._works: dict[str, _Work] = {}
        self._open = 0
        self._wake: threading.Event | None = None
        self._ticker: threading.Thread | None = None
        self._has_live_line = False

    @property
    def form(self) -> Form:
        """The form of the lines."""
        return self._form

    def say(self, message: Message) -> None:
        """Show a message. A line is shown at once, progress when it is due."""
        with self._lock:
            if isinstance(message, Progress):
                self._note(message)
                return
            self._erase()
            if self._form.columns:
                columns = width.of(self._stream, os.environ)
                streams.show_line(lines.of_terminal(message, self._form, width=columns), self._stream)
            else:
                self._write(lines.of_log(message))

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Show long work during the block. It may be open several times; after the last block nothing is live."""
        with self._lock:
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                ticker = self._ticker if not self._open else None
                if ticker is not None and self._wake is not None:
                    self._wake.set()
                    self._ticker = self._wake = None
                    self._works.clear()
                    self._erase()
            if ticker is not None:
                ticker.join()

    def _note(self, message: Progress) -> None:
        """Remember the progress of work, and start the thread that shows it."""
        if message.ended:
            if self._works.pop(message.work, None) is not None and not self._works:
                self._erase()
            return
        now = self._clock()
        known = self._works.pop(message.work, None)  # the last one is the newest
        began = now if known is None else known.began
        due = began + self._interval if known is None else known.due
        self._works[message.work] = _Work(progress=message, began=began, due=due)
        if self._open and self._ticker is None:
            self._wake = threading.Event()
            self._ticker = threading.Thread(target=self._tick, args=(self._wake,), daemon=True)
            self._ticker.start()

    @property
    def _interval(self) -> float:
        return _LIVE_INTERVAL if self._form.live else _LOG_INTERVAL

    def _tick(self, wake: threading.Event) -> None:
        """Show what is due, until `wake` is set."""
        while not wake.wait(_LIVE_INTERVAL if self._form.live else 1.0):
            with self._lock:
                if not wake.is_set():
                    self.show_due()

    def show_due(self) -> None:
        """Show the work that is due: the newest as the live line, or all in lines of a log."""
        with self._lock:
            now = self._clock()
            due = [work for work in self._works.values() if work.due <= now]
            if self._form.live:
                if due:
                    self._draw(due[-1], now)
                return
            for work in due:
                work.due += _LOG_INTERVAL
                line = progress.of_log(work.progress, seconds=now - work.began)
                self.say(line)

    def _draw(self, work: _Work, now: float) -> None:
        columns = width.of(self._stream, os.environ)
        if columns < _NARROWEST:
            return
        text = progress.of_terminal(work.progress, self._form, seconds=now - work.began, width=columns)
        self._has_live_line = True
        streams.show_text(f"{_CLEAR}{text}", self._stream)

    def _erase(self) -> None:
        if self._has_live_line:
            self._has_live_line = False
            streams.show_text(_CLEAR, self._stream)
