from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nox_pex.system import command
from nox_pex.system.command import Clock, Outcome, Shell
from nox_pex.system.environ import tool_environ
from nox_pex.system.secrets import Secrets

ENVIRON = {"PATH": os.environ["PATH"]}


def shell(said: list[str], *, verbose: bool = False, secrets: tuple[str, ...] = ()) -> Shell:
    return Shell(environ=ENVIRON, secrets=Secrets(values=secrets), say=said.append, verbose=verbose)


def run(code: str, said: list[str], *, verbose: bool = False, secrets: tuple[str, ...] = ()) -> Outcome:
    return shell(said, verbose=verbose, secrets=secrets).run([sys.executable, "-c", code], what="try it", env=ENVIRON)


def test_the_output_is_kept_and_not_shown() -> None:
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
    outcome = run("print('the word is mellon')", said, verbose=True, secrets=("mellon",))
    assert outcome.output == "the word is ****"
    assert "mellon" not in "".join(said)


def test_bytes_that_are_no_text_and_no_last_newline() -> None:
    outcome = run("import os; os.write(1, b'\\xff\\n\\xc3\\xa4')", [])
    assert outcome.output == "\N{REPLACEMENT CHARACTER}\nä"


def test_standard_input_is_empty_and_the_environment_exactly_the_one_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "1")
    outcome = run("import os, sys; print(repr(sys.stdin.read()), 'LEAKED' in os.environ, oct(os.umask(0)))", [])
    assert outcome.output == "'' False 0o22"


def test_a_tool_that_lasts_is_mentioned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_HEARTBEAT", 0.05)
    said: list[str] = []
    run("import time; time.sleep(0.4)", said)
    assert len(said) >= 2
    assert set(said) == {"try it … 0 s"}


def test_a_chatty_tool_does_not_fill_the_memory() -> None:
    outcome = run("for number in range(9000): print(number)", [])
    assert outcome.output.splitlines() == [str(number) for number in range(5000, 9000)]


def test_the_tail_is_what_was_said_last() -> None:
    outcome = Outcome(status=1, output="\n".join(f"{number}\n  " for number in range(50)), seconds=0.0)
    assert outcome.tail == tuple(str(number) for number in range(20, 50))


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        shell([]).run(["/no/such/program"], what="it", env=ENVIRON)


def test_the_directory_it_runs_in(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import os; print(os.getcwd())"]
    assert shell([]).run(argv, what="it", env=ENVIRON, cwd=tmp_path).output == str(tmp_path.resolve())


def test_a_tool_does_not_outlive_an_interruption() -> None:
    said: list[str] = []

    def interrupt(line: str) -> None:
        said.append(line)
        if not line.startswith("$"):
            raise KeyboardInterrupt

    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    loud = Shell(environ=ENVIRON, secrets=Secrets(), say=interrupt, verbose=True)
    with pytest.raises(KeyboardInterrupt):
        loud.run([sys.executable, "-c", code], what="it", env=ENVIRON)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said[-1]), 0)


def test_what_bends_a_tools_own_python_goes() -> None:
    foreign = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PEX_ROOT", "VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON")
    kept = {"PATH": "/bin", "HOME": "/h", "HTTPS_PROXY": "p", "POETRY_HTTP_BASIC_X_PASSWORD": "s", "PIP_INDEX_URL": "i"}
    assert tool_environ({**dict.fromkeys(foreign, "x"), **kept}) == {**kept, "PYTHONHASHSEED": "0"}


def test_a_clock_adds_up_by_step() -> None:
    clock = Clock()
    for name in ("pex", "stage", "pex"):
        with clock.step(name):
            pass
    with pytest.raises(ZeroDivisionError), clock.step("wheel"):
        1 / 0  # noqa: B018  # any failure will do
    assert list(clock.seconds) == ["pex", "stage", "wheel"]
    assert all(seconds >= 0 for seconds in clock.seconds.values())
