"""Builds an image, and checks its container with the smoke test."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.image import result_file, smoke_settings, without_engine
from nox_pex.image.build import build, check_binary
from nox_pex.image.container import ContainerRunner, image_config
from nox_pex.image.engine import Engine, find_engine
from nox_pex.image.job import BuiltImage, ImageResult, Job
from nox_pex.image.root_file_system.check import check_root_file_system
from nox_pex.image.root_file_system.image import ContainerImage
from nox_pex.pex.target import Target
from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.smoke import plan
from nox_pex.smoke import report as smoke_report
from nox_pex.smoke.plan import Endpoint, Options
from nox_pex.smoke.report import SmokeReport
from nox_pex.smoke.run import Subject, run_with
from nox_pex.smoke.runner import Runner
from nox_pex.smoke.scripts import check_scripts
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.messages import Say


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


def run(job: Job, *, environ: Mapping[str, str], options: Options, say: Say) -> ImageResult:
    """Build the image and check its container.

    Failures of the program in the container are in the report. All other failures are raised as `NoxPexError`, among
    them `integrity` if the binary is not a PEX that can be read, or changed meanwhile.
    """
    smoke = job.target.table.smoke or Smoke()
    plan.require_checks(smoke, name=job.target.name)
    if not job.from_source:
        check_binary(job.target.binary)
        check_scripts(smoke, job.target.binary, key=job.target.key)
    engine = _engine(job)
    sha256 = "" if job.from_source else pex_file.digest(job.target.binary)
    if engine is None:
        result = _without_engine(job, smoke=smoke, sha256=sha256, environ=environ, options=options, say=say)
    else:
        built = build(job, engine)
        report = check_container(job, built, engine, smoke=smoke, environ=environ, options=options, say=say)
        result = ImageResult(report=report, json_value=result_file.of_engine(job, built, engine, report, sha256=sha256))
    if sha256 and pex_file.digest(job.target.binary) != sha256:
        problem = f"{job.target.binary} was changed while the image was built"
        raise NoxPexError("integrity", problem, "run it again while nothing builds the file")
    return result


def _engine(job: Job) -> Engine | None:
    """Return the engine that builds the image; None if nox-pex does, because the settings say so or there is none."""
    if job.image.without_engine:
        without_engine.require_binary(job)
        return None
    try:
        return find_engine(job.image.engine, job.image.engine_args, job.shell)
    except NoxPexError as error:
        if job.image.engine != "auto" or job.from_source or job.image.containerfile is not None:
            raise
        job.shell.say(f"image: without an engine, because {error.problem}")
        return None


def _without_engine(
    job: Job,
    *,
    smoke: Smoke,
    sha256: str,
    environ: Mapping[str, str],
    options: Options,
    say: Say,
) -> ImageResult:
    """Write the image, and check it for each of its platforms."""
    built = without_engine.build(job)
    reports = []
    for image in built.images:
        container = ContainerImage(
            identity=str(image.platform),
            config=image.config,
            layers=image.layers,
            base_layers=len(image.base.layers),
            python=image.python,
        )
        name = str(image.platform) if len(built.images) > 1 else ""
        found = check_root_file_system(
            *(job, container),
            file=built.directory,
            smoke=smoke,
            environ=environ,
            options=options,
            say=say,
            platform_name=name,
        )
        reports.append(found)
    report = smoke_report.together(reports)
    return ImageResult(report=report, json_value=result_file.of_layout(job, built, reports, sha256=sha256))


def check_container(
    job: Job,
    built: BuiltImage,
    engine: Engine,
    *,
    smoke: Smoke,
    environ: Mapping[str, str],
    options: Options,
    say: Say,
) -> SmokeReport:
    """Run the image's container as its user, on a read-only root with a tmpfs, and make all checks of `smoke`.

    If the image has `args`, the container starts with them, as in production, and the first port of `expose` is
    published. Otherwise it starts with the arguments of the smoke test, in which `{host}` means all addresses of the
    container.
    """
    subject = Subject(target=job.target, file=job.file, size=built.added_bytes or 0, boots=(smoke_settings.BOOT,))
    if engine.name == "buildah":
        reason = "buildah builds images but starts no services: install podman, which sees the same images"
        return smoke_settings.skipped(
            job, smoke, file=job.file, size=subject.size, reason=reason, remedy="use podman", say=say
        )
    config = image_config(built.description, identity=built.identity, python=built.python.executable)
    if config.user.partition(":")[0] in ("0", "root"):
        say("container: the image's user is root")
    inner = smoke_settings.inner_port(job.image)

    def create_runner(space: Workspace, filled: Smoke, address: Endpoint) -> Runner:
        return ContainerRunner(
            engine=engine,
            shell=job.shell,
            image=config,
            workspace=space,
            host=f"[{address.host}]" if ":" in address.host else address.host,
            published=smoke_settings.published_ports(filled, address, inner),
            smoke_args=not job.image.args,
            shares_tmp=plan.mentions_tmp(smoke),
            environ=environ,
            pass_env=filled.pass_env,
            keep=options.keep,
        )

    return run_with(
        create_runner,
        subject=subject,
        smoke=smoke_settings.fill_tokens(smoke, inner),
        budget=Budget(),
        environ=environ,
        secrets=job.shell.secrets,
        options=options,
        say=say,
    )
