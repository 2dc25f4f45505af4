"""Runs a smoke test in containers. The engine starts each container in the foreground."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.image import smoke_settings
from nox_pex.image.engine import ContainerStart, Engine
from nox_pex.smoke import log
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import HERE, Network
from nox_pex.smoke.process.program import Command, Exit, ProcessInfo, Program, RunningProgram
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.command import Outcome, Shell
from nox_pex.system.secrets import Secrets

_ENGINE_FAILED: Final = 125
"""The exit status of `run` if the engine, not the program, failed (podman-run(1), docker-run(1))."""


_NOT_STARTED: Final = (126, 127)
"""The exit statuses of `run` if the program cannot be executed, or does not exist; a shell uses the same two."""


_PORT_TAKEN: Final = ("address already in use", "port is already allocated")
"""Texts that engines print if a port cannot be published."""


_LISTENING: Final = """\
import socket, struct
for table in ("/proc/net/tcp", "/proc/net/tcp6"):
    try:
        lines = open(table).read().splitlines()[1:]
    except OSError:
        continue
    for line in lines:
        fields = line.split()
        if fields[3] == "0A":
            address, port = fields[1].split(":")
            groups = [struct.pack("=I", int(address[i:i + 8], 16)) for i in range(0, len(address), 8)]
            family = socket.AF_INET if len(groups) == 1 else socket.AF_INET6
            print(socket.inet_ntop(family, b"".join(groups)), int(port, 16))
"""
"""Prints the address and port of each listening TCP socket in the container (proc(5))."""


_READABLE: Final = """\
import os, sys
for path in sys.argv[1:]:
    try:
        os.stat(path)
        print("" if os.access(path, os.R_OK) else path)
    except PermissionError:
        print(path)
    except OSError:
        pass
"""
"""Prints those of its arguments that are paths which the user cannot read."""


_LOOPBACK: Final = ("127.", "::1")


class ImageConfig(Struct, frozen=True, kw_only=True):
    """The configuration of an image: its id, its entry point, its user, and the path of its Python."""

    identity: str
    entrypoint: tuple[str, ...]
    user: str
    python: str


class ContainerRunner(Struct, frozen=True, kw_only=True):
    """The `Runner` of a smoke test whose boots run in containers.

    `published` maps ports of this machine, at its address `host`, to ports of the container. If `smoke_args`, the
    container starts with the arguments of the smoke test, otherwise with those of the image. If `shares_tmp`, the
    workspace's `tmp` is mounted. `pass_env` names the variables of `environ` that the program gets.
    """

    engine: Engine
    shell: Shell
    image: ImageConfig
    workspace: Workspace
    host: str
    published: Mapping[int, int]
    smoke_args: bool
    shares_tmp: bool
    environ: Mapping[str, str]
    pass_env: tuple[str, ...]
    keep: bool

    def prepare(self, boot: Boot) -> Path:
        """Create the directory for the logs and, if `{tmp}` is shared, let the container's user write to that."""
        directory = self.workspace.root / boot.state
        directory.mkdir(exist_ok=True)
        if self.shares_tmp:
            self.workspace.root.chmod(0o711)
            self.workspace.tmp.chmod(0o1777)
        return directory

    def create_program(self, launch: LaunchSpec, *, alongside: RunningProgram | None = None) -> RunningProgram:
        """Return a new container or, with `alongside`, another program in that container."""
        variables = self._write_variables(launch)
        if isinstance(alongside, RunningContainer):
            argv = self.engine.execute_argv(alongside.name, *self.image.entrypoint, *launch.args, variables=variables)
            return RunningContainer(self, alongside.name, self._command(launch, argv))
        name = f"{self.workspace.root.name}-{time.monotonic_ns()}"
        is_command = launch.stderr is not None  # a server writes both streams into one log
        start = ContainerStart(
            name=name,
            image=self.image.identity,
            arguments=launch.args if self.smoke_args or is_command else (),
            variables=variables,
            publish={} if is_command else {f"{self.host}:{port}": inner for port, inner in self.published.items()},
            shared=self.workspace.tmp if self.shares_tmp else None,
            interactive=is_command,
        )
        argv = self.engine.run_argv(start)
        return RunningContainer(self, name, self._command(launch, argv, cleanup=self.engine.remove_argv(name)))

    def by_hand(self, launch: LaunchSpec, secrets: Secrets) -> str:  # noqa: ARG002  # the image is run, not the binary
        """Return ""."""
        return ""

    def explain(self, error: NoxPexError, program: RunningProgram) -> NoxPexError:
        """Return a more exact error if the container is unreachable or unreadable, or its engine did not start it."""
        assert isinstance(program, RunningContainer)  # noqa: S101  # for the type checker: `create_program` returns no other
        if error.code == "startup-timeout":
            return self._unreachable(program) or error
        ended = program.exited()
        if error.code != "exited-early" or ended is None:
            return error
        lines = log.tail(program.output, self.shell.secrets)
        last = lines[-1] if lines else "it printed nothing"
        if ended.status == _ENGINE_FAILED:
            if any(phrase in line for line in lines for phrase in _PORT_TAKEN):
                remedy = 'stop what listens there, or write "{port}" for a free port'
                return NoxPexError("port-taken", f"{self.engine.name} cannot publish the port: {last}", remedy)
            problem = f"{self.engine.name} could not start the container: {last}"
            remedy = "make the engine's command work by hand (`--verbose` shows it), or see `image.engine-args`"
            return NoxPexError("engine-failed", problem, remedy, log=lines)
        return self._unreadable(ended, last) or error

    def listening(self, container: str) -> tuple[tuple[str, int], ...]:
        """Return the addresses and ports on which programs in a container listen; empty if that cannot be found out."""
        outcome = self.ask(self.engine.execute_argv(container, self.image.python, "-I", "-c", _LISTENING))
        fields = (line.split() for line in outcome.output.splitlines())
        return tuple((pair[0], int(pair[1])) for pair in fields if len(pair) == 2 and pair[1].isdecimal())  # noqa: PLR2004  # address and port

    def ask(self, argv: tuple[str, ...]) -> Outcome:
        """Run a short command of the engine."""
        return self.shell.run(argv, what=f"image: {self.engine.name}", env=self.shell.environ)

    def _unreachable(self, program: RunningContainer) -> NoxPexError | None:
        if program.exited() is not None:
            return None
        return smoke_settings.unreachable(self.published, self.listening(program.name))

    def _unreadable(self, ended: Exit, last: str) -> NoxPexError | None:
        """Return the error if the entry point cannot be read or started.

        Call it only for a container that ended early: later, a program may exit with the same statuses by itself.
        """
        paths = self.image.entrypoint
        argv = self.engine.run_once_argv(self.image.identity, self.image.python, "-I", "-c", _READABLE, *paths)
        outcome = self.ask(argv)
        unreadable = [line for line in outcome.output.splitlines() if line in paths]
        if unreadable:
            problem = f"user {self.image.user} of the image cannot read {unreadable[0]}"
            remedy = "copy it with a mode that everyone can read (0755), or set another `user`"
            return NoxPexError("image-unreadable", problem, remedy)
        if ended.status in _NOT_STARTED and "OCI" in last:
            problem = f"the container's program cannot be started: {last}"
            return NoxPexError("launch-failed", problem, "correct ENTRYPOINT in the Dockerfile")
        return None

    def _command(self, launch: LaunchSpec, argv: tuple[str, ...], *, cleanup: tuple[str, ...] = ()) -> Command:
        return Command(
            argv=argv,
            env=self.environ,  # for the engine's client only: none of it gets into the container
            cwd=self.workspace.root,
            stdin=launch.stdin,
            stdout=launch.stdout,
            stderr=launch.stderr,
            cleanup=cleanup,
        )

    def _write_variables(self, launch: LaunchSpec) -> Path:
        """Write the variables of a start into a file, and return its path; anyone could read them on a command line.

        Raises `NoxPexError` `config` if a value has several lines.
        """
        values = {name: self.environ[name] for name in self.pass_env if name in self.environ} | dict(launch.env)
        for name, value in values.items():
            if "\n" in value:
                problem = f"the value of {name} has several lines, but engines accept only one"
                raise NoxPexError("config", problem, "pass it to the program in a file")
        file = self.workspace.root / f"variables-{time.monotonic_ns()}"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), "utf-8")
        return file


