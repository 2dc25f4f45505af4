"""Builds an image with a container engine."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import nox_pex
from nox_pex.distributions import pex_file
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.image import build_context, compatibility, dockerfile, scanner_files, split_pex
from nox_pex.image.base_image import ImageInspector, ImagePython
from nox_pex.image.compatibility import BinaryRequirements
from nox_pex.image.dockerfile import BuilderStage, Dockerfile
from nox_pex.image.engine import Engine, ImageBuild
from nox_pex.image.job import BuiltImage, Job
from nox_pex.image.labels import labels, tags, version
from nox_pex.pex.build_record import Times, timestamp
from nox_pex.project import build_wheel, pyproject
from nox_pex.system import files, plain_paths
from nox_pex.system.command import Outcome
from nox_pex.system.wording import megabytes

_STEP: Final = re.compile(
    r"^(?:\[[0-9]+/[0-9]+\] )?(?:STEP|Step) [0-9]+/[0-9]+ ?: (?P<step>.+)$"  # podman, buildah, Docker's first builder
    r"|^ > \[[^\]]*\] (?P<kit>.+?):?$",  # BuildKit
    re.MULTILINE,
)


def build(job: Job, engine: Engine) -> BuiltImage:
    """Build the image, and leave the Dockerfile that was built in `output-dir`.

    Raises `NoxPexError`: `integrity` if the binary is not a PEX that can be read, `image-base`, `image-python`,
    `image-build`, `engine-failed`, `source-missing`, `config`.
    """
    began = dt.datetime.now(dt.UTC)
    required = None if job.from_source else requirements(job.target.binary)  # before a base is pulled
    inspector = ImageInspector(engine=engine, shell=job.shell, cache=job.target.state / "images.json")
    base, key = job.image.base, f"{job.key}.base"
    base_id = inspector.image_id(base, key=key)
    python = inspector.image_python(base, identity=base_id, minor=job.minor, key=key)
    if required is not None:
        compatibility.check(required, python, name=job.target.name, base=base, built_with=job.python)
    names = tags(job)
    # An engine divides the value of `--file` and of `--secret` at a comma.
    with plain_paths.plain_directory() as scratch:
        context, secrets = scratch / "context", scratch / "secrets"
        context.mkdir()
        secrets.mkdir(mode=0o700)
        stage = _builder_stage(job, inspector, python, context) if job.from_source else None
        files.write_text(job.file, _dockerfile(job, python, stage))
        try:
            _fill_context(job, context)
        except PexError as error:
            raise unreadable(job.target.binary, error) from error
        image_build = ImageBuild(
            file=Path(shutil.copyfile(job.file, scratch / job.file.name)),
            context=context,
            tags=names,
            id_file=scratch / "id",
            secrets={} if stage is None else _write_secrets(job, secrets),
            dockers_format=job.image.healthcheck is not None or job.image.containerfile is not None,
        )
        job.shell.say(f"image: building {names[0]} with {engine.name} (base {base}: {python})")
        outcome = job.shell.run(engine.build_argv(image_build), what=f"image: {job.target.name}", env=job.shell.environ)
        if outcome.status != 0 or not image_build.id_file.exists():
            raise _build_failure(outcome, job)
        image_id = image_build.id_file.read_text("utf-8").strip()
    built = BuiltImage(
        identity=image_id,
        tags=names,
        description=inspector.describe(image_id),
        base=inspector.describe(base_id),
        python=python,
        seconds=outcome.seconds,
        times=Times(started=timestamp(began), finished=timestamp(dt.datetime.now(dt.UTC))),
    )
    job.shell.say(f"image: {', '.join(names)} built in {built.seconds:.1f} s, {_size(built)} ({image_id[:19]})")
    for digest in built.layers:
        job.shell.say(f"image: layer {digest}")
    return built


def check_binary(binary: Path) -> None:
    """Raise `NoxPexError` `integrity` if a binary is not a PEX that can be read."""
    try:
        pex_file.info(binary)
    except PexError as error:
        raise unreadable(binary, error) from error


def requirements(binary: Path) -> BinaryRequirements:
    """Return what a binary requires of an image. Raises `NoxPexError` `integrity` if it is not a PEX."""
    try:
        return compatibility.read_requirements(binary)
    except PexError as error:
        raise unreadable(binary, error) from error


def unreadable(binary: Path, error: PexError) -> NoxPexError:
    """Return the error for a binary that is not a PEX that can be read."""
    remedy = "build it again with `nox -s pex`, or give the path of another binary"
    return NoxPexError("integrity", f"{binary} cannot be put into an image: {error}", remedy)


def _builder_stage(job: Job, inspector: ImageInspector, python: ImagePython, context: Path) -> BuilderStage:
    """Return the first stage of a build from the sources; `python` is the base's.

    Raises `NoxPexError`: `image-base`, `image-python`, `engine-failed`.
    """
    builder = job.image.builder or job.image.base
    key = f"{job.key}.{'builder' if job.image.builder else 'base'}"
    identity = inspector.image_id(builder, key=key)
    builder_python = inspector.image_python(builder, identity=identity, minor=python.minor, key=key)
    compatibility.check_builder(builder_python, python, builder=builder, base=job.image.base)
    if builder_python.version != python.version:
        job.shell.say(
            f"image: the builder has Python {builder_python.version}, but the base has {python.version}:"
            " the same version is safer"
        )
    return BuilderStage(
        image=builder,
        python=builder_python.executable,
        requirement=_nox_pex_requirement(job, context),
        binary=(job.target.directory / f"{job.target.name}.pex").relative_to(job.target.project.root).as_posix(),
    )


def _nox_pex_requirement(job: Job, context: Path) -> str:
    """Return what pip installs to get this nox-pex: its version, or in a checkout the path of a wheel in `context`."""
    checkout = Path(nox_pex.__file__).resolve().parents[2]
    if not (checkout / "pyproject.toml").is_file() or pyproject.read(checkout).name != "nox-pex":
        return f"nox-pex=={nox_pex.__version__}"
    interpreter = Interpreter(
        implementation=sys.implementation.name, version=sys.version.split()[0], executable=Path(sys.executable)
    )
    into = context / ".nox-pex"  # hidden, so that nothing in it ships
    into.mkdir()
    wheel = build_wheel.build_wheel(
        pyproject.read(checkout), into=into, interpreter=interpreter, provisioner=job.provisioner
    )
    return wheel.relative_to(context).as_posix()


def _dockerfile(job: Job, python: ImagePython, stage: BuilderStage | None) -> str:
    """Return the text of the Dockerfile: the project's own file, or the one that nox-pex writes."""
    if job.image.containerfile is not None:
        file = job.target.project.root / job.image.containerfile
        try:
            return file.read_text("utf-8")
        except OSError as error:
            problem = f"{job.key}.containerfile names {job.image.containerfile}, which cannot be read: {error.strerror}"
            remedy = "correct the path, which is relative to the project's directory"
            raise NoxPexError("source-missing", problem, remedy) from error
    table = job.target.table
    return dockerfile.text(
        Dockerfile(
            name=job.target.name,
            version=version(job),
            image=job.image,
            file=job.target.output.name,
            python=python.executable,
            starts_directly=python.has_shell and table.sh_boot and table.layout == "zipapp",
            project=job.distribution,
            labels=labels(job),
            builder=stage,
        )
    )


