"""A container as the place of a smoke test: started by its engine in the foreground, as its operator would."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from nox_pex.errors import NoxPexError
from nox_pex.image.engine import ContainerStart, Engine
from nox_pex.smoke import log
from nox_pex.smoke.place import Launch
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import HERE, Network
from nox_pex.smoke.process.program import Command, Exit, ProcessInfo, Program, Running
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.command import Outcome, Shell

_ENGINE_FAILED: Final = 125
"""The exit status of `run` where not the program but the engine failed (podman-run(1), docker-run(1))."""


_NOT_STARTED: Final = (126, 127)
"""That of a program which may not be executed, and of one that is not there; a shell has the same two."""


_TAKEN: Final = ("address already in use", "port is already allocated")


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
            words = [struct.pack("=I", int(address[i:i + 8], 16)) for i in range(0, len(address), 8)]
            family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
            print(socket.inet_ntop(family, b"".join(words)), int(port, 16))
"""
"""Prints each address on which anything in the container listens, and the port."""


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
"""Prints those of its words that are paths which this user may not read."""


_LOOPBACK: Final = ("127.", "::1")


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """An image that was built: its id, what its container starts, its user, and the Python in it."""

    identity: str
    entrypoint: tuple[str, ...]
    user: str
    python: str


@dataclass(frozen=True, kw_only=True)
class ContainerPlace:
    """The containers of one smoke test, as a `Place`.

    `published` has the ports of this machine and the container's port for each, and `host` is this machine's address
    for them. `words` is whether the settings' words are the command line rather than the image's own. `pass_env` names
    variables of `environ` that get through.
    """

    engine: Engine
    shell: Shell
    image: ImageConfig
    workspace: Workspace
    host: str
    published: Mapping[int, int]
    words: bool
    shares_tmp: bool
    environ: Mapping[str, str]
    pass_env: tuple[str, ...]
    keep: bool

    def prepared(self, boot: Boot) -> Path:
        """A directory for the logs; where `{tmp}` is shared, the container's user may write to it."""
        directory = self.workspace.root / boot.state
        directory.mkdir(exist_ok=True)
        if self.shares_tmp:
            self.workspace.root.chmod(0o711)
            self.workspace.tmp.chmod(0o1777)
        return directory

    def program(self, launch: Launch, *, beside: Running | None = None) -> Running:
        """A new container; with `beside`, one more program in that one."""
        variables = self._variables(launch)
        if isinstance(beside, RunningContainer):
            argv = self.engine.execute(beside.name, *self.image.entrypoint, *launch.args, variables=variables)
            return RunningContainer(self, beside.name, self._command(launch, argv))
        name = f"{self.workspace.root.name}-{time.monotonic_ns()}"
        command = launch.stderr is not None  # a server writes all into one log
        start = ContainerStart(
            name=name,
            image=self.image.identity,
            words=launch.args if self.words or command else (),
            variables=variables,
            publish={} if command else {f"{self.host}:{port}": inner for port, inner in self.published.items()},
            shared=self.workspace.tmp if self.shares_tmp else None,
            interactive=command,
        )
        argv = self.engine.run(start)
        return RunningContainer(self, name, self._command(launch, argv, farewell=self.engine.remove(name)))

    def explained(self, error: NoxPexError, program: Running) -> NoxPexError:
        """What only a container can be: unreachable, unreadable, or not started at all by its engine."""
        assert isinstance(program, RunningContainer)  # noqa: S101  # for the type checker: `program` above makes no other
        if error.code == "startup-timeout":
            return self._unreachable(program) or error
        ended = program.exited()
        if error.code != "exited-early" or ended is None:
            return error
        said = log.tail(program.output, self.shell.secrets)
        last = said[-1] if said else "it says nothing"
        if ended.status == _ENGINE_FAILED:
            if any(words in line for line in said for words in _TAKEN):
                remedy = 'end what listens there, or write "{port}" for a free one'
                return NoxPexError("port-taken", f"{self.engine.name} cannot publish the port: {last}", remedy)
            problem = f"{self.engine.name} could not start the container: {last}"
            remedy = "make it work by hand (`--verbose` shows the line), or see `image.engine-args`"
            return NoxPexError("engine-failed", problem, remedy, log=said)
        return self._unreadable(ended, last) or error

    def listening(self, container: str) -> tuple[tuple[str, int], ...]:
        """The addresses, and ports, on which anything in a container listens; none where it cannot be asked."""
        outcome = self.ask(self.engine.execute(container, self.image.python, "-I", "-c", _LISTENING))
        found = (line.split() for line in outcome.output.splitlines())
        return tuple((line[0], int(line[1])) for line in found if len(line) == 2 and line[1].isdecimal())  # noqa: PLR2004

    def ask(self, argv: tuple[str, ...]) -> Outcome:
        """Runs the engine for a moment."""
        return self.shell.run(argv, what=f"image: {self.engine.name}", env=self.shell.environ)

    def _unreachable(self, program: RunningContainer) -> NoxPexError | None:
        if program.exited() is not None:
            return None
        addresses = self.listening(program.name)
        reachable = {port for address, port in addresses if not address.startswith(_LOOPBACK)}
        if not self.published or reachable.issuperset(self.published.values()):
            return None  # it is there, and answers otherwise than it should
        missing = ", ".join(str(port) for port in sorted({*self.published.values()} - reachable))
        inside = ", ".join(f"{address} port {port}" for address, port in addresses[:3])
        problem = f"port {missing} of the container cannot be reached: in there it listens on {inside or 'nothing'}"
        remedy = "let it listen on 0.0.0.0 ({host}, in `smoke.args`) and on the port that `expose` names"
        return NoxPexError("port-unreachable", problem, remedy)

    def _unreadable(self, ended: Exit, last: str) -> NoxPexError | None:
        """Asked only of a container that did not get far: a program may end with these statuses by itself."""
        asked = (*self.image.entrypoint,)
        outcome = self.ask(self.engine.run_once(self.image.identity, self.image.python, "-I", "-c", _READABLE, *asked))
        files = [line for line in outcome.output.splitlines() if line in asked]
        if files:
            problem = f"user {self.image.user} of the image may not read {files[0]}"
            remedy = "copy it with a mode that all may read (0755), or set another `user`"
            return NoxPexError("image-unreadable", problem, remedy)
        if ended.status in _NOT_STARTED and "OCI" in last:
            problem = f"the container's program cannot be started: {last}"
            return NoxPexError("launch-failed", problem, "see ENTRYPOINT in the file that was built")
        return None

    def _command(self, launch: Launch, argv: tuple[str, ...], *, farewell: tuple[str, ...] = ()) -> Command:
        return Command(
            argv=argv,
            env=self.environ,  # the engine's client finds its engine by it; nothing of it is in the container
            cwd=self.workspace.root,
            stdin=launch.stdin,
            stdout=launch.stdout,
            stderr=launch.stderr,
            farewell=farewell,
        )

    def _variables(self, launch: Launch) -> Path:
        """A file with the variables of a start: on a command line everybody could read them."""
        values = {name: self.environ[name] for name in self.pass_env if name in self.environ} | dict(launch.env)
        for name, value in values.items():
            if "\n" in value:
                problem = f"the value of {name} has several lines, and engines take variables of one line"
                raise NoxPexError("config", problem, "give it to the program as a file")
        file = self.workspace.root / f"variables-{time.monotonic_ns()}"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), "utf-8")
        return file


