"""Runs the programs of one Python in forks: `python [-I] server.py CLIENT ADDRESS`, see `client.py`.

The first programs run without any preparation, and say which modules they have imported. The server imports these for
all later programs, with the variables of the first one. Only a program with the same variables is run, except for those
that a tool reads when it needs them. The server ends when its stdin is closed.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import fcntl
import gc
import importlib
import marshal
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import types
from pathlib import Path
from typing import Any, NoReturn

LATE = (
    *("PWD", "OLDPWD", "SHLVL", "_", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"),
    "GIT_OPTIONAL_LOCKS",
)
"""Variables that tools read only when they need them."""

LATE_PREFIXES = ("NOX_", "VIRTUALENV_", "POETRY_", "PIP_", "UV_")

EARLY = ("POETRY_CONFIG_DIR", "POETRY_DATA_DIR", "POETRY_HOME")
"""Variables that `poetry.locations` reads when it is imported."""

LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")
"""Variables that choose the encoding of a Python: the first one that is set."""

MAX_FDS = 253
FEW = 20
"""The number of modules for which it is not worth to tell the server."""


class Server:
    """Answers at the Unix socket `address`; `client` is the module `client.py`."""

    def __init__(self, client: Any, address: Path) -> None:
        self.client, self.address = client, address
        self.surroundings = client.surroundings()
        self.environ: dict[str, str] | None = None

    def serve(self) -> None:
        """Answer until stdin is closed."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks that answer
        with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
            listener.bind(str(self.address))
            listener.listen(64)
            selector.register(sys.stdin, selectors.EVENT_READ)
            selector.register(listener, selectors.EVENT_READ)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            while all(key.fileobj is listener for key, _ in selector.select()):
                connection, _ = listener.accept()
                self.learn()
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # before the program starts, which may end at once
                    with contextlib.suppress(OSError):  # the client was killed
                        self.answer(connection)
                    os._exit(0)
                connection.close()

    def learn(self) -> None:
        """Import the modules that earlier programs imported."""
        for report in sorted(self.address.parent.glob("imported.*")):
            environ, names = marshal.loads(report.read_bytes())  # noqa: S302  # a fork of this process wrote it
            report.unlink()
            if self.environ is None:
                self.environ = environ
                os.environ.clear()
                os.environ.update(environ)
            for name in names:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
            tempfile.tempdir = None
            gc.collect()
            gc.freeze()

    def answer(self, connection: socket.socket) -> None:
        """Run the program that a client asks for, and tell it its end."""
        head, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(4 * MAX_FDS))
        received = array.array("i")
        for _, _, payload in ancillary:
            received.frombytes(payload)
        with connection.makefile("rb") as stream:
            request = marshal.loads(stream.read(int.from_bytes(head, "big")))  # noqa: S302  # a program of the same user
        if not self.can_run(request) or len(received) != len(request["numbers"]):
            connection.sendall(b"n")
            return
        connection.sendall(b"y")
        child = os.fork()
        if child == 0:
            try:
                connection.close()
                self.become(request, list(received))
            finally:  # it has not even begun
                os._exit(1)
        for descriptor in received:
            os.close(descriptor)
        ended = os.pidfd_open(child)
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            if ended not in [key.fileobj for key, _ in selector.select()]:  # the client was killed
                with contextlib.suppress(ProcessLookupError):  # it has no group yet
                    os.killpg(child, signal.SIGKILL)
                os.kill(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.sendall(status.to_bytes(4, "big", signed=True))

    def can_run(self, request: dict[str, Any]) -> bool:
        """Whether a fork of this process is what the program would be."""
        if request["surroundings"] != self.surroundings:
            return False
        mine, isolated = self.environ, request["isolated"]
        return mine is None or early(request["env"], isolated=isolated) == early(mine, isolated=isolated)

    def become(self, request: dict[str, Any], received: list[int]) -> NoReturn:
        """Be the program of the request, and end."""
        before = set(sys.modules)
        os.setsid()
        take_descriptors(received, request["numbers"])
        os.umask(request["umask"])
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        time.tzset()
        sys.orig_argv, sys.executable = request["argv"], request["executable"]
        if not request["isolated"]:
            sys.path[0] = request["cwd"]
        if "pex.variables" in sys.modules:
            sys.modules["pex.variables"].ENV.__init__()  # it was made from the variables of the server
        status = run(*request["arguments"])
        with contextlib.suppress(OSError):
            self.report(request["env"], before)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)

    def report(self, environ: dict[str, str], before: set[str]) -> None:
        """Write which modules of the tool and of Python the program has imported."""
        homes = (os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix))
        names = [
            name
            for name, module in list(sys.modules.items())
            if name not in before
            and not name.endswith("__main__")
            and os.path.realpath(getattr(module, "__file__", None) or "/").startswith(homes)
        ]
        if len(names) > FEW:
            new = self.address.parent / f"new.{os.getpid()}"
            new.write_bytes(marshal.dumps((environ, names)))
            new.rename(self.address.parent / f"imported.{os.getpid()}")


def early(environ: dict[str, str], *, isolated: bool) -> dict[str, str]:
    """Return the variables that Python may read when it starts, or a module while it is imported."""
    late = (*LATE_PREFIXES, "PYTHON") if isolated else LATE_PREFIXES
    read = {
        name: value
        for name, value in environ.items()
        if name in EARLY or not (name in LATE or name in LOCALE or name.startswith(late))
    }
    return {**read, "locale": next(filter(None, map(environ.get, LOCALE)), "C")}


def take_descriptors(received: list[int], numbers: list[int]) -> None:
    """Give the descriptors `received` these `numbers`, and close all others."""
    above = max([*numbers, *received, 2]) + 1
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above) for descriptor in received]
    os.closerange(0, above)
    for descriptor, number in zip(moved, numbers, strict=True):
        os.dup2(descriptor, number)
    os.closerange(above, max(moved, default=above) + 1)


def run(*arguments: str) -> int:
    """Run a program as the interpreter does with these arguments; return its exit status."""
    option, *rest = arguments
    status = 0
    try:
        if option == "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif option == "-c":
            sys.argv = ["-c", *rest[1:]]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(rest[0], "<string>", "exec"), main.__dict__)  # noqa: S102  # as the interpreter does
        else:
            sys.argv = [option, *rest]
            runpy.run_path(option, run_name="__main__")
    except SystemExit as error:
        status = 0 if error.code is None else 1
        if isinstance(error.code, int):
            status = error.code & 0xFF
        elif error.code is not None:
            sys.stderr.write(f"{error.code}\n")
    except BaseException as error:  # noqa: BLE001  # it ends the program
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # `os._exit` waits for no thread
    atexit._run_exitfuncs()  # noqa: SLF001  # and calls none of these
    return status


if __name__ == "__main__":
    client = types.ModuleType("client")
    exec(compile(Path(sys.argv[1]).read_text("utf-8"), sys.argv[1], "exec"), client.__dict__)  # noqa: S102  # our file
    Server(client, Path(sys.argv[2])).serve()
