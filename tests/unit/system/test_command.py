from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from nox_pex.system import command
from nox_pex.system.command import Clock, Outcome, Shell, Stop, Stopped
from nox_pex.system.messages import Message, Progress, Work
from nox_pex.system.secrets import Secrets
from tests.support.shown import say_into

ENVIRON = {"PATH": os.environ["PATH"]}


def shell(said: list[str], *, verbose: bool = False, secrets: tuple[str, ...] = ()) -> Shell:
    return Shell(environ=ENVIRON, secrets=Secrets(values=secrets), say=say_into(said.append), verbose=verbose)


def run(code: str, said: list[str], *, verbose: bool = False, secrets: tuple[str, ...] = ()) -> Outcome:
    return shell(said, verbose=verbose, secrets=secrets).run([sys.executable, "-c", code], what="try it", env=ENVIRON)


def test_the_output_is_returned_and_not_shown() -> None:
    said: list[str] = []
    outcome = run("import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)", said)
    assert (outcome.status, outcome.output) == (3, "out\nerr")
    assert outcome.seconds > 0
    assert said == []


def test_verbose_shows_the_command_line_and_the_output_as_it_comes() -> None:
    said: list[str] = []
    run("print('one'); print('two')", said, verbose=True)
    assert said[0].startswith(f"$ {sys.executable} -c ")
    assert said[1:] == ["  one", "  two"]


def test_a_secret_is_masked_in_the_output_and_in_the_command_line() -> None:
    said: list[str] = []
    outcome = run("print('the password is mellon')", said, verbose=True, secrets=("mellon",))
    assert outcome.output == "the password is ****"
    assert "mellon" not in "".join(said)


def test_bytes_that_are_not_utf_8_are_escaped_and_the_last_newline_may_be_missing() -> None:
    outcome = run("import os; os.write(1, b'\\xff\\n\\xc3\\xa4')", [])
    assert outcome.output == "\\xff\nä"


def test_standard_input_is_empty_and_the_environment_exactly_the_one_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "1")
    outcome = run("import os, sys; print(repr(sys.stdin.read()), 'LEAKED' in os.environ, oct(os.umask(0)))", [])
    assert outcome.output == "'' False 0o22"


def test_a_tool_is_work_until_it_ends_and_its_lines_may_show_how_far_it_is() -> None:
    said: list[Message] = []

    def watch(line: str, work: Work) -> None:
        work.at(int(line), "one", total=2)

    argv = [sys.executable, "-c", "print(1); print(2)"]
    Shell(environ=ENVIRON, secrets=Secrets(), say=said.append).run(argv, what="try it", env=ENVIRON, watch=watch)
    assert said == [
        Progress(work="try it"),
        Progress(work="try it", current="one", done=1, total=2),
        Progress(work="try it", current="one", done=2, total=2),
        Progress(work="try it", current="one", done=2, total=2, ended=True),
    ]


def test_a_chatty_tool_does_not_fill_the_memory() -> None:
    outcome = run("for number in range(9000): print(number)", [])
    assert outcome.output.splitlines() == [str(number) for number in range(5000, 9000)]


def test_the_tail_is_the_last_lines_that_are_not_blank() -> None:
    outcome = Outcome(status=1, output="\n".join(f"{number}\n  " for number in range(50)), seconds=0.0)
    assert outcome.tail == tuple(str(number) for number in range(20, 50))


def test_a_program_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        shell([]).run(["/no/such/program"], what="it", env=ENVIRON)


def test_a_tool_runs_in_the_given_directory(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os; print(os.getcwd())"]
    assert shell([]).run(argv, what="it", env=ENVIRON, cwd=tmp_path).output == str(tmp_path.resolve())


IGNORING = "signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"
"""It has to be killed."""


def test_a_tool_does_not_outlive_an_interruption() -> None:
    said: list[str] = []

    def interrupt(line: str) -> None:
        said.append(line)
        if not line.startswith("$"):
            raise KeyboardInterrupt

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    loud = Shell(environ=ENVIRON, secrets=Secrets(), say=say_into(interrupt), verbose=True)
    with pytest.raises(KeyboardInterrupt):
        loud.run([sys.executable, "-c", code], what="it", env=ENVIRON)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said[-1]), 0)