@final
class RunningContainer:
    """A container, or one more program in one that runs already, as a `Running` program.

    Nobody else can answer at its published port: the engine holds that for it.
    """

    attested: bool = True

    def __init__(self, site: ContainerPlace, name: str, command: Command) -> None:
        self.name = name
        self._site = site
        self._command = command
        self._program = Program(command, remove=None if site.keep else site.workspace.root)

    @property
    def output(self) -> Path:
        """The file with all that it printed."""
        return self._command.stdout

    @property
    def pid(self) -> int:
        """The process id of the engine's client."""
        return self._program.pid

    @property
    def started_at(self) -> float:
        """Seconds on the monotonic clock."""
        return self._program.started_at

    @property
    def network(self) -> Network:
        """This machine's: the port is published there."""
        return HERE

    def start(self) -> None:
        """Lets the engine start it."""
        self._program.start()

    def exited(self, *, within: float = 0.0) -> Exit | None:
        """How its first process ended, as soon as it has; None when it has not, `within` so many seconds."""
        return self._program.exited(within=within)

    def signal(self, number: int) -> None:
        """Sends a signal to its first process, as the engine's `stop` does."""
        self._site.ask(self._site.engine.kill(self.name, number))

    def tree(self) -> tuple[ProcessInfo, ...]:
        """Nothing to name: whatever runs in it ends with its first process, whose namespace it is."""
        return ()

    def owner(self, host: str, port: int) -> ports.Owner:
        """Whose listener a connection to a published address would meet: the program's, where it listens inside."""
        del host  # it is the one that all ports are published at
        inner = self._site.published.get(port)
        listeners = self._site.listening(self.name)
        return "ours" if any(number == inner and not a.startswith(_LOOPBACK) for a, number in listeners) else "nobody"

    def end(self) -> None:
        """Removes it; its memory is the engine's to tell."""
        self._program.end()


def image_config(described: Mapping[str, object], *, identity: str, python: str) -> ImageConfig:
    """An image from what its engine says of it."""
    config = described.get("Config")
    assert isinstance(config, dict)  # noqa: S101  # every image has one
    entry = config.get("Entrypoint") or ()
    words = tuple(json.loads(entry)) if isinstance(entry, str) else tuple(entry)
    return ImageConfig(identity=identity, entrypoint=words, user=str(config.get("User") or "0"), python=python)
