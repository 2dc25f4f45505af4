"""From a binary to an image that was seen to work: ask the base, write the file, build, run, check."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from nox_pex.build.target import Target
from nox_pex.errors import NoxPexError
from nox_pex.image import container, engine
from nox_pex.image.build import build
from nox_pex.image.container import ContainerPlace
from nox_pex.image.engine import Engine
from nox_pex.image.job import BuiltImage, ImageResult, Job
from nox_pex.settings.image import port_number
from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.smoke import plan
from nox_pex.smoke.place import Place
from nox_pex.smoke.plan import Boot, Endpoint, Options
from nox_pex.smoke.report import BootResult, SmokeReport
from nox_pex.smoke.run import Subject, run_at
from nox_pex.smoke.workspace import Workspace

_OUTSIDE: Final = "0.0.0.0"  # noqa: S104  # inside a container, where only what is published can be reached


_CONTAINER: Final = Boot(condition="container", state="container")


def check_wanted(targets: Sequence[Target], *, named: Sequence[str]) -> None:
    """Raise `NoxPexError` `config` if none of `targets` has an image, or one that the user `named` has none."""
    without = [target for target in targets if target.table.image is None]
    first = without[0] if without and len(without) == len(targets) else None
    lacking = next((target for target in without if target.name in named), first)
    if lacking is not None:
        table = f"[{lacking.key}.image]"
        minor = ".".join(map(str, sys.version_info[:2]))
        problem = f"{lacking.project.file} has no {table} table"
        raise NoxPexError("config", problem, f'add {table} base = "python:{minor}-slim"')


def run(job: Job, *, environ: Mapping[str, str], options: Options, say: Callable[[str], None]) -> ImageResult:
    """Build the image and check its container. What the program does is in the report; all else is raised."""
    smoke = job.target.table.smoke or Smoke()
    plan.check(smoke, name=job.target.name)
    using = engine.find_engine(job.image.engine, job.image.engine_args, job.shell)
    built = build(job, using)
    report = check(job, built, using, smoke=smoke, environ=environ, options=options, say=say)
    return ImageResult(report=report, as_json=_as_json(job, built, using, report))


def check(
    job: Job,
    built: BuiltImage,
    using: Engine,
    *,
    smoke: Smoke,
    environ: Mapping[str, str],
    options: Options,
    say: Callable[[str], None],
) -> SmokeReport:
    """Run the image's container as its user, on a read-only root with a tmpfs, and ask it all that `smoke` asks.

    With `args` in the settings the container starts with those, as it will in production, and the first port of
    `expose` is published; without, with the words of the smoke test, `{host}` being every address of the container.
    """
    subject = Subject(target=job.target, file=job.file, size=built.added or 0, boots=(_CONTAINER,))
    if using.name == "buildah":
        reason = "buildah builds images and starts no services: install podman beside it, which sees the same images"
        wrong = None
        if smoke.skips == "fail":
            wrong = NoxPexError("check-failed", f"container: skipped: {reason}", "or set `skips` to report")
        count = len(smoke.http) + len(smoke.tcp) + len(smoke.command)
        skipped = BootResult(condition="container", state="skipped", reason=reason, checks=count)
        say(str(skipped))
        return SmokeReport(name=job.target.name, binary=job.file, size=subject.size, outcomes=(skipped,), failure=wrong)
    made = container.image_config(built.described, identity=built.identity, python=built.facts.executable)
    if made.user.partition(":")[0] in ("0", "root"):
        say("container: the image's user is root")
    inner = port_number("expose", job.image.expose[0]) if job.image.args and job.image.expose else None

    def place(space: Workspace, filled: Smoke, address: Endpoint) -> Place:
        return ContainerPlace(
            engine=using,
            shell=job.shell,
            image=made,
            workspace=space,
            host=f"[{address.host}]" if ":" in address.host else address.host,
            published=_published(filled, address, inner),
            words=not job.image.args,
            shares_tmp=plan.mentions_tmp(smoke),
            environ=environ,
            pass_env=filled.pass_env,
            keep=options.keep,
        )

    return run_at(
        place,
        subject=subject,
        smoke=_inside(smoke, inner),
        budget=Budget(),
        environ=environ,
        secrets=job.shell.secrets,
        options=options,
        say=say,
    )


def _as_json(job: Job, built: BuiltImage, using: Engine, report: SmokeReport) -> dict[str, Any]:
    return {
        "name": job.target.name,
        "id": built.identity,
        "tags": list(built.tags),
        "form": job.image.form,
        "from-source": job.from_source,
        "engine": using.name,
        "base": {"name": job.image.base, "id": built.base.get("Id"), "python": str(built.facts)},
        "layers": list(built.layers),
        "bytes-over-base": built.added,
        "seconds": round(built.seconds, 3),
        "passed": report.failure is None,
        "error": str(report.failure) if report.failure is not None else None,
        "ready-after": report.ready_after("container"),
    }


def _published(smoke: Smoke, address: Endpoint, inner: int | None) -> Mapping[int, int]:
    """The ports to publish, and the container's port for each; none for a program that is no server."""
    if plan.readiness(smoke) is None:
        return {}
    ports = {int(check.port): int(check.port) for check in smoke.tcp}
    if address.unix_socket is None:
        ports[address.port] = inner or address.port
    return ports


def _inside(smoke: Smoke, inner: int | None) -> Smoke:
    """The settings with the tokens of what happens in the container filled in: its port, every address of it."""
    tokens = {"host": _OUTSIDE, **({} if inner is None else {"port": str(inner)})}

    def variables(env: Mapping[str, str]) -> dict[str, str]:
        return {name: plan.fill(value, tokens) for name, value in env.items()}

    commands = tuple(
        msgspec.structs.replace(
            command, args=tuple(plan.fill(word, tokens) for word in command.args), env=variables(command.env)
        )
        for command in smoke.command
    )
    args = tuple(plan.fill(word, tokens) for word in smoke.args)
    return msgspec.structs.replace(smoke, args=args, env=variables(smoke.env), command=commands)
