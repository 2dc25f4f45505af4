"""Ctrl-C and SIGTERM at any moment, and still everything is cleaned up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Held = Callable[[], contextlib.AbstractContextManager[None]]
"""Opens a block in which no signal strikes; one that came strikes at its end."""


class Terminated(BaseException):
    """SIGTERM came. Like `KeyboardInterrupt`, it is no `Exception`, and passes through to where it is dealt with."""


class Interrupts:
    """While `orderly` is open, SIGTERM raises `Terminated`, and neither it nor Ctrl-C strikes in a `held` block."""

    def __init__(self) -> None:
        self._depth = 0
        self._pending: list[int] = []
        self._previous: dict[int, Any] = {}

    @contextlib.contextmanager
    def orderly(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM over, in the main thread; one that is ignored stays so.

        In the end the handlers are as before, and a SIGTERM that came is sent on to what would have had it.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # None: a handler that was not set by Python, and cannot be set again.
                if signal.getsignal(number) not in {signal.SIG_IGN, None}:
                    self._previous[number] = signal.signal(number, self._on_signal)
        try:
            yield
        except Terminated:
            self._restore()
            os.kill(os.getpid(), signal.SIGTERM)
            raise SystemExit(128 + signal.SIGTERM) from None
        finally:
            self._restore()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A block in which no signal strikes."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth and self._pending:
                number, self._pending = self._pending[0], []
                self._strike(number, None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._pending.append(number)
        else:
            self._strike(number, frame)

    def _strike(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            raise Terminated
        previous = self._previous[number]
        if callable(previous):
            previous(number, frame)
        else:
            raise KeyboardInterrupt

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
