"""Signals that come inside and outside a call that they may interrupt."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import pytest

from nox_pex.smoke.process.interrupts import Interrupts, Terminated


class EndedError(BaseException):
    """The handler of SIGTERM raises it in these tests."""


def end(*_: object) -> None:
    raise EndedError


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers that a block finds and must restore."""
    before = signal.signal(signal.SIGTERM, end)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.signal(signal.SIGTERM, before) is end


def swallow(number: int) -> None:
    """Raise a signal and drop its exception, as Python does with an exception in `__del__`."""
    with contextlib.suppress(KeyboardInterrupt, Terminated):
        signal.raise_signal(number)


def test_the_result_of_the_call_is_returned() -> None:
    interrupts = Interrupts()
    with interrupts.installed():
        assert interrupts.interruptible(int, "ff", base=16) == 255
        with pytest.raises(ZeroDivisionError):
            interrupts.interruptible(divmod, 1, 0)


def test_a_signal_raises_in_the_call() -> None:
    interrupts = Interrupts()
    with interrupts.installed():
        with pytest.raises(KeyboardInterrupt):
            interrupts.interruptible(signal.raise_signal, signal.SIGINT)
        with pytest.raises(Terminated):
            interrupts.interruptible(signal.raise_signal, signal.SIGTERM)


def test_a_signal_outside_the_call_raises_at_its_start() -> None:
    interrupts = Interrupts()
    steps: list[str] = []
    with interrupts.installed():
        signal.raise_signal(signal.SIGINT)
        steps.append("created")
        with pytest.raises(KeyboardInterrupt):
            interrupts.interruptible(steps.append, "waited")
    assert steps == ["created"]


def test_a_signal_that_comes_twice_before_the_call_raises_once() -> None:
    interrupts = Interrupts()
    steps: list[str] = []
    with interrupts.installed():
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.interruptible(steps.append, "waited")
        interrupts.interruptible(steps.append, "cleaned up")
    assert steps == ["cleaned up"]


def test_a_signal_during_the_cleanup_after_another_is_dropped() -> None:
    interrupts = Interrupts()
    steps: list[str] = []
    with interrupts.installed():
        with pytest.raises(KeyboardInterrupt):
            interrupts.interruptible(signal.raise_signal, signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        interrupts.interruptible(steps.append, "cleaned up")
    assert steps == ["cleaned up"]


@pytest.mark.parametrize(("number", "exception"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_an_exception_that_the_call_swallows_is_raised_again(number: int, exception: type[BaseException]) -> None:
    interrupts = Interrupts()
    with interrupts.installed(), pytest.raises(exception):
        interrupts.interruptible(swallow, number)


def test_an_exception_that_the_call_replaces_is_raised_again() -> None:
    def replace() -> None:
        swallow(signal.SIGINT)
        raise ZeroDivisionError

    interrupts = Interrupts()
    with interrupts.installed(), pytest.raises(KeyboardInterrupt):
        interrupts.interruptible(replace)


def test_a_signal_that_was_not_delivered_goes_to_the_previous_handler() -> None:
    block = Interrupts().installed()
    block.__enter__()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        block.__exit__(None, None, None)


def test_sigterm_goes_to_the_previous_handler_at_the_end() -> None:
    interrupts = Interrupts()
    with pytest.raises(EndedError), interrupts.installed():
        interrupts.interruptible(signal.raise_signal, signal.SIGTERM)


def test_the_process_exits_if_the_previous_handler_of_sigterm_returns() -> None:
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    interrupts = Interrupts()
    with pytest.raises(SystemExit) as caught, interrupts.installed():
        interrupts.interruptible(signal.raise_signal, signal.SIGTERM)
    signal.signal(signal.SIGTERM, end)
    assert caught.value.code == 143
    assert received == [signal.SIGTERM]


def test_a_previous_handler_of_ctrl_c_decides_whether_it_raises() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    interrupts = Interrupts()
    with interrupts.installed():
        interrupts.interruptible(signal.raise_signal, signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    assert received == [signal.SIGINT]


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts = Interrupts()
    with interrupts.installed():
        interrupts.interruptible(signal.raise_signal, signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_the_handlers_alone() -> None:
    seen: list[object] = []

    def run() -> None:
        interrupts = Interrupts()
        with interrupts.installed():
            seen.append(interrupts.interruptible(signal.getsignal, signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [end]
