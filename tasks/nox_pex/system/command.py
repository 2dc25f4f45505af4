"""The one door through which nox-pex starts a tool: Poetry, pex, uv, a build backend.

The output is kept, and shown only where the tool fails or the user asked for it; every line is masked on its way.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from msgspec import Struct

from nox_pex.system.secrets import Secrets

TAIL: Final = 30
"""Lines of a failed tool's output that are shown."""


_KEPT: Final = 4000
"""Lines of a tool's output that are kept for the diagnosis, so that a chatty tool does not fill the memory."""


_HEARTBEAT: Final = 10.0
"""Seconds after which a tool that still runs is mentioned again."""


class Outcome(Struct, frozen=True, kw_only=True):
    """How a tool ended: its exit status, its output (stdout and stderr as they came, masked), seconds."""

    status: int
    output: str
    seconds: float

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines that say something, oldest first."""
        return tuple([line for line in self.output.splitlines() if line.strip()][-TAIL:])


class Shell(Struct, frozen=True, kw_only=True):
    """How tools are run: the user's environment, the secrets to mask, where a line to the user goes.

    `say` shows one line to the user. `verbose` shows the tools' full output as it comes.
    """

    environ: Mapping[str, str]
    secrets: Secrets
    say: Callable[[str], None]
    verbose: bool = False

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        what: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        hold: Sequence[int] = (),
    ) -> Outcome:
        """Run `argv` to its end with exactly the environment `env`.

        `what` names the step in what the user sees. `hold` are file descriptors that the tool inherits and never
        uses: a lock that must last as long as the tool, even where this process is killed before it.
        Raises `FileNotFoundError` or another `OSError` where the program cannot be started.
        """
        if self.verbose:
            self.say(self.secrets.mask(f"$ {subprocess.list2cmdline([os.fspath(word) for word in argv])}"))
        started = time.monotonic()
        process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=hold,
            umask=0o022,  # the bytes of what is built must not depend on the user's
        )
        kept: deque[str] = deque(maxlen=_KEPT)
        with _ended(process):
            for line in self._lines(process, what=what, started=started):
                masked = self.secrets.mask(line)
                kept.append(masked)
                if self.verbose:
                    self.say(f"  {masked}")
            status = process.wait()
        return Outcome(status=status, output="\n".join(kept), seconds=time.monotonic() - started)

    def _lines(self, process: subprocess.Popen[str], *, what: str, started: float) -> Iterator[str]:
        """The tool's output by line, with a heartbeat to the user where it lasts."""
        lines: SimpleQueue[str | None] = SimpleQueue()
        stdout = process.stdout
        assert stdout is not None  # noqa: S101  # for the type checker: it was asked for above

        def read() -> None:
            with contextlib.suppress(ValueError):  # closed under us, after the process was killed
                for line in stdout:
                    lines.put(line.rstrip("\r\n"))
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        beat = started + _HEARTBEAT
        while True:
            try:
                line = lines.get(timeout=max(0.0, beat - time.monotonic()))
            except Empty:
                self.say(f"{what} … {time.monotonic() - started:.0f} s")
                beat += _HEARTBEAT
                continue
            if line is None:
                return
            yield line


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """The process is over when the block is left, however it is left."""
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


def capture(
    argv: Sequence[str | os.PathLike[str]], *, cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """Run `argv`, a short question to a tool, to its end; its output is neither shown nor masked.

    Raises `OSError` if the program cannot be started.
    """
    return subprocess.run(argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, check=False)


def run_into(output: Path, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float) -> int | None:
    """Run `argv` to its end and append its output to the file `output`; `timeout` in seconds.

    Gives the exit status, or None if it was still running after `timeout` and was killed. Raises `OSError` if the
    program cannot be started.
    """
    with output.open("ab") as file:
        try:
            done = subprocess.run(
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    return done.returncode


class Clock(Struct, kw_only=True):
    """Seconds spent, by step."""

    seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the block's time under `name`."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)
