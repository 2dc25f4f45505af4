"""Values for the tests of images, and a shell that starts no engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nox_pex.image.base_image import ImagePython
from nox_pex.image.dockerfile import Dockerfile
from nox_pex.image.engine import Engine
from nox_pex.image.job import Job
from nox_pex.pex.build_record import Times
from nox_pex.pex.target import Target
from nox_pex.settings.image import EngineArgs, EngineName, Image
from nox_pex.system.command import Outcome, Shell
from nox_pex.system.messages import Work
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner
from tests.support.shown import say_into
from tests.support.targets import target_of

PYTHON = ImagePython(
    implementation="CPython",
    version="3.11.2",
    abi="cpython_311",
    gil=True,
    machine="x86_64",
    libc="glibc",
    libc_version="2.36",
    executable="/usr/bin/python3.11",
    has_shell=True,
)
ALPINE = msgspec.structs.replace(PYTHON, libc="musl", libc_version="1.2.5")
DOCKERFILE = Dockerfile(
    name="service",
    version="1.2.3",
    image=Image(base="python:3.11-slim"),
    file="service.pex",
    python="/usr/bin/python3.11",
    starts_directly=True,
    project=None,
    labels={"org.opencontainers.image.version": "1.2.3"},
)


def image(**values: Any) -> Image:
    """An image's table in the settings: `values` with underscores instead of hyphens in the keys."""
    return msgspec.convert({"base": "python:3.11-slim", **{k.replace("_", "-"): v for k, v in values.items()}}, Image)


TIMES = Times(started="2026-11-20T10:00:00Z", finished="2026-11-20T10:00:02Z")


def engine(name: EngineName = "podman", args: EngineArgs | None = None) -> Engine:
    return Engine(name=name, program=f"/bin/{name}", args=args or EngineArgs())


def outcome(output: str = "", *, status: int = 0) -> Outcome:
    return Outcome(status=status, output=output, seconds=1.0)


class ScriptedShell(Shell, frozen=True, kw_only=True):
    """A shell that starts nothing: `answer` gives the outcome of a command line, and `ran` has all of them."""

    answer: Callable[[tuple[str, ...]], Outcome]
    ran: list[tuple[str, ...]] = msgspec.field(default_factory=list)

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        what: str,  # noqa: ARG002  # the signature of Shell
        env: Mapping[str, str],  # noqa: ARG002  # the signature of Shell
        cwd: Path | None = None,  # noqa: ARG002  # the signature of Shell
        hold: Sequence[int] = (),  # noqa: ARG002  # the signature of Shell
        watch: Callable[[str, Work], None] | None = None,  # noqa: ARG002  # the signature of Shell
    ) -> Outcome:
        arguments = tuple(os.fspath(argument) for argument in argv)
        self.ran.append(arguments)
        return self.answer(arguments)


def shell(*outcomes: Outcome, environ: Mapping[str, str] | None = None, said: list[str] | None = None) -> ScriptedShell:
    """A shell whose commands end with `outcomes`, one after another; the last one is repeated."""
    remaining = list(outcomes or (outcome(),))

    def answer(_: tuple[str, ...]) -> Outcome:
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    lines = said if said is not None else []
    return ScriptedShell(environ=environ or {}, secrets=Secrets(), say=say_into(lines.append), answer=answer)


def job_of(target: Target, shell: Shell, *, record: Mapping[str, Any] | None = None, from_source: bool = False) -> Job:
    assert target.table.image is not None
    return Job(
        target=target,
        image=target.table.image,
        record=record or {},
        from_source=from_source,
        provisioner=Provisioner(shell=shell, caches=Caches(chosen=target.state / "cache"), uv=None),
    )


def image_target(root: Path, **table: Any) -> Target:
    """A target named `service`, in the directory `root`, whose image has the keys `table` and a base."""
    return target_of(root / "service.pex", root=root, name="service", image={"base": "python:3.11-slim", **table})
