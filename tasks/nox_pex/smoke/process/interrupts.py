"""Ctrl-C and SIGTERM: they may come at any moment, and everything is still cleaned up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Held = Callable[[], contextlib.AbstractContextManager[None]]
"""Opens a block in which no signal raises. A signal that comes in the block raises at its end."""


class Terminated(BaseException):
    """SIGTERM came. Like `KeyboardInterrupt` it is not an `Exception`, so that no handler of failures catches it."""


class Interrupts:
    """While `orderly` is open, SIGTERM raises `Terminated`, and neither it nor Ctrl-C raises in a `held` block."""

    def __init__(self) -> None:
        self._depth = 0
        self._pending: list[int] = []
        self._previous: dict[int, Any] = {}

    @contextlib.contextmanager
    def orderly(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM during the block, in the main thread. A signal that is ignored stays ignored.

        At the end, the previous handlers are restored. If SIGTERM came, it is then sent again, to the previous handler.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # None: the handler was not set by Python, so Python cannot restore it.
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
        """A block in which no signal raises. One that comes in the block raises at its end."""
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
