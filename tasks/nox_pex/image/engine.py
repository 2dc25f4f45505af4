"""Docker, Podman and Buildah: the command lines with which each of them does what an image needs.

All functions except `find_engine` are pure. Fact sources: the engines' own references (docker-build(1),
podman-build(1), podman-run(1), buildah-build(1)).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, get_args

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.settings.image import EngineArgs, EngineName
from nox_pex.system.command import Outcome, Shell
from nox_pex.system.environ import EPOCH
from nox_pex.system.wording import either

_PROBES: Final[Mapping[EngineName, tuple[str, ...]]] = {
    "docker": ("version", "--format", "{{.Server.Version}}"),
    "podman": ("info", "--format", "{{.Version.Version}}"),
    "buildah": ("version",),
}
"""Commands that fail if the client is installed but its engine does not work."""


_REMEDIES: Final[Mapping[EngineName, str]] = {
    "docker": "start it (`systemctl start docker`, or Docker Desktop), or see `docker context ls`",
    "podman": "make `podman info` work (on macOS: `podman machine start`)",
    "buildah": "make `buildah version` work",
}


_TMPFS: Final = "/tmp:rw,exec,nosuid,nodev,mode=1777"  # noqa: S108  # a path in the container
"""With `exec`, because Docker's default is `noexec`, with which no compiled module of an unpacked PEX can be loaded."""


class ImageBuild(Struct, frozen=True, kw_only=True):
    """An image to build: from the Dockerfile `file` in `context`, with the names `tags`.

    The engine writes the image's id to `id_file`. `secrets` are files that the build can read, by the ids of their
    mounts; no layer keeps them. `dockers_format` is for a health check, which OCI images do not have.
    """

    file: Path
    context: Path
    tags: tuple[str, ...]
    id_file: Path
    secrets: Mapping[str, Path] = {}
    dockers_format: bool = False


class ContainerStart(Struct, frozen=True, kw_only=True):
    """A container to start as an unprivileged service: without capabilities, on a read-only root with a tmpfs.

    `arguments` replace those of the image unless they are empty. `variables` is a file with one `NAME=value` on each
    line. `publish` maps addresses of this machine (`127.0.0.1:8000`, `[::1]:8000`) to ports of the container. `shared`
    is a directory that is mounted at the same path. `interactive` connects the standard input.
    """

    name: str
    image: str
    arguments: tuple[str, ...]
    variables: Path
    publish: Mapping[str, int] = {}
    shared: Path | None = None
    interactive: bool = False


