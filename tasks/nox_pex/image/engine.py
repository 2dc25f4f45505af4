"""Docker, Podman and Buildah: the command line of each for what an image needs. Pure, but for `find`.

Fact sources: the engines' own references (docker-build(1), podman-build(1), podman-run(1), buildah-build(1)).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

from nox_pex.errors import NoxPexError
from nox_pex.settings.image import EngineArgs, EngineName
from nox_pex.system.command import Outcome, Shell
from nox_pex.system.environ import EPOCH

_ANSWERS: Final[Mapping[EngineName, tuple[str, ...]]] = {
    "docker": ("version", "--format", "{{.Server.Version}}"),
    "podman": ("info", "--format", "{{.Version.Version}}"),
    "buildah": ("version",),
}
"""Commands that fail where the engine itself, not only its client, is not there to work."""


_START_IT: Final[Mapping[EngineName, str]] = {
    "docker": "start it (`systemctl start docker`, or Docker Desktop), or see `docker context ls`",
    "podman": "make `podman info` work (on macOS: `podman machine start`)",
    "buildah": "make `buildah version` work",
}


_TMP: Final = "/tmp:rw,exec,nosuid,nodev,mode=1777"  # noqa: S108  # in the container
"""`exec`, since Docker's default is `noexec`, and no compiled module could be loaded from an unpacked PEX there."""


@dataclass(frozen=True, kw_only=True)
class ImageBuild:
    """What to build: `file` in `context`, to be called `tags`, with the image's id written to `id_file`.

    `secrets` are files that the build may read and that no layer keeps. `dockers_format` is for what OCI images do not
    have: a health check.
    """

    file: Path
    context: Path
    tags: tuple[str, ...]
    id_file: Path
    secrets: Mapping[str, Path] = field(default_factory=dict)
    dockers_format: bool = False


@dataclass(frozen=True, kw_only=True)
class ContainerStart:
    """A container to start, as an unprivileged service should be: no capability, a read-only root, a tmpfs.

    `publish` has addresses of this machine (`127.0.0.1:8000`, `[::1]:8000`) and the container's port for each. `shared`
    is a directory that is in the container under the same name. `variables` is a file with a `NAME=value` a line.
    """

    name: str
    image: str
    words: tuple[str, ...]
    variables: Path
    publish: Mapping[str, int] = field(default_factory=dict)
    shared: Path | None = None
    interactive: bool = False


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that answers. `program` is its executable, `args` what the user adds to its command lines."""

    name: EngineName
    program: str
    args: EngineArgs

    def argv(self, *words: str) -> tuple[str, ...]:
        """A command line of it."""
        return (self.program, *self.args.general, *words)

    def answers(self) -> tuple[str, ...]:
        """Ends with 0 where the engine works."""
        return self.argv(*_ANSWERS[self.name])

    def identify(self, image: str) -> tuple[str, ...]:
        """Prints the id of an image that is here; fails where it is not."""
        if self.name == "buildah":
            return self.argv("inspect", "--type", "image", "--format", "{{.FromImageID}}", image)
        return self.argv("image", "inspect", "--format", "{{.Id}}", image)

    def describe(self, image: str) -> tuple[str, ...]:
        """Prints what the engine knows of an image as JSON, in a form of its own; `described` reads it."""
        if self.name == "buildah":
            return self.argv("inspect", "--type", "image", image)
        return self.argv("image", "inspect", image)

    def pull(self, image: str) -> tuple[str, ...]:
        """Fetches an image."""
        return self.argv("pull", "--quiet", image)

    def build(self, recipe: ImageBuild) -> tuple[str, ...]:
        """Builds an image, with every date in it fixed as far as the engine can."""
        words = ["build", "--file", str(recipe.file), "--iidfile", str(recipe.id_file)]
        for tag in recipe.tags:
            words += ["--tag", tag]
        for name, file in sorted(recipe.secrets.items()):
            words += ["--secret", f"id={name},src={file}"]
        if self.name == "docker":
            # BuildKit dates the image by it. (podman would record it as an argument that the file does not consume.)
            words += ["--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}"]
        else:
            words += ["--timestamp", EPOCH, *(["--format", "docker"] if recipe.dockers_format else [])]
        if self.name == "buildah":
            words += ["--layers"]
        return self.argv(*words, *self.args.build, str(recipe.context))

    def run_once(self, image: str, entrypoint: str, *words: str) -> tuple[str, ...]:
        """Runs one program of an image, without a network, and prints what it prints."""
        options = ["--rm", "--network", "none", "--entrypoint", entrypoint]
        return self.argv("run", *options, *self.args.run, image, *words)

    def run(self, start: ContainerStart) -> tuple[str, ...]:
        """Runs a container in the foreground; its exit status is that of its first process."""
        options = ["--rm", "--name", start.name, "--env-file", str(start.variables), "--no-healthcheck"]
        options += ["--read-only", "--tmpfs", _TMP, "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        if self.name == "podman":
            options += ["--read-only-tmpfs=false"]  # nor /run and /var/tmp: the others give none of these
        for address, port in start.publish.items():
            options += ["--publish", f"{address}:{port}"]
        if start.shared is not None:
            options += ["--volume", f"{start.shared}:{start.shared}:z"]
        if start.interactive:
            options += ["--interactive"]
        return self.argv("run", *options, *self.args.run, start.image, *start.words)

    def execute(self, container: str, *words: str, variables: Path | None = None) -> tuple[str, ...]:
        """Runs a program beside the first process of a container."""
        options = ["--interactive", *(["--env-file", str(variables)] if variables else [])]
        return self.argv("exec", *options, container, *words)

    def kill(self, container: str, number: int) -> tuple[str, ...]:
        """Sends a signal to the first process of a container."""
        return self.argv("kill", "--signal", str(number), container)

    def remove(self, container: str) -> tuple[str, ...]:
        """Ends a container and removes it."""
        return self.argv("rm", "--force", container)


def find_engine(
    wanted: str, args: EngineArgs, shell: Shell, *, names: Sequence[EngineName] = get_args(EngineName)
) -> Engine:
    """The engine `wanted`, or for `auto` the first of docker, podman and buildah that answers.

    Raises `NoxPexError`: `engine-missing` where none is installed, `engine-down` where one is and does not answer.
    """
    candidates = [name for name in names if wanted in ("auto", name)]
    silent: list[tuple[EngineName, Outcome]] = []
    for name in candidates:
        program = shutil.which(name, path=shell.environ.get("PATH"))
        if program is None:
            continue
        engine = Engine(name=name, program=program, args=args)
        outcome = shell.run(engine.answers(), what=f"ask {name}", env=shell.environ)
        if outcome.status == 0:
            return engine
        silent.append((name, outcome))
    if not silent:
        problem = f"there is no {' and no '.join(candidates)} on PATH"
        raise NoxPexError("engine-missing", problem, "install one of them; podman needs no daemon")
    name, outcome = silent[0]
    said = outcome.tail[-1].strip() if outcome.tail else f"exit status {outcome.status}"
    problem = f"{name} is installed, and its engine does not answer: {said}"
    raise NoxPexError("engine-down", problem, _START_IT[name], log=outcome.tail)
