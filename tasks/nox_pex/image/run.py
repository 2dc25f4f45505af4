"""Builds an image, and checks its container with the smoke test."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from nox_pex.errors import NoxPexError
from nox_pex.image import saved_image
from nox_pex.image.build import build, check_binary
from nox_pex.image.container import ContainerRunner, image_config
from nox_pex.image.engine import Engine, find_engine
from nox_pex.image.job import BuiltImage, ImageResult, Job
from nox_pex.image.record import Checked, CheckedManifest
from nox_pex.pex.circumstances import Circumstances
from nox_pex.pex.target import Target
from nox_pex.settings.image import port_number
from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.smoke import plan
from nox_pex.smoke.plan import Boot, Endpoint, Options
from nox_pex.smoke.report import BootResult, SmokeReport
from nox_pex.smoke.run import Subject, run_with
from nox_pex.smoke.runner import Runner
from nox_pex.smoke.scripts import check_scripts
from nox_pex.smoke.workspace import Workspace

_ALL_ADDRESSES: Final = "0.0.0.0"  # noqa: S104  # in a container, only published ports can be reached from outside


_BOOT: Final = Boot(condition="container", state="container")


def check_wanted(targets: Sequence[Target], *, named: Sequence[str]) -> None:
    """Raise `NoxPexError` `config` if no target has an image table, or if one that the user `named` has none."""
    with_image = [target.name for target in targets if target.table.image is not None]
    lacking = without_image([target.name for target in targets], with_image, named=named)
    target = next((target for target in targets if target.name == lacking), None)
    if target is not None:
        raise missing_table(str(target.project.file), target.key)


def without_image(names: Iterable[str], with_image: Collection[str], *, named: Sequence[str]) -> str | None:
    """Return a binary that needs an image table: the first if none has one, or one that the user `named`; else None."""
    without = [name for name in names if name not in with_image]
    first = without[0] if without and not with_image else None
    return next((name for name in without if name in named), first)


def missing_table(place: str, key: str) -> NoxPexError:
    """Return the error for a binary without an image table. `key` is the dotted name of the binary's table."""
    minor = ".".join(map(str, sys.version_info[:2]))
    problem = f"{place} has no [{key}.image] table"
    return NoxPexError("config", problem, f'add [{key}.image], and under it the line base = "python:{minor}-slim"')


def run(
    job: Job,
    *,
    under: Circumstances,
    sha256: str,
    environ: Mapping[str, str],
    options: Options,
    say: Callable[[str], None],
) -> ImageResult:
    """Build the image and check its container.

    `under` are the circumstances of today, and `sha256` is the digest of the binary. Failures of the program in the
    container are in the report. All other failures are raised as `NoxPexError`, among them `integrity` if the binary is
    not a PEX that can be read.
    """
    smoke = job.target.table.smoke or Smoke()
    plan.require_checks(smoke, name=job.target.name)
    if not job.from_source:
        check_binary(job.target.binary)
        check_scripts(smoke, job.target.binary, key=job.target.key)
    engine = find_engine(job.image.engine, job.image.engine_args, job.shell)
    started = dt.datetime.now(dt.UTC)
    built = build(job, engine)
    finished = dt.datetime.now(dt.UTC)
    report = check_container(job, built, engine, smoke=smoke, environ=environ, options=options, say=say)
    checked = Checked(
        binary=job.target.binary.name,
        sha256="" if job.from_source else sha256,
        manifests=[CheckedManifest(platform=saved_image.platform(built.description), report=report)],
        under=under,
        build_started=started,
        build_finished=finished,
        finished=dt.datetime.now(dt.UTC),
        overrides=options.overrides,
    )
    return ImageResult(report=report, json_value=_as_json(job, built, engine, checked, report))