@final
class RunningContainer:
    """A container, or another program in a running container, as a `RunningProgram`.

    `owns_port` is True: the engine holds its published port, so no other program can answer there.
    """

    owns_port: bool = True

    def __init__(self, runner: ContainerRunner, name: str, command: Command) -> None:
        self.name = name
        self._runner = runner
        self._command = command
        remove = None if runner.keep else runner.workspace.root
        self._program = Program(command, remove=remove, contain=False)  # the client leaves a monitor running on purpose

    @property
    def output(self) -> Path:
        """The file with its output."""
        return self._command.stdout

    @property
    def pid(self) -> int:
        """The process id of the engine's client."""
        return self._program.pid

    @property
    def started_at(self) -> float:
        """The time of its start, in seconds on the monotonic clock."""
        return self._program.started_at

    @property
    def network(self) -> Network:
        """This machine's network, in which the port is published."""
        return HERE

    @property
    def environment(self) -> Mapping[str, str]:
        """Nothing: what pex does in a container is not watched."""
        return {}

    @property
    def uncontained(self) -> None:
        """None: the engine gives every container a PID namespace."""
        return None

    def start(self) -> None:
        """Start it with the engine."""
        self._program.start()

    def exited(self, *, within: float = 0.0) -> Exit | None:
        """Return how its first process ended; None if it still runs after `within` seconds."""
        return self._program.exited(within=within)

    def signal(self, number: int) -> None:
        """Send a signal to its first process, as the engine's `stop` does."""
        self._runner.ask(self._runner.engine.kill_argv(self.name, number))

    def tree(self) -> tuple[ProcessInfo, ...]:
        """Return nothing: all processes in a container end with the first one, whose PID namespace they share."""
        return ()

    def owner(self, host: str, port: int) -> ports.Owner:
        """Return who answers at a published port: the program, if it listens on the container's port for that."""
        del host  # all ports are published at the same address
        inner = self._runner.published.get(port)
        listeners = self._runner.listening(self.name)
        return "ours" if any(number == inner and not a.startswith(_LOOPBACK) for a, number in listeners) else "nobody"

    def end(self) -> None:
        """Stop and remove it. Its memory is not measured."""
        self._program.end()


def image_config(description: Mapping[str, object], *, identity: str, python: str) -> ImageConfig:
    """Return an image's configuration from its engine's description."""
    config = description.get("Config")
    assert isinstance(config, dict)  # noqa: S101  # for the type checker: every image has one
    value = config.get("Entrypoint") or ()
    entrypoint = tuple(json.loads(value)) if isinstance(value, str) else tuple(value)
    return ImageConfig(identity=identity, entrypoint=entrypoint, user=str(config.get("User") or "0"), python=python)
