"""Runs a smoke test in root file systems made of the layers of an image."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.image import smoke_settings
from nox_pex.image.root_file_system import container
from nox_pex.image.root_file_system.directories import RootDirectories
from nox_pex.image.root_file_system.image import ContainerImage
from nox_pex.image.root_file_system.user import ImageUser
from nox_pex.oci.layer_stream import LayerError
from nox_pex.oci.root_tree import RootTree
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import Network
from nox_pex.smoke.process.program import (
    Command,
    Exit,
    ProcessInfo,
    Program,
    RunningProgram,
    UnavailableError,
)
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.secrets import Secrets

_PLACE: Final = "root"


_FIRST_LINE: Final = 256
"""Bytes that the kernel reads of the first line of a script."""


_LARGEST_SCRIPT: Final = 1 << 30


class RootRunner(Struct, frozen=True, kw_only=True):
    """The `Runner` of a smoke test whose boots run in root file systems, as `ContainerRunner` runs them in containers.

    `tree` is the tree of the image's layers. `published` maps the ports that are asked to ports of the container. If
    `smoke_args`, the container starts with the arguments of the smoke test, otherwise with those of the image. If
    `shares_tmp`, the workspace's `tmp` is mounted. `pass_env` names the variables of `environ` that the program gets.
    With a `private_network`, the program reaches only itself.
    """

    image: ContainerImage
    user: ImageUser
    tree: RootTree
    directories: RootDirectories
    workspace: Workspace
    published: Mapping[int, int]
    smoke_args: bool
    shares_tmp: bool
    environ: Mapping[str, str]
    pass_env: tuple[str, ...]
    private_network: bool
    keep: bool

    def prepare(self, boot: Boot) -> Path:
        """Create the directory for the logs and, if `{tmp}` is shared, let the container's user write to that."""
        directory = self.workspace.root / boot.state
        for each in (directory, self.workspace.root / _PLACE):
            each.mkdir(exist_ok=True)
        if self.shares_tmp:
            self.workspace.root.chmod(0o711)
            self.workspace.tmp.chmod(0o1777)
        return directory

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> RunningProgram:
        """Return a new container or, with `alongside`, another program in that container."""
        return RootProgram(self, launch, join=None if alongside is None else alongside.pid)

    def program(self, launch: LaunchSpec, *, join: int | None) -> Program:
        """Return the program, with the directories as they are now."""
        config = self.image.config.container
        is_command = launch.stderr is not None  # a server writes both streams into one log
        passed = {name: self.environ[name] for name in self.pass_env if name in self.environ}
        arguments = launch.args if self.smoke_args or is_command else ()
        without_command = config if join is None else msgspec.structs.replace(config, cmd=None)
        command = Command(
            argv=container.argv(without_command, arguments),  # as `exec` of an engine: without that of the image
            env=container.variables(config, self.user, passed | dict(launch.env)),
            cwd=Path("/"),  # the confinement changes to that of the container
            stdin=launch.stdin,
            stdout=launch.stdout,
            stderr=launch.stderr,
        )
        confinement = container.confinement(
            self.directories,
            config,
            self.user,
            place=self.workspace.root / _PLACE,
            shared=(self.workspace.tmp,) if self.shares_tmp else (),
            private_network=self.private_network,
            join=join,
        )
        remove = None if self.keep else self.workspace.root
        return Program(command, remove=remove, confinement=confinement, not_started=self.not_started)

    def by_hand(self, launch: LaunchSpec, secrets: Secrets) -> str:  # noqa: ARG002  # the image is run, not the binary
        """Return ""."""
        return ""

    def explain(self, error: NoxPexError, program: RunningProgram) -> NoxPexError:
        """Return a more exact error if the program is unreachable, or if its user cannot read it."""
        if error.code == "startup-timeout":
            return self._unreachable(program) or error
        return (self.unreadable() or error) if error.code == "exited-early" else error

    def not_started(self, program: Path, number: int, reason: str) -> NoxPexError:
        """Return the error for a program of the image that execve(2) refused."""
        if number == errno.EACCES and (forbidden := self.forbidden()) is not None:
            return forbidden
        cause, path = reason, str(program)
        if number == errno.ENOENT and self.tree.file(path) is not None:
            cause = f"its interpreter {self._interpreter(path)} is not in the image"
        elif number == errno.ENOENT:
            cause = "it is not in the image"
        elif number == errno.ENOEXEC:
            cause = "it is damaged, or built for another system"
        return _not_started(path, cause)

    def forbidden(self) -> NoxPexError | None:
        """Return the error if the user may not read a file that the entry point names, or execute the first one."""
        first = next(iter(self.image.config.container.entrypoint or ()), "")
        error = self.unreadable()
        if error is None and first.startswith("/") and not self.user.can_execute(self.tree, first):
            error = _not_started(first, f"user {self.user.text} of the image may not execute it")
        return error

    def unreadable(self) -> NoxPexError | None:
        """Return the error if the user cannot read a file that the entry point names."""
        entry_point = self.image.config.container.entrypoint or ()
        for path in (path for path in entry_point if path.startswith("/")):
            if not self.user.can_read(self.tree, path):
                problem = f"user {self.user.text} of the image cannot read {path}"
                remedy = "copy it with a mode that everyone can read (0755), or set another `user`"
                return NoxPexError("image-unreadable", problem, remedy)
        return None

    def _unreachable(self, program: RunningProgram) -> NoxPexError | None:
        if program.exited() is not None:
            return None
        addresses = ports.listening_addresses([each.pid for each in program.tree()], program.network)
        listening = [address.rpartition(":")[::2] for address in addresses]
        return smoke_settings.unreachable(self.published, [(host.strip("[]"), int(port)) for host, port in listening])

    def _interpreter(self, path: str) -> str:
        """Return the interpreter that the first line of a script names."""
        try:
            data = self.tree.read(path, largest=_LARGEST_SCRIPT) or b""
        except (LayerError, OSError):
            return "(of its ELF header)"
        first = data[:_FIRST_LINE].partition(b"\n")[0]
        return first[2:].decode("utf-8", "replace").strip() if first.startswith(b"#!") else "(of its ELF header)"


