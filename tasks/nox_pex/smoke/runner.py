"""Where a program under test runs: on this machine, in a copy of its own, or wherever else a `Runner` takes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nox_pex.errors import NoxPexError
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process import conditions
from nox_pex.smoke.process.program import Command, Program, RunningProgram, UnavailableError, clean_environment
from nox_pex.smoke.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class LaunchSpec:
    """One start of a program: its words, the settings' own variables, the files that it reads and writes.

    `stderr` is `stdout` when it is None.
    """

    boot: Boot
    args: tuple[str, ...]
    env: Mapping[str, str]
    stdout: Path
    stderr: Path | None = None
    stdin: Path = Path(os.devnull)


class Runner(Protocol):
    """Where the boots of one smoke test take place."""

    def prepare(self, boot: Boot) -> Path:
        """Makes what a boot needs; returns a directory of this machine for what is noted of it."""
        ...

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> RunningProgram:
        """Return a program that is ready to be started.

        `alongside` is a running program whose network or file systems the new one shares.
        """
        ...

    def explain(self, error: NoxPexError, program: RunningProgram) -> NoxPexError:
        """A failure of the start, in words that know more of the place where that is possible."""
        ...


@dataclass(frozen=True, kw_only=True)
class LocalRunner:
    """This machine: a copy of the binary in an empty directory, a scrubbed environment, what the condition confines.

    `size` is that of the binary in bytes; `shares_tmp` is whether a read-only boot may write to the workspace's `tmp`.
    """

    workspace: Workspace
    environ: Mapping[str, str]
    pass_env: tuple[str, ...]
    size: int
    shares_tmp: bool
    keep: bool

    def prepare(self, boot: Boot) -> Path:
        """The directory above that of the copy, which the copy's user may read."""
        state = self.workspace.state(boot.state)
        conditions.give_access(
            boot.condition,
            root=self.workspace.root,
            owned=(state.pex_root, self.workspace.tmp),
            readable=state.run,
        )
        return state.run.parent

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> RunningProgram:
        """The copy as a process of this machine."""
        state = self.workspace.state(launch.boot.state)
        env = clean_environment(
            self.environ,
            pass_env=self.pass_env,
            home=state.home,
            pex_root=state.pex_root,
            tmp=self.workspace.tmp,
        )
        env = {**conditions.environment(launch.boot.condition, env), **launch.env}
        confinement = conditions.confinement(
            launch.boot.condition,
            executable=state.executable,
            env=env,
            root=self.workspace.root,
            writable=self.workspace.tmp if self.shares_tmp else None,
            size=self.size,
            join=None if alongside is None else alongside.pid,
        )
        command = Command(
            argv=(str(state.executable), *launch.args),
            env=env,
            cwd=state.run,
            stdin=launch.stdin,
            stdout=launch.stdout,
            stderr=launch.stderr,
        )
        return Program(command, remove=None if self.keep else self.workspace.root, confinement=confinement)

    def explain(self, error: NoxPexError, program: RunningProgram) -> NoxPexError:  # noqa: ARG002  # nothing more is known
        """The failure as it is."""
        return error


@dataclass(frozen=True, kw_only=True)
class UnavailableRunner:
    """No place at all, for the `reason` that stands in the report: every condition is one that cannot be given."""

    reason: str

    def prepare(self, boot: Boot) -> Path:  # noqa: ARG002  # whichever it is
        """Raises `UnavailableError`."""
        raise UnavailableError(self.reason)

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> RunningProgram:  # noqa: ARG002  # likewise
        """Raises `UnavailableError`."""
        raise UnavailableError(self.reason)

    def explain(self, error: NoxPexError, program: RunningProgram) -> NoxPexError:  # noqa: ARG002  # nothing ran
        """The failure as it is."""
        return error
