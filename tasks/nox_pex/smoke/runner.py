"""Run the program under test: as a copy on this machine, or in another way that implements `Runner`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.smoke import by_hand
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process import conditions
from nox_pex.smoke.process.program import Command, Program, RunningProgram, clean_environment
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.secrets import Secrets

_CONFINED: Final = frozenset({"unprivileged", "read-only", "offline"})


class LaunchSpec(Struct, frozen=True, kw_only=True):
    """One launch of the program: its arguments, its additional variables, the files that it reads and writes.

    `stderr` None means that standard error goes to `stdout`.
    """

    boot: Boot
    args: tuple[str, ...]
    env: Mapping[str, str]
    stdout: Path
    stderr: Path | None = None
    stdin: Path = Path(os.devnull)


class Runner(Protocol):
    """Runs the boots of one smoke test."""

    def prepare(self, boot: Boot) -> Path:
        """Create what a boot needs. Return a directory of this machine for its logs."""
        ...

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> RunningProgram:
        """Return a program that is ready to be started.

        `alongside` is a running program whose network or file systems the new one shares.
        """
        ...

    def explain(self, error: NoxPexError, program: RunningProgram) -> NoxPexError:
        """Return an error that explains a failed start better, or `error` itself."""
        ...

    def by_hand(self, launch: LaunchSpec, secrets: Secrets) -> str:
        """Return a line for a shell that repeats the launch, without `secrets`; "" if there is none."""
        ...


class LocalRunner(Struct, frozen=True, kw_only=True):
    """Runs a copy of the binary on this machine: in an empty directory, with a clean environment, confined if needed.

    `size` is the size of the binary in bytes. `shares_tmp` says whether a read-only boot may write to the workspace's
    `tmp`. `keep` says whether the workspace is kept.
    """

    workspace: Workspace
    environ: Mapping[str, str]
    pass_env: tuple[str, ...]
    size: int
    shares_tmp: bool
    keep: bool

    def prepare(self, boot: Boot) -> Path:
        """Copy the binary, and return the directory above the copy, which the user of the program may read."""
        state = self.workspace.state(boot.state)
        conditions.give_access(
            boot.condition,
            root=self.workspace.root,
            tmp=self.workspace.tmp,
            pex_root=state.pex_root,
            run=self.workspace.run,
        )
        return state.base

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> RunningProgram:
        """Return the copy as a program of this machine."""
        state = self.workspace.state(launch.boot.state)
        env = clean_environment(
            self.environ,
            pass_env=self.pass_env,
            home=state.home,
            pex_root=state.pex_root,
            tmp=self.workspace.tmp,
        )
        env = {**conditions.environment(launch.boot.condition, env, scratch=state.base), **launch.env}
        confinement = conditions.confinement(
            launch.boot.condition,
            executable=self.workspace.executable,
            env=env,
            root=self.workspace.root,
            writable=self.workspace.tmp if self.shares_tmp else None,
            size=self.size,
            join=None if alongside is None else alongside.pid,
        )
        command = Command(
            argv=(str(self.workspace.executable), *launch.args),
            env=env,
            cwd=self.workspace.run,
            stdin=launch.stdin,
            stdout=launch.stdout,
            stderr=launch.stderr,
        )
        return Program(command, remove=None if self.keep else self.workspace.root, confinement=confinement)

    def explain(self, error: NoxPexError, program: RunningProgram) -> NoxPexError:  # noqa: ARG002  # nothing to add
        """Return `error`."""
        return error

    def by_hand(self, launch: LaunchSpec, secrets: Secrets) -> str:
        """Return a line that starts the binary itself. A condition that confines the program is only named."""
        condition = launch.boot.condition
        line = by_hand.program(
            self.workspace.binary,
            launch.args,
            env=launch.env,
            pass_env=[name for name in self.pass_env if name in self.environ],
            tmp=self.workspace.tmp,
            secrets=secrets,
            stdin=launch.stdin,
        )
        return f"{line} # without the limits of the condition {condition}" if condition in _CONFINED else line


class WithScie(Struct, frozen=True, kw_only=True):
    """Runs the boot of the scie with the runner `scie`, and all others with the runner `pex`."""

    pex: Runner
    scie: Runner

    def prepare(self, boot: Boot) -> Path:
        """Create what the boot needs."""
        return self._runner(boot).prepare(boot)

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> RunningProgram:
        """Return the scie or the PEX as a program."""
        return self._runner(launch.boot).create_program(launch, alongside=alongside)

    def explain(self, error: NoxPexError, program: RunningProgram) -> NoxPexError:
        """Return the error, explained by the runner of the PEX."""
        return self.pex.explain(error, program)

    def by_hand(self, launch: LaunchSpec, secrets: Secrets) -> str:
        """Return the line of the runner that starts the program."""
        return self._runner(launch.boot).by_hand(launch, secrets)

    def _runner(self, boot: Boot) -> Runner:
        return self.scie if boot.condition == "scie" else self.pex
