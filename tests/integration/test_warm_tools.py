"""A tool that runs in a fork of a server is what it is for a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil
import pytest

from nox_pex.pex.cli import pex_environ
from tests.support.processes import wait_until
from tests.support.same_bytes import provide_tools
from tests.support.warm.tools import COLD

PROGRAMS: Final = {
    "surroundings": "import os, sys; print(sys.argv, sys.flags, sys.prefix, os.getcwd(), os.umask(0))",
    "variables": "import os; print(sorted(name for name in os.environ if name not in {names}))",
    "streams": "import sys; print('out', flush=True); print('err', file=sys.stderr); print(repr(sys.stdin.read()))",
    "status": "import sys; sys.exit(7)",
    "message": "raise SystemExit('a message')",
    "exception": "1 / 0",
    "signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "end": "import atexit, threading; atexit.register(print, 'end'); threading.Timer(0.1, print, ['thread']).start()",
    "descriptor": "import os, sys; os.write(int(sys.argv[1]), b'written')",
}
"""Programs by what they show."""


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """The variables of pex."""
    return pex_environ(environ)


@pytest.fixture
def python(environ: dict[str, str]) -> Path:
    """The interpreter of pex."""
    return provide_tools(environ)[-1] / "bin" / "python"


def shown(python: Path, program: str, environ: dict[str, str], cwd: Path) -> tuple[object, ...]:
    """Run a program, and return how it ended and what it wrote."""
    read, write = os.pipe()
    done = subprocess.run(
        [python, "-I", "-c", program, str(write)],
        cwd=cwd,
        env=environ,
        input=b"given",
        capture_output=True,
        check=False,
        pass_fds=[write],
        umask=0o027,
    )
    os.close(write)
    with open(read, "rb") as stream:  # noqa: PTH123  # not a path
        written = stream.read()
    return done.returncode, done.stdout, done.stderr, written


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_fork_ends_and_writes_as_the_program(
    name: str, python: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    program = PROGRAMS[name].replace("{names}", repr(list(COLD)))
    assert shown(python, program, environ, tmp_path) == shown(python, program, {**environ, **COLD}, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only there does a server start")
def test_a_fork_ends_with_the_program(python: Path, environ: dict[str, str], tmp_path: Path) -> None:
    program = "import os, time; open('new', 'w').write(str(os.getpid())); os.rename('new', 'pid'); time.sleep(60)"
    with subprocess.Popen([python, "-I", "-c", program], cwd=tmp_path, env=environ) as process:
        wait_until((tmp_path / "pid").exists)
        process.kill()
    fork = int((tmp_path / "pid").read_text("utf-8"))
    assert fork != process.pid
    wait_until(lambda: not psutil.pid_exists(fork))