@pytest.mark.parametrize("code", ["print(os.getpid(), flush=True); time.sleep(60)", IGNORING])
def test_a_tool_is_ended_from_another_thread_and_no_other_starts(code: str) -> None:
    said: SimpleQueue[str] = SimpleQueue()
    stop = Stop()
    stoppable = Shell(environ=ENVIRON, secrets=Secrets(), say=say_into(said.put), verbose=True, stop=stop)
    argv = [sys.executable, "-c", f"import os, signal, time; {code}"]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stoppable.run, argv, what="it", env=ENVIRON)
        assert said.get(timeout=60).startswith("$ ")
        pid = int(said.get(timeout=60))
        stop.stop()
        with pytest.raises(Stopped):
            running.result(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(Stopped):
        stoppable.run(argv, what="it", env=ENVIRON)
    assert said.empty()


def test_a_tool_that_ended_while_its_work_was_stopped_has_no_outcome() -> None:
    """Whoever stops the work of a tool ends the tool too, and that is no failure of the tool."""
    stop = Stop()
    loud = Shell(environ=ENVIRON, secrets=Secrets(), say=lambda _: stop.stop(), verbose=True, stop=stop)
    with pytest.raises(Stopped):
        loud.run([sys.executable, "-c", "print('done')"], what="it", env=ENVIRON)


def test_a_clock_adds_up_by_step() -> None:
    clock = Clock()
    for name in ("pex", "compress", "pex"):
        with clock.step(name):
            pass
    with pytest.raises(ZeroDivisionError), clock.step("wheel"):
        1 / 0  # noqa: B018  # any failure will do
    assert list(clock.seconds) == ["pex", "compress", "wheel"]
    assert all(seconds >= 0 for seconds in clock.seconds.values())


def test_a_tool_inherits_the_descriptors_that_it_shall_hold(tmp_path: Path) -> None:
    with (tmp_path / "held").open("wb") as held, (tmp_path / "closed").open("wb") as closed:
        code = (
            f"import os; os.fstat({held.fileno()})\ntry: os.fstat({closed.fileno()})\nexcept OSError: print('closed')"
        )
        argv = [sys.executable, "-c", code]
        assert shell([]).run(argv, what="it", env=ENVIRON, hold=(held.fileno(),)).output == "closed"


def test_a_question_may_have_a_text_on_its_standard_input(tmp_path: Path) -> None:
    code = "import sys; print(sys.stdin.read()[::-1])"
    for given, expected in ((b"abc", b"cba\n"), (b"", b"\n"), (None, b"\n")):
        completed = command.capture([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRON, given=given)
        assert completed.stdout == expected


def test_an_answer_is_captured_as_bytes(tmp_path: Path) -> None:
    code = (
        "import os, sys; print(os.getcwd()); print(sys.stdin.read(), sorted(os.environ), file=sys.stderr); sys.exit(3)"
    )
    completed = command.capture([sys.executable, "-c", code], cwd=tmp_path, env={"LC_ALL": "C.UTF-8"})
    assert completed.returncode == 3
    assert completed.stdout == f"{tmp_path.resolve()}\n".encode()
    assert completed.stderr == b" ['LC_ALL']\n"


def test_a_question_is_answered_while_the_caller_does_something_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    code = "import pathlib, time\nwhile not pathlib.Path('file').exists(): time.sleep(0.01)\nprint('there')"
    question = command.Question([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRON)
    file.touch()
    assert question.answer(timeout=60).stdout == b"there\n"


def test_a_tool_ends_with_its_question(tmp_path: Path) -> None:
    code = "import os, time; open('pid', 'w').write(f'{os.getpid()}\\n'); time.sleep(600)"
    pid = tmp_path / "pid"
    for answer in (lambda question: question.answer(timeout=1), lambda _question: None):
        question = command.Question([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRON)
        while not (pid.exists() and pid.read_text("utf-8").endswith("\n")):
            time.sleep(0.01)
        with contextlib.suppress(TimeoutError):
            answer(question)
        del question
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text("utf-8")), 0)
        pid.unlink()


def test_output_is_appended_to_a_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(4)"
    for _ in range(2):
        assert command.run_into(log, [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRON, timeout=60) == 4
    assert log.read_text("utf-8") == "out\nerr\n" * 2


class Waiting:
    """A `sleep` that waits until the program has printed a line, then calls `act` with the number in that line."""

    def __init__(self, log: Path, act: Callable[[int], object]) -> None:
        self._log = log
        self._act = act
        self.pid = 0

    def __call__(self, seconds: float) -> None:
        text = self._log.read_text("utf-8")
        if not self.pid and text.endswith("\n"):
            self.pid = int(text)
            self._act(self.pid)
        time.sleep(seconds)

    def assert_killed(self) -> None:
        assert self.pid
        with pytest.raises(ProcessLookupError):
            os.kill(self.pid, 0)


PAUSING = "import os, signal; signal.signal(2, signal.SIG_IGN); print(os.getpid(), flush=True); signal.pause()"
ENDING = """
import os, signal, sys, time
signal.signal(2, lambda *_: sys.exit("ended by itself"))
print(os.getpid(), flush=True)
while True: time.sleep(0.01)
"""


def test_a_program_that_exceeds_its_timeout_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, now = tmp_path / "log", [0.0]
    monkeypatch.setattr(command, "time", SimpleNamespace(monotonic=lambda: now[0]))
    sleep = Waiting(log, lambda _: now.append(now.pop() + 61))
    argv = [sys.executable, "-c", PAUSING]
    assert command.run_into(log, argv, cwd=tmp_path, env=ENVIRON, timeout=60, sleep=sleep) is None
    sleep.assert_killed()


def test_a_program_may_end_by_itself_after_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_GRACE", 60.0)
    log = tmp_path / "log"

    def interrupt(pid: int) -> None:
        os.kill(pid, signal.SIGINT)  # as the terminal does
        raise KeyboardInterrupt

    sleep = Waiting(log, interrupt)
    with pytest.raises(KeyboardInterrupt):
        command.run_into(log, [sys.executable, "-c", ENDING], cwd=tmp_path, env=ENVIRON, timeout=60, sleep=sleep)
    assert log.read_text("utf-8") == f"{sleep.pid}\nended by itself\n"


@pytest.mark.parametrize(("exception", "grace"), [(KeyboardInterrupt, 0.01), (SystemExit, 60.0)])
def test_a_program_does_not_outlive_an_exception(
    exception: type[BaseException], grace: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_GRACE", grace)
    log = tmp_path / "log"

    def fail(_: int) -> None:
        raise exception

    sleep = Waiting(log, fail)
    with pytest.raises(exception):
        command.run_into(log, [sys.executable, "-c", PAUSING], cwd=tmp_path, env=ENVIRON, timeout=60, sleep=sleep)
    sleep.assert_killed()


def test_a_program_of_run_into_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        command.run_into(tmp_path / "log", ["/no/such/program"], cwd=tmp_path, env=ENVIRON, timeout=60)


def test_overrides_reach_every_tool_whatever_its_step_passes() -> None:
    code = "import os; print(os.environ['SEED'], os.environ['KEPT'])"
    shell = Shell(environ={}, secrets=Secrets(), say=lambda _: None, overrides={"SEED": "7"})

    outcome = shell.run([sys.executable, "-c", code], what="it", env={**ENVIRON, "SEED": "0", "KEPT": "yes"})

    assert outcome.output == "7 yes"
