"""Tools of nox-pex that start fast: Poetry and pex run in forks of servers that have imported their modules.

Only in the cache that the tests share, and only as long as the worker of pytest that started the servers runs. For
everybody else, and whenever a server cannot be used, the tool runs as it always does.
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

from nox_pex.system import files
from nox_pex.system.environ import UTF_8, tool_environ
from tests.support.warm import client

COLD: Final = {client.COLD: "1"}
"""The variables with which a tool runs as it always does."""

_HERE: Final = Path(__file__).parent
_HOOK: Final = "zz_warm.pth"
_HOOK_TEXT: Final = (
    "import sys; _c = {{}}; exec(open({client!r}).read(), _c) or _c['is_command'](sys.orig_argv)"
    " and _c['ask']({address!r}, {home!r})\n"
)


@contextlib.contextmanager
def warm(homes: list[Path], *, environ: Mapping[str, str]) -> Iterator[None]:
    """Start a server for each of the environments of tools `homes` that has none; end them after the block."""
    with contextlib.ExitStack() as stack:
        for home in homes:
            (packages,) = (home / "lib").glob("python*/site-packages")
            if not (packages / _HOOK).exists() and sys.platform == "linux":
                stack.enter_context(_server(home.resolve(), packages / _HOOK, environ))
        yield


@contextlib.contextmanager
def _server(home: Path, hook: Path, environ: Mapping[str, str]) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="w") as directory:  # the path of a socket must be short
        address = Path(directory) / "socket"
        process = subprocess.Popen(
            [str(home / "bin" / "python"), "-I", *map(str, (_HERE / "server.py", _HERE / "client.py", address))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**tool_environ(environ), **UTF_8},
            cwd=os.sep,
            start_new_session=True,
        )
        with process:  # which closes stdin, and waits
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            text = _HOOK_TEXT.format(client=str(_HERE / "client.py"), address=str(address), home=str(home))
            files.write_text(hook, text)
            yield
