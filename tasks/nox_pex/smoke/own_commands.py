"""Run the commands of `before`, `after`, `before-all` and `after-all`."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.errors import Code, NoxPexError
from nox_pex.smoke import by_hand, whole_log
from nox_pex.smoke.checks.texts import without_middle
from nox_pex.smoke.log import Log
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.system import limited, log_excerpt
from nox_pex.system.command import run_into
from nox_pex.system.messages import Say
from nox_pex.system.secrets import Secrets

_ESSENCE: Final = 120
"""The number of characters of a command in the sentence of a failure."""


class OwnCommands(Struct, frozen=True, kw_only=True):
    """Runs the user's own commands, such as the start script of a database, in the directory `project`.

    They get the environment of the session, and the `variables` of the smoke test. What they leave running is not
    ended, but a command itself is, even if this process is killed. `binary` is the name of the binary under test.
    `timeout` is in seconds, for each command. `logs` is the directory for their output. `tmp` is the value of the token
    `{tmp}`, None if there is none.
    """

    binary: str
    project: Path
    environ: Mapping[str, str]
    variables: Mapping[str, str]
    tmp: Path | None
    timeout: float
    logs: Path
    secrets: Secrets
    say: Say
    interrupts: Interrupts

    def run(self, key: str, commands: tuple[tuple[str, ...], ...], *, code: Code, name: str = "") -> NoxPexError | None:
        """Run the commands of `key` up to the first that fails. Return the failure, with the error code `code`.

        `name` is the condition for which they run, if it is for one.
        """
        if not commands:
            return None
        with contextlib.closing(Log.create(self.logs / f"{name}{key}.log", title=key)) as output:
            return self._run(key, commands, output, code=code, name=name)

    def _run(
        self, key: str, commands: tuple[tuple[str, ...], ...], output: Log, *, code: Code, name: str
    ) -> NoxPexError | None:
        label = f"{name}: {key}" if name else key
        for command in commands:
            line = " ".join(command)
            self.say(f"{label}: {line}")
            problem = self._problem(command, output.path)
            if problem is not None:
                return self._failure(key, command, problem, output, code=code, name=name)
        return None

    def _failure(
        self, key: str, command: tuple[str, ...], got: str, output: Log, *, code: Code, name: str
    ) -> NoxPexError:
        line = self.secrets.mask(" ".join(command))  # before it is cut: a part of a secret is not masked
        where = f"{name}: " if name else ""
        failed = NoxPexError(
            code,
            f"{where}`{key}` command {without_middle(line, _ESSENCE)!r} failed: {got}",
            f"run it by hand in {self.project.name}",
            subject=f"{self.binary}{f', {name}' if name else ''}: `{key}`",
            rows=(("command", line), ("got", got), *((("its log", "is empty"),) if not output.size() else ())),
            by_hand=by_hand.own_command(
                command, env=self.variables, project=self.project, tmp=self.tmp, secrets=self.secrets
            ),
        )
        whole = whole_log.text([output], self.secrets)
        return failed.masked(self.secrets.mask).replaced(
            log=output.tail(self.secrets),
            cause=log_excerpt.excerpt(output.end(self.secrets)),
            whole_log=whole,
            log_count=whole_log.count(whole),
        )

    def _problem(self, command: tuple[str, ...], output: Path) -> str | None:
        try:
            status = run_into(
                output,
                command,
                cwd=self.project,
                env={**self.environ, **self.variables},
                timeout=self.timeout,
                sleep=lambda seconds: self.interrupts.interruptible(time.sleep, seconds),
                in_child=functools.partial(limited.die_with, os.getpid()),
            )
        except OSError as error:
            return error.strerror
        if status is None:
            return f"still running after {self.timeout:g} s (`before-timeout`), so it was killed"
        return f"exit status {status}" if status else None
