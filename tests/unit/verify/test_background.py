from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pytest
from msgspec.structs import replace

from nox_pex.system.command import Outcome, Shell
from nox_pex.system.secrets import Secrets
from nox_pex.verify.background import background
from tests.support.shown import say_into

ENVIRON = {"PATH": os.environ["PATH"]}
SLEEPING = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"]


def test_pieces_run_at_the_same_time_and_their_exceptions_reach_whoever_needs_them() -> None:
    first, second = threading.Event(), threading.Event()

    def meet(mine: threading.Event, other: threading.Event) -> bool:
        mine.set()
        return other.wait(60)

    def fail() -> None:
        raise ZeroDivisionError

    with background() as parts:
        met = [parts.start(meet, first, second), parts.start(meet, second, first)]
        assert [each.result() for each in met] == [True, True]
        failed = parts.start(fail)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                failed.result()


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, ZeroDivisionError, None])
def test_nothing_is_left_after_the_block_however_it_ends(exception: type[BaseException] | None, tmp_path: Path) -> None:
    said: SimpleQueue[str] = SimpleQueue()
    threads = threading.active_count()
    shell = Shell(environ=ENVIRON, secrets=Secrets(), say=say_into(said.put), verbose=True)

    def sleep(shell: Shell) -> Outcome:
        (tmp_path / "work").mkdir()
        try:
            return shell.run(SLEEPING, what="it", env=ENVIRON)
        finally:
            (tmp_path / "work").rmdir()

    def after(previous: Callable[[], Outcome]) -> None:
        previous()
        pytest.fail("the piece before this one ended without an exception")

    def work() -> None:
        with background() as parts:
            first = parts.start(sleep, replace(shell, stop=parts.stop))
            parts.start(after, first.result)
            said.get(timeout=60)  # the command line
            said.put(said.get(timeout=60))
            if exception is not None:
                raise exception

    if exception is None:
        work()
    else:
        with pytest.raises(exception):
            work()
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.get(timeout=60)), 0)
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() <= threads