def check_container(
    job: Job,
    built: BuiltImage,
    engine: Engine,
    *,
    smoke: Smoke,
    environ: Mapping[str, str],
    options: Options,
    say: Callable[[str], None],
) -> SmokeReport:
    """Run the image's container as its user, on a read-only root with a tmpfs, and make all checks of `smoke`.

    If the image has `args`, the container starts with them, as in production, and the first port of `expose` is
    published. Otherwise it starts with the arguments of the smoke test, in which `{host}` means all addresses of the
    container.
    """
    subject = Subject(target=job.target, file=job.file, size=built.added_bytes or 0, boots=(_BOOT,))
    if engine.name == "buildah":
        return _skip(job, subject, smoke=smoke, say=say)
    config = image_config(built.description, identity=built.identity, python=built.python.executable)
    if config.user.partition(":")[0] in ("0", "root"):
        say("container: the image's user is root")
    inner = port_number("expose", job.image.expose[0]) if job.image.args and job.image.expose else None

    def create_runner(space: Workspace, filled: Smoke, address: Endpoint) -> Runner:
        return ContainerRunner(
            engine=engine,
            shell=job.shell,
            image=config,
            workspace=space,
            host=f"[{address.host}]" if ":" in address.host else address.host,
            published=_published_ports(filled, address, inner),
            smoke_args=not job.image.args,
            shares_tmp=plan.mentions_tmp(smoke),
            environ=environ,
            pass_env=filled.pass_env,
            keep=options.keep,
        )

    return run_with(
        create_runner,
        subject=subject,
        smoke=_fill_tokens(smoke, inner),
        budget=Budget(),
        environ=environ,
        secrets=job.shell.secrets,
        options=options,
        say=say,
    )


def _skip(job: Job, subject: Subject, *, smoke: Smoke, say: Callable[[str], None]) -> SmokeReport:
    """Return the report for buildah, which can build an image but not start its container."""
    reason = "buildah builds images but starts no services: install podman, which sees the same images"
    failure = None
    if smoke.skips == "fail":
        failure = NoxPexError("check-failed", f"container: skipped: {reason}", 'use podman, or set `skips = "report"`')
    count = len(smoke.http) + len(smoke.tcp) + len(smoke.command)
    skipped = BootResult(condition="container", state="skipped", reason=reason, check_count=count)
    say(str(skipped))
    return SmokeReport(
        name=job.target.name, binary=job.file, size=subject.size, boot_results=(skipped,), failure=failure
    )


def _as_json(job: Job, built: BuiltImage, engine: Engine, checked: Checked, report: SmokeReport) -> dict[str, Any]:
    base = {
        "name": job.image.base,
        "id": built.base.get("Id"),
        "digest": saved_image.base_digest(built.base, job.image.base),
        "python": str(built.python),
    }
    return {
        "name": job.target.name,
        **checked.as_json(),
        "id": built.identity,
        "tags": list(built.tags),
        "form": job.image.form,
        "from-source": job.from_source,
        "engine": engine.name,
        "base": base,
        "layers": list(built.layers),
        "bytes-over-base": built.added_bytes,
        "seconds": round(built.seconds, 3),
        "error": str(report.failure) if report.failure is not None else None,
        "ready-after": report.ready_after("container"),
    }


def _published_ports(smoke: Smoke, address: Endpoint, inner: int | None) -> Mapping[int, int]:
    """Return the ports to publish, and the container's port for each; none for a program that is not a server.

    `inner` is the container's port for that of `address`; None if it is the same.
    """
    if not smoke.is_server:
        return {}
    ports = {int(check.port): int(check.port) for check in smoke.tcp}
    if address.unix_socket is None:
        ports[address.port] = inner or address.port
    return ports


def _fill_tokens(smoke: Smoke, inner: int | None) -> Smoke:
    """Return the settings with the tokens filled in that have another value in the container: host and port."""
    tokens = {"host": _ALL_ADDRESSES, **({} if inner is None else {"port": str(inner)})}

    def variables(env: Mapping[str, str]) -> dict[str, str]:
        return {name: plan.fill(value, tokens) for name, value in env.items()}

    commands = tuple(
        msgspec.structs.replace(
            command, args=tuple(plan.fill(argument, tokens) for argument in command.args), env=variables(command.env)
        )
        for command in smoke.command
    )
    args = tuple(plan.fill(argument, tokens) for argument in smoke.args)
    return msgspec.structs.replace(smoke, args=args, env=variables(smoke.env), command=commands)