class Engine(Struct, frozen=True, kw_only=True):
    """An engine that works: its executable, and the arguments that the user adds to its command lines.

    No method starts anything: each returns a command line, to be run with `Shell.run`.
    """

    name: EngineName
    program: str
    args: EngineArgs

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """Return the command line of the engine with `arguments`."""
        return (self.program, *self.args.general, *arguments)

    def probe_argv(self) -> tuple[str, ...]:
        """Return a command that exits with 0 if the engine works."""
        return self.argv(*_PROBES[self.name])

    def identify_argv(self, image: str) -> tuple[str, ...]:
        """Return a command that prints the id of an image, and fails if the engine does not have it."""
        if self.name == "buildah":
            return self.argv("inspect", "--type", "image", "--format", "{{.FromImageID}}", image)
        return self.argv("image", "inspect", "--format", "{{.Id}}", image)

    def describe_argv(self, image: str) -> tuple[str, ...]:
        """Return a command that prints an image's description as JSON, which `ImageInspector.describe` reads."""
        if self.name == "buildah":
            return self.argv("inspect", "--type", "image", image)
        return self.argv("image", "inspect", image)

    def pull_argv(self, image: str) -> tuple[str, ...]:
        """Return a command that fetches an image."""
        return self.argv("pull", "--quiet", image)

    def build_argv(self, build: ImageBuild) -> tuple[str, ...]:
        """Return a command that builds an image, and sets every date in it to a fixed one if the engine can."""
        arguments = ["build", "--file", str(build.file), "--iidfile", str(build.id_file)]
        for tag in build.tags:
            arguments += ["--tag", tag]
        for name, file in sorted(build.secrets.items()):
            arguments += ["--secret", f"id={name},src={file}"]
        if self.name == "docker":
            # BuildKit dates the image by it. Podman would record it as a build argument that the file does not use.
            arguments += ["--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}"]
        else:
            arguments += ["--timestamp", EPOCH, *(["--format", "docker"] if build.dockers_format else [])]
        if self.name == "buildah":
            arguments += ["--layers"]
        return self.argv(*arguments, *self.args.build, str(build.context))

    def save_argv(self, image: str, archive: Path) -> tuple[str, ...]:
        """Return a command that writes an image to the new file `archive`, in Docker's format.

        The other format of Podman and Buildah, OCI's, would lose a health check, and with it the id of the image.
        """
        if self.name == "docker":
            return self.argv("save", "--output", str(archive), image)
        if self.name == "podman":
            return self.argv("save", "--quiet", "--format", "docker-archive", "--output", str(archive), image)
        return self.argv("push", "--quiet", image, f"docker-archive:{archive}")

    def run_once_argv(self, image: str, entrypoint: str, *arguments: str) -> tuple[str, ...]:
        """Return a command that runs one program of an image, without a network, and prints the program's output."""
        options = ["--rm", "--network", "none", "--entrypoint", entrypoint]
        return self.argv("run", *options, *self.args.run, image, *arguments)

    def run_argv(self, start: ContainerStart) -> tuple[str, ...]:
        """Return a command that runs a container in the foreground, and exits with the status of its first process."""
        options = ["--rm", "--name", start.name, "--env-file", str(start.variables), "--no-healthcheck"]
        options += ["--read-only", "--tmpfs", _TMPFS, "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        if self.name == "podman":
            options += ["--read-only-tmpfs=false"]  # no tmpfs at /run and /var/tmp, as with the other engines
        for address, port in start.publish.items():
            options += ["--publish", f"{address}:{port}"]
        if start.shared is not None:
            options += ["--volume", f"{start.shared}:{start.shared}:z"]
        if start.interactive:
            options += ["--interactive"]
        return self.argv("run", *options, *self.args.run, start.image, *start.arguments)

    def execute_argv(self, container: str, *arguments: str, variables: Path | None = None) -> tuple[str, ...]:
        """Return a command that runs another program in a running container."""
        options = ["--interactive", *(["--env-file", str(variables)] if variables else [])]
        return self.argv("exec", *options, container, *arguments)

    def kill_argv(self, container: str, number: int) -> tuple[str, ...]:
        """Return a command that sends the signal `number` to the first process of a container."""
        return self.argv("kill", "--signal", str(number), container)

    def remove_argv(self, container: str) -> tuple[str, ...]:
        """Return a command that stops a container and removes it."""
        return self.argv("rm", "--force", container)


def find_engine(
    wanted: str, args: EngineArgs, shell: Shell, *, names: Sequence[EngineName] = get_args(EngineName)
) -> Engine:
    """Return the engine `wanted`, or for `auto` the first of docker, podman and buildah that works.

    Raises `NoxPexError`: `engine-missing` if none is installed, `engine-down` if one is installed but does not work.
    """
    candidates = [name for name in names if wanted in ("auto", name)]
    silent: list[tuple[EngineName, Outcome]] = []
    for name in candidates:
        program = shutil.which(name, path=shell.environ.get("PATH"))
        if program is None:
            continue
        engine = Engine(name=name, program=program, args=args)
        outcome = shell.run(engine.probe_argv(), what=f"ask {name}", env=shell.environ)
        if outcome.status == 0:
            return engine
        silent.append((name, outcome))
    if not silent:
        problem = f"there is no {either(candidates)} on PATH"
        raise NoxPexError("engine-missing", problem, "install one; podman needs no daemon")
    name, outcome = silent[0]
    reason = outcome.tail[-1].strip() if outcome.tail else f"exit status {outcome.status}"
    problem = f"{name} is installed, but its engine does not answer: {reason}"
    raise NoxPexError("engine-down", problem, _REMEDIES[name], log=outcome.tail)