def _fill_context(job: Job, context: Path) -> None:
    """Copy into `context` what the Dockerfile copies: the binary, or the sources that it is built from."""
    if job.from_source or job.image.containerfile is not None:
        build_context.copy_sources(job.target, into=context)
    if job.from_source:
        return
    name = job.target.output.name
    build_context.copy_binary(job.target.binary, context, name=name)
    if job.image.form == "unpacked":
        parts = split_pex.split_paths(job.target.directory / name)
        split_pex.split(context / name, project=job.distribution, into=parts)
        for part in (parts.dependencies, parts.own):
            build_context.copy_binary(part, context, name=part.name)
        return
    archive = scanner_files.archive_path(job.target.directory / name)
    scanner_files.write_archive(context / name, archive, name=job.target.name)
    shutil.copyfile(archive, context / archive.name)


def _write_secrets(job: Job, into: Path) -> Mapping[str, Path]:
    return build_context.write_secrets(job.shell.environ, prefix=Path(sys.prefix), into=into)


def _build_failure(outcome: Outcome, job: Job) -> NoxPexError:
    steps = [match["step"] or match["kit"] for match in _STEP.finditer(outcome.output)]
    step = f" at `{steps[-1][:200]}`" if steps else ""
    reason = next((line.strip() for line in reversed(outcome.tail) if line.strip()), "the engine printed nothing")
    problem = f"building {job.file.name} failed{step}: {reason}"
    remedy = "read the engine's last lines above; `--verbose` shows its command line and all of its output"
    return NoxPexError("image-build", problem, remedy, log=outcome.tail)


def _size(built: BuiltImage) -> str:
    if built.added_bytes is None:
        return f"{len(built.layers)} layers"
    return f"{megabytes(built.added_bytes)} over its base"
