"""Record Ctrl-C and SIGTERM when they come, and deliver them only at safe points.

While the handlers of `Interrupts` are installed, a signal is only recorded, and it raises only in a call that
`Interrupts.interruptible` makes. Python may run a handler between any two bytecodes, so one that raised at once could
raise before the first line of an `__exit__` or in the middle of a `finally`, and no cleanup is safe against that. Code
that waits therefore runs in `interruptible`, and code that creates or removes something runs outside it. If the code in
`interruptible` swallows the exception of a signal, as Python does with an exception in `__del__`, `interruptible`
raises it again at its end. At the end of the block the previous handlers are restored, and they get each signal that
was not delivered, and the SIGTERM that ended the block.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final, ParamSpec, TypeVar, final

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Terminated(BaseException):
    """SIGTERM came. Like `KeyboardInterrupt` it is not an `Exception`, so that no handler of failures catches it."""


@final
class Interrupts:
    """While `installed` is open, Ctrl-C and SIGTERM raise only in `interruptible`, and SIGTERM raises `Terminated`.

    It is for one `installed` block.
    """

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}
        self._pending: list[int] = []
        self._raised: BaseException | None = None

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM during the block, in the main thread. A signal that is ignored stays ignored.

        At the end, the previous handlers are restored. They then get each signal that was not delivered, and the
        SIGTERM that ended the block. Raises `SystemExit` after `Terminated` if the previous handler of SIGTERM returns.
        """
        try:
            self._install()
            yield
        except Terminated:
            self._pending.append(signal.SIGTERM)
            raise SystemExit(128 + signal.SIGTERM) from None
        finally:
            self._restore()
            self._raised = None  # its traceback refers to every frame that it passed
            for number in self._pending:
                signal.raise_signal(number)

    def interruptible(
        self, action: Callable[_Params, _Result], *args: _Params.args, **kwargs: _Params.kwargs
    ) -> _Result:
        """Call `action` and return its result. A signal raises in the call, or at its start if it came before.

        If `action` swallows the exception of a signal, the exception is raised again when `action` ends. After this
        call has raised for a signal, further signals are dropped until the next call: the cleanup that they ask for has
        begun.
        """
        self._raised = None
        try:
            result = self._call(action, *args, **kwargs)
        except BaseException as error:
            if self._raised is not None and self._raised is not error:
                raise self._raised from None
            raise
        if self._raised is not None:
            raise self._raised
        return result

    def _call(self, action: Callable[_Params, _Result], *args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        """Deliver the pending signals, then call `action`.

        The frame of this method tells `_on_signal` that a signal may raise. A flag would not do, because a signal
        could raise just before the flag is reset.
        """
        while self._pending:
            self._deliver(self._pending.pop(0), None)
        return action(*args, **kwargs)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        caller = frame
        while caller is not None and caller.f_code is not Interrupts._call.__code__:
            caller = caller.f_back
        if caller is not None:
            self._deliver(number, frame)
        elif self._raised is None and number not in self._pending:
            self._pending.append(number)  # once: a second Ctrl-C must not raise in the cleanup after the first

    def _deliver(self, number: int, frame: FrameType | None) -> None:
        """Raise the exception of a signal, and remember it."""
        try:
            self._raise(number, frame)
        except BaseException as error:
            self._raised = error
            raise

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            raise Terminated
        previous = self._previous[signal.SIGINT]
        if not callable(previous):
            raise KeyboardInterrupt
        previous(number, frame)

    def _install(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        # None: the handler was not set by Python, so Python cannot restore it.
        self._previous = {each: handler for each, handler in handlers.items() if handler not in {signal.SIG_IGN, None}}
        for number in self._previous:
            signal.signal(number, self._on_signal)

    def _restore(self) -> None:
        try:
            self._restore_handlers()
        finally:
            self._restore_handlers()  # a restored handler may have raised before the others were restored

    def _restore_handlers(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
