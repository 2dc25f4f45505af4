"""The screen: what a log and a terminal have after each message. The terminal is emulated by pyte."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pyte
import pytest

from nox_pex.screen.form import LOG, Form
from nox_pex.screen.screen import Screen
from nox_pex.system.messages import Progress, working

LIVE = Form(columns=True, colour=True, live=True)


class Terminal(io.StringIO):
    """A terminal of 80 columns and 10 lines."""

    def __init__(self) -> None:
        super().__init__()
        self.screen = pyte.Screen(80, 10)
        self.parser = pyte.Stream(self.screen)
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.parser.feed(text.replace("\n", "\r\n"))
        self.written.set()
        return len(text)

    @property
    def lines(self) -> list[str]:
        """The lines as a person sees them, without empty ones at the end."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n").split("\n")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def log(clock: Clock, shown: list[str]) -> Screen:
    return Screen(LOG, write=shown.append, stream=None, clock=clock)


def terminal(clock: Callable[[], float], form: Form = LIVE) -> tuple[Screen, Terminal]:
    stream = Terminal()
    return Screen(form, write=pytest.fail, stream=stream, clock=clock), stream


def test_a_log_mentions_long_work_every_ten_seconds(log: Screen, clock: Clock, shown: list[str]) -> None:
    for second in range(31):
        clock.now = float(second)
        log.say(Progress(work="pex: packing", done=second, total=40))
        log.show_due()
    log.say(Progress(work="pex: packing", done=40, total=40, ended=True))
    clock.now = 60.0
    log.show_due()
    assert shown == [
        "pex: packing, 10 of 40 … 10 s",
        "pex: packing, 20 of 40 … 20 s",
        "pex: packing, 30 of 40 … 30 s",
    ]


def test_a_log_mentions_work_that_says_nothing(log: Screen, clock: Clock, shown: list[str]) -> None:
    log.say(Progress(work="install: Poetry"))
    clock.now = 12.0
    log.show_due()
    assert shown == ["install: Poetry … 12 s"]


def test_short_work_is_not_mentioned(log: Screen, clock: Clock, shown: list[str]) -> None:
    with working(log.say, "pex: runtime"):
        clock.now = 9.9
        log.show_due()
    assert shown == []


def test_the_live_line_is_the_newest_work_and_goes_when_it_ends(clock: Clock) -> None:
    screen, stream = terminal(clock)
    screen.say(Progress(work="install: Poetry", current="a", done=1, total=3))
    clock.now = 1.0
    screen.show_due()
    assert stream.lines[0].startswith("  install   Poetry a")
    screen.say(Progress(work="pex: runtime"))
    clock.now = 2.0
    screen.show_due()
    assert stream.lines == ["  pex       runtime 1.0 s"]
    screen.say(Progress(work="pex: runtime", ended=True))
    screen.show_due()
    assert stream.lines[0].startswith("  install   Poetry a")
    screen.say(Progress(work="install: Poetry", ended=True))
    assert stream.lines == [""]


def test_a_line_comes_above_the_live_line(clock: Clock) -> None:
    screen, stream = terminal(clock)
    screen.say(Progress(work="pex: packing"))
    clock.now = 1.0
    screen.show_due()
    screen.say("pex: one")
    screen.show_due()
    assert stream.lines == ["  pex       one", "  pex       packing 1.0 s"]


def test_a_terminal_without_a_live_line_shows_none(clock: Clock) -> None:
    screen, stream = terminal(clock, Form(columns=True))
    screen.say(Progress(work="pex: packing"))
    clock.now = 9.0
    screen.show_due()
    assert stream.lines == [""]
    clock.now = 11.0
    screen.show_due()
    assert stream.lines == ["  pex       packing … 11 s"]


def test_an_open_screen_shows_work_by_itself_and_a_closed_one_leaves_nothing() -> None:
    ticks = iter(range(10**9))
    screen, stream = terminal(lambda: float(next(ticks)))
    threads = threading.active_count()
    with screen.opened():
        with screen.opened():
            screen.say(Progress(work="pex: packing"))
        assert stream.written.wait(60)
        assert stream.lines[0].startswith("  pex       packing")
    assert stream.lines == [""]
    assert threading.active_count() == threads


def test_the_live_line_goes_if_the_work_raises() -> None:
    ticks = iter(range(10**9))
    screen, stream = terminal(lambda: float(next(ticks)))

    def interrupted() -> None:
        with screen.opened():
            screen.say(Progress(work="pex: packing"))
            assert stream.written.wait(60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.lines == [""]


def test_lines_of_several_threads_are_whole(clock: Clock) -> None:
    screen, stream = terminal(clock, Form(columns=True))
    stream.screen.resize(2000, 80)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: screen.say(f"pex: {number} {'x' * 40}"), range(500)))
    assert sorted(stream.lines) == sorted(f"  pex       {number} {'x' * 40}" for number in range(500))


def test_a_terminal_that_is_gone_fails_nothing(clock: Clock) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(5, "Input/output error")

    screen = Screen(LIVE, write=pytest.fail, stream=Gone(), clock=clock)
    screen.say(Progress(work="pex: packing"))
    clock.now = 1.0
    screen.show_due()
    screen.say("pex: one")


@pytest.mark.parametrize("columns", ["1", "8", "11"])
def test_a_terminal_that_is_too_narrow_has_no_live_line(
    clock: Clock, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    screen, stream = terminal(clock)
    screen.say(Progress(work="pex: packing"))
    clock.now = 1.0
    screen.show_due()
    assert stream.lines == [""]