def _not_started(program: str, cause: str) -> NoxPexError:
    problem = f"the container's program {program} cannot be started: {cause}"
    return NoxPexError("launch-failed", problem, "choose a base that has what the program needs")


@final
class RootProgram:
    """A container without an engine, or another program in it, as a `RunningProgram`."""

    owns_port: bool = False

    def __init__(self, runner: RootRunner, launch: LaunchSpec, *, join: int | None) -> None:
        self._runner = runner
        self._launch = launch
        self._join = join
        self._program = runner.program(launch, join=join)

    @property
    def pid(self) -> int:
        """The process id, on this machine, of its first process."""
        return self._program.pid

    @property
    def started_at(self) -> float:
        """The time of its start, in seconds on the monotonic clock."""
        return self._program.started_at

    @property
    def network(self) -> Network:
        """This machine's network or the private one, with the published ports."""
        return msgspec.structs.replace(self._program.network, published=self._runner.published)

    @property
    def environment(self) -> Mapping[str, str]:
        """Nothing: what pex does in a container is not watched."""
        return {}

    @property
    def uncontained(self) -> None:
        """None: it always has a PID namespace."""
        return None

    def start(self) -> None:
        """Start it. If the kernel cannot join directories, all layers are unpacked into one directory first.

        Raises as `Program.start` does, and `NoxPexError` `image-unreadable` if the user could not read the program in a
        real container: an ordinary user owns all files here.
        """
        forbidden = None if self._runner.directories.as_root else self._runner.forbidden()
        if forbidden is not None:
            raise forbidden
        try:
            self._program.start()
        except UnavailableError as refusal:
            if not self._runner.directories.can_do_without(refusal):
                raise
            self._program.end()
            self._program = self._runner.program(self._launch, join=self._join)
            self._program.start()

    def exited(self, *, within: float = 0.0) -> Exit | None:
        """Return how its first process ended; None if it still runs after `within` seconds."""
        return self._program.exited(within=within)

    def signal(self, number: int) -> None:
        """Send a signal to its first process."""
        self._program.signal(number)

    def tree(self) -> tuple[ProcessInfo, ...]:
        """Return its living processes, by their ids on this machine."""
        return self._program.tree()

    def owner(self, host: str, port: int) -> ports.Owner:
        """Return who answers at a published port: the program, if it listens on more than the container's loopback."""
        del host  # all ports are published at the same address
        inner = self._runner.published.get(port, port)
        return ports.published_owner(inner, lambda: [each.pid for each in self.tree()], self.network)

    def end(self) -> int:
        """Kill its remaining processes, and return its highest resident bytes."""
        return self._program.end()
