"""Start tools: Poetry, pex, uv, Git, build backends. Only `smoke.process` starts processes in another way.

`Shell.run` masks the secrets in a tool's output. The user sees that output only if the tool fails, or on request.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from msgspec import Struct

from nox_pex.system import outside_text
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import Line, Say, Work, working
from nox_pex.system.secrets import LineMasker, Secrets

if TYPE_CHECKING:
    import queue
    from queue import SimpleQueue
else:
    queue = lazy("queue")  # only needed for the output of a tool

TAIL: Final = 30
"""The number of lines that are shown from the end of a failed tool's output."""


_MAX_LINES: Final = 4000
"""The number of lines of a tool's output that are held in memory; a longer output loses its first lines."""


_POLL: Final = 0.01
"""Seconds after which `run_into` looks again whether its program has ended."""


_GRACE: Final = 0.25
"""Seconds that a program has to end by itself after Ctrl-C, which the terminal sends to it too."""


class Outcome(Struct, frozen=True, kw_only=True):
    r"""The end of a tool: its exit status, its masked output (stdout and stderr in one), the seconds that it took.

    In `output`, a byte that is not UTF-8 is `\xff`. Everything else is as the tool wrote it.
    """

    status: int
    output: str
    seconds: float

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of the output that are not blank, oldest first."""
        return tuple([line for line in outside_text.log_lines(self.output) if line.strip()][-TAIL:])


class Stopped(BaseException):
    """The work that a tool is for was stopped. Like `KeyboardInterrupt`, no handler of failures catches it."""


@final
class Stop:
    """Lets one thread end the tools that others run. It cannot be undone, so each piece of work has a separate one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._wake: list[Callable[[], None]] = []

    def stop(self) -> None:
        """End the tools that run, and let no other start: in their threads, `Shell.run` raises `Stopped`."""
        with self._lock:
            self._stopped = True
            waiting = tuple(self._wake)
        for wake in waiting:
            wake()

    def check(self) -> None:
        """Raise `Stopped` after `stop`."""
        if self._stopped:
            raise Stopped

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Let `stop` call `wake` during the block. Raises `Stopped` if it was called before."""
        with self._lock:
            self.check()
            self._wake.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wake.remove(wake)


class Shell(Struct, frozen=True, kw_only=True):
    """Runs tools for one user: with the user's `environ`, and with the `secrets` to mask in all output.

    `say` shows a message to the user. `verbose` shows each command line, and the tool's output as it comes. `overrides`
    are variables that every tool gets, even if its step passes other values. `stop` ends its tools from another thread.
    """

    environ: Mapping[str, str]
    secrets: Secrets
    say: Say
    verbose: bool = False
    overrides: Mapping[str, str] = {}
    stop: Stop | None = None

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        what: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        hold: Sequence[int] = (),
        watch: Callable[[str, Work], None] | None = None,
    ) -> Outcome:
        """Run `argv` until it ends, with exactly the environment `env` and `overrides`, and return its outcome.

        `what` names the work in the progress that the user sees. `watch` is called with each line of the output, not
        masked, and may show the progress of the work. `hold` are file descriptors that the tool inherits and
        does not use: those of locks that must last as long as the tool, even if this process is killed before it.
        Raises `FileNotFoundError` or another `OSError` if the program cannot be started, and `Stopped`.
        """
        stop = self.stop or Stop()
        stop.check()
        if self.verbose:
            self.say(self.secrets.mask(f"$ {subprocess.list2cmdline([os.fspath(argument) for argument in argv])}"))
        started = time.monotonic()
        process = subprocess.Popen(
            argv,
            env={**env, **self.overrides},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="backslashreplace",
            pass_fds=hold,
            umask=0o022,  # the modes of built files must not depend on the user's umask
        )
        output: deque[str] = deque(maxlen=_MAX_LINES)
        masker = LineMasker(self.secrets)
        lines: SimpleQueue[str | None] = queue.SimpleQueue()
        with working(self.say, what) as work, _ended_on_exit(process), stop.waking(lambda: lines.put(None)):
            for line in _lines(process, lines):
                output.append(line)
                if watch is not None:
                    watch(line, work)
                if self.verbose:
                    self._show(masker.feed(line))
            stop.check()
            self._show(masker.flush())
            status = process.wait()
        # All lines at once, because a secret may be in several.
        masked = "\n".join(self.secrets.mask_lines(output))
        return Outcome(status=status, output=masked, seconds=time.monotonic() - started)

    def _show(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(Line(text=f"  {outside_text.log_line(line)}", meaning="program"))


def _lines(process: subprocess.Popen[str], lines: SimpleQueue[str | None]) -> Iterator[str]:
    """Yield the lines of the tool's output, which a thread puts into `lines`; None ends them."""
    stdout = process.stdout
    assert stdout is not None  # noqa: S101  # for the type checker: `Shell.run` asks for a pipe

    def read() -> None:
        with contextlib.suppress(ValueError):  # `_ended_on_exit` has closed the pipe
            for line in stdout:
                lines.put(line.rstrip("\r\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (line := lines.get()) is not None:
        yield line


@contextlib.contextmanager
def _ended_on_exit(process: subprocess.Popen[str]) -> Iterator[None]:
    """End the process, if it still runs, when the block ends or raises."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=2.0)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@final
class Question:
    """A short question to a tool, which answers while the caller does something else.

    The answer is neither shown nor masked. If nobody waits for it, the tool ends together with this object. `given` is
    the text on its standard input.
    Raises `OSError` if the program cannot be started.
    """

    _process: subprocess.Popen[bytes] | None = None

    def __init__(
        self, argv: Sequence[str | os.PathLike[str]], *, cwd: Path, env: Mapping[str, str], given: bytes | None = None
    ) -> None:
        pipe = subprocess.PIPE
        stdin = subprocess.DEVNULL if given is None else pipe
        self._given = given
        self._process = subprocess.Popen(argv, cwd=cwd, env=dict(env), stdin=stdin, stdout=pipe, stderr=pipe)

    def answer(self, *, timeout: float | None = None, most: int | None = None) -> subprocess.CompletedProcess[bytes]:
        """Wait until the tool ends, and return its answer, once.

        Raises `TimeoutError` after `timeout` seconds, and `OverflowError` after more than `most` bytes of output; then
        the tool is killed. With `most`, the text on its standard input must fit into a pipe.
        """
        process, self._process = self._process, None
        assert process is not None  # noqa: S101  # for the type checker: there is one answer
        with process:
            try:
                if most is None:
                    stdout, stderr = process.communicate(self._given, timeout=timeout)
                else:
                    stdout, stderr = _bounded(process, self._given, timeout=timeout, most=most)
            except BaseException as error:
                process.kill()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise TimeoutError(str(error)) from error
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def __del__(self) -> None:
        if (process := self._process) is not None:
            with process:
                process.kill()


def _bounded(
    process: subprocess.Popen[bytes], given: bytes | None, *, timeout: float | None, most: int
) -> tuple[bytes, bytes]:
    """Do what `Popen.communicate` does, for at most `most` bytes. Raises `OverflowError` and `TimeoutExpired`."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(given or b"")
    deadline = None if timeout is None else time.monotonic() + timeout
    output: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    with selectors.DefaultSelector() as selector:
        for name in output:
            selector.register(getattr(process, name), selectors.EVENT_READ, data=name)
        while selector.get_map():
            ready = selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(process.args, timeout or 0.0)
            for key, _ in ready:
                piece = os.read(key.fd, most + 1)
                output[key.data] += piece
                if not piece:
                    selector.unregister(key.fileobj)
            if sum(map(len, output.values())) > most:
                msg = f"more than {most} bytes of output"
                raise OverflowError(msg)
    process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    return bytes(output["stdout"]), bytes(output["stderr"])


def capture(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float | None = None,
    given: bytes | None = None,
    most: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run `argv`, as a `Question`, until it ends.

    Raises `OSError` if the program cannot be started, `TimeoutError` after `timeout` seconds, and `OverflowError` after
    more than `most` bytes of output.
    """
    return Question(argv, cwd=cwd, env=env, given=given).answer(timeout=timeout, most=most)


def run_into(
    output: Path,
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    in_child: Callable[[], None] | None = None,
) -> int | None:
    """Run `argv` until it ends and append its output to the file `output`; `timeout` is in seconds.

    Returns the exit status, or None if the program was still running after `timeout` and was killed. Raises `OSError`
    if the program cannot be started. `sleep` waits for a number of seconds. If it raises, the program is killed too,
    but after a `KeyboardInterrupt` it first has `_GRACE` seconds to end by itself. `in_child` is called in the new
    process before it becomes the program.
    """
    with output.open("ab") as file:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            preexec_fn=in_child,  # noqa: PLW1509  # `die_with` takes no lock that another thread may have
        )
    deadline = time.monotonic() + timeout
    try:
        # Not `process.wait(timeout)`: a handler that raises in it can leave it with a lock that the next `wait` needs.
        while process.poll() is None:
            if time.monotonic() > deadline:
                return None
            sleep(_POLL)
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        raise
    finally:
        process.kill()  # does nothing if the program has ended
        process.wait()
    return process.returncode


class Clock(Struct, frozen=True, kw_only=True):
    """Counts the seconds that are spent, by the name of a step."""

    seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time of the block to that of the step `name`."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)
