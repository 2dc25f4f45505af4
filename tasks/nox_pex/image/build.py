"""Build the image with a container engine."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import nox_pex
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.image import build_context, compatibility, containerfile, split_pex
from nox_pex.image.base_image import Facts, ImageInspector
from nox_pex.image.containerfile import Contents, FromSource
from nox_pex.image.engine import Engine, Recipe
from nox_pex.image.job import BuiltImage, Job
from nox_pex.image.labels import labels, tags, version
from nox_pex.project import build_wheel, pyproject
from nox_pex.system import files
from nox_pex.system.command import Outcome
from nox_pex.system.wording import megabytes

_STEP: Final = re.compile(
    r"^(?:\[[0-9]+/[0-9]+\] )?(?:STEP|Step) [0-9]+/[0-9]+ ?: (?P<step>.+)$"  # podman, buildah, Docker's first builder
    r"|^ > \[[^\]]*\] (?P<kit>.+?):?$",  # BuildKit
    re.MULTILINE,
)


def build(job: Job, using: Engine) -> BuiltImage:
    """Build the image; the Dockerfile is left in `output`, and is exactly what was built.

    Raises `NoxPexError`: `image-base`, `image-python`, `image-build`, `config`.
    """
    keeper = ImageInspector(engine=using, shell=job.shell, memory=job.target.state / "images.json")
    identity = keeper.present(job.image.base, key=f"{job.key}.base")
    facts = keeper.facts(job.image.base, identity=identity, minor=job.minor, key=f"{job.key}.base")
    if not job.from_source:
        wanted = compatibility.read(job.target.binary)
        compatibility.judge(wanted, facts, name=job.target.name, base=job.image.base, built_with=job.python)
    names = tags(job)
    with tempfile.TemporaryDirectory(prefix="nox-pex-image-") as aside:
        place, secrets = Path(aside, "context"), Path(aside, "secrets")
        place.mkdir()
        secrets.mkdir(mode=0o700)
        source = _from_source(job, keeper, facts, place) if job.from_source else None
        files.write_text(job.file, _text(job, facts, source))
        fill_template(job, place)
        recipe = Recipe(
            file=job.file,
            context=place,
            tags=names,
            id_file=Path(aside, "id"),
            secrets={} if source is None else _secrets(job, secrets),
            dockers_format=job.image.healthcheck is not None or job.image.containerfile is not None,
        )
        job.shell.say(f"image: building {names[0]} with {using.name} (base {job.image.base}: {facts})")
        outcome = job.shell.run(using.build(recipe), what=f"image: {job.target.name}", env=job.shell.environ)
        if outcome.status != 0 or not recipe.id_file.exists():
            raise _build_failed(outcome, job)
        made = recipe.id_file.read_text("utf-8").strip()
    built = BuiltImage(
        identity=made,
        tags=names,
        described=keeper.described(made),
        base=keeper.described(identity),
        facts=facts,
        seconds=outcome.seconds,
    )
    job.shell.say(f"image: {', '.join(names)} built in {built.seconds:.1f} s, {_size(built)} ({made[:19]})")
    for digest in built.layers:
        job.shell.say(f"image: layer {digest}")
    return built


def _from_source(job: Job, keeper: ImageInspector, facts: Facts, place: Path) -> FromSource:
    """The first stage of a build from the sources. Raises `image-base`, `image-python`."""
    builder = job.image.builder or job.image.base
    key = f"{job.key}.{'builder' if job.image.builder else 'base'}"
    identity = keeper.present(builder, key=key)
    there = keeper.facts(builder, identity=identity, minor=facts.minor, key=key)
    compatibility.judge_builder(there, facts, builder=builder, base=job.image.base)
    if there.version != facts.version:
        job.shell.say(f"image: the builder has Python {there.version}, the base {facts.version}: best the very same")
    return FromSource(
        builder=builder,
        python=there.executable,
        requirement=_ourselves(job, place),
        built=(job.target.directory / f"{job.target.name}.pex").relative_to(job.target.project.root).as_posix(),
    )


def _ourselves(job: Job, place: Path) -> str:
    """What pip installs to have this nox-pex: this version, or a wheel in the context of the checkout it runs from."""
    checkout = Path(nox_pex.__file__).resolve().parents[2]
    if not (checkout / "pyproject.toml").is_file() or pyproject.read(checkout).name != "nox-pex":
        return f"nox-pex=={nox_pex.__version__}"
    here = Interpreter(
        implementation=sys.implementation.name, version=sys.version.split()[0], executable=Path(sys.executable)
    )
    into = place / ".nox-pex"  # hidden: nothing of it ships
    into.mkdir()
    built = build_wheel.build_wheel(pyproject.read(checkout), into=into, interpreter=here, provisioner=job.provisioner)
    return built.relative_to(place).as_posix()


def _text(job: Job, facts: Facts, source: FromSource | None) -> str:
    """The Dockerfile, ours or the project's own."""
    if job.image.containerfile is not None:
        file = job.target.project.root / job.image.containerfile
        try:
            return file.read_text("utf-8")
        except OSError as error:
            problem = f"{job.key}.containerfile names {job.image.containerfile}, which cannot be read: {error.strerror}"
            remedy = "correct the path; it is taken from the project's directory"
            raise NoxPexError("source-missing", problem, remedy) from error
    table = job.target.table
    return containerfile.text(
        Contents(
            name=job.target.name,
            version=version(job),
            image=job.image,
            file=job.target.output.name,
            python=facts.executable,
            direct=facts.has_shell and table.sh_boot and table.layout == "zipapp",
            project=job.distribution,
            labels=labels(job),
            source=source,
        )
    )


def fill_template(job: Job, place: Path) -> None:
    """Lay out what the Dockerfile copies: the binary, or the sources that it is built from."""
    if job.from_source or job.image.containerfile is not None:
        build_context.lay_sources(job.target.project, output_dir=job.target.directory, into=place)
    if job.from_source:
        return
    build_context.lay(job.target.binary, place, name=job.target.output.name)
    if job.image.form == "unpacked":
        halves = split_pex.halves(job.target.output)
        split_pex.split(job.target.binary, project=job.distribution, into=halves)
        for half in (halves.dependencies, halves.own):
            build_context.lay(half, place, name=half.name)


def _secrets(job: Job, into: Path) -> Mapping[str, Path]:
    return build_context.build_secrets(job.shell.environ, prefix=Path(sys.prefix), into=into)


def _build_failed(outcome: Outcome, job: Job) -> NoxPexError:
    steps = [match["step"] or match["kit"] for match in _STEP.finditer(outcome.output)]
    step = f" at `{steps[-1][:200]}`" if steps else ""
    said = next((line.strip() for line in reversed(outcome.tail) if line.strip()), "it said nothing")
    problem = f"building {job.file.name} failed{step}: {said}"
    remedy = "read the engine's last lines above; `--verbose` shows its command line and all of its output"
    return NoxPexError("image-build", problem, remedy, log=outcome.tail)


def _size(built: BuiltImage) -> str:
    return f"{megabytes(built.added)} over its base" if built.added is not None else f"{len(built.layers)} layers"
