"""Programs that start fast: Poetry, pex and Nox run in forks of servers that have imported their modules.

Poetry and pex do so only in the cache that the tests share, and only as long as the worker of pytest that started the
servers runs. If a server cannot be used, the program starts as it always does.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from nox_pex.pex.cli import pex_environ
from nox_pex.system import files
from nox_pex.system.environ import UTF_8, tool_environ
from tests.support.warm import client

COLD: Final = {client.COLD: "1"}
"""The variables with which a tool runs as it always does."""

_HERE: Final = Path(__file__).parent
_CLIENT: Final = str(_HERE / "client.py")
_HOOK: Final = "zz_warm.pth"
_HOOK_TEXT: Final = "import sys; _c = {{}}; exec(open({client!r}).read(), _c) or _c['start']({address!r}, {home!r})\n"

_addresses: list[Path] = []
"""The server for the Python of the tests, if there is one."""


@contextlib.contextmanager
def warm(homes: list[Path], *, environ: Mapping[str, str]) -> Iterator[None]:
    """Start a server for each of the environments of tools `homes` that has none; end them after the block."""
    with contextlib.ExitStack() as stack:
        for home in homes:
            (packages,) = (home / "lib").glob("python*/site-packages")
            hook = packages / _HOOK
            if not hook.exists() and sys.platform == "linux":
                argv, tool = [str(home / "bin" / "python"), "-I"], home.name.partition("-")[0]
                usual = pex_environ(environ) if tool == "pex" else {**tool_environ(environ), **UTF_8}
                address = stack.enter_context(_serving(argv, environ=usual))
                text = _HOOK_TEXT.format(client=_CLIENT, address=str(address), home=str(home.resolve()))
                files.write_text(hook, text)
                stack.callback(hook.unlink, missing_ok=True)
                _run_first([*argv, "-m", tool, "--version"], usual)
        yield


@contextlib.contextmanager
def warm_nox(environ: Mapping[str, str]) -> Iterator[None]:
    """Let `nox_argv` start Nox in forks of a server, which has imported Nox and libraries but not nox-pex."""
    if sys.platform != "linux":
        yield
        return
    with _serving([sys.executable], environ=environ) as address:
        _addresses.append(address)
        _run_first(nox_argv("--version"), environ)
        yield
        _addresses.clear()


def _run_first(argv: list[str], environ: Mapping[str, str]) -> None:
    """Run a program with the usual variables: the server imports what it imports, and refuses programs with others."""
    subprocess.run(argv, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


def nox_argv(*arguments: str) -> list[str]:
    """Return the command line of Nox with these arguments."""
    nox = ["-m", "nox", *arguments]
    return [sys.executable, "-S", _CLIENT, str(_addresses[0]), *nox] if _addresses else [sys.executable, *nox]


@contextlib.contextmanager
def _serving(argv: list[str], *, environ: Mapping[str, str]) -> Iterator[Path]:
    """Start a server by the interpreter with the command line `argv`; yield its address, and end it after the block."""
    with tempfile.TemporaryDirectory(prefix="w") as directory:  # the path of a socket must be short
        address = Path(directory) / "socket"
        process = subprocess.Popen(
            [*argv, str(_HERE / "server.py"), _CLIENT, str(address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ,
            cwd=os.sep,
            start_new_session=True,
        )
        with process:  # which closes stdin, and waits
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield address
