"""From a binary to an image that was seen to work: ask the base, write the file, build, run, check."""

from __future__ import annotations

import datetime as dt
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

import nox_pex
from nox_pex import files, project, wheel
from nox_pex.command import Outcome, Shell
from nox_pex.config import Settings
from nox_pex.environment import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.image import container, containerfile, context, demands, engine, layers
from nox_pex.image.base import Facts, Keeper
from nox_pex.image.container import Containers
from nox_pex.image.containerfile import Contents, FromSource
from nox_pex.image.engine import Engine, Recipe
from nox_pex.image.settings import Image, port_number
from nox_pex.project import Project
from nox_pex.secrets import public_url
from nox_pex.smoke import plan
from nox_pex.smoke import run as smoke_run
from nox_pex.smoke.plan import Boot, Options, Target
from nox_pex.smoke.report import Outcome as Booted
from nox_pex.smoke.report import Report
from nox_pex.smoke.settings import Budget, Smoke
from nox_pex.smoke.site import Site
from nox_pex.smoke.workspace import Workspace
from nox_pex.tools import Provisioner

_STEP: Final = re.compile(
    r"^(?:\[[0-9]+/[0-9]+\] )?(?:STEP|Step) [0-9]+/[0-9]+ ?: (?P<step>.+)$"  # podman, buildah, Docker's first builder
    r"|^ > \[[^\]]*\] (?P<kit>.+?):?$",  # BuildKit
    re.MULTILINE,
)
_OUTSIDE: Final = "0.0.0.0"  # noqa: S104 (inside a container, where only what is published can be reached)
_CONTAINER: Final = Boot(condition="container", state="container")
_ANNOTATION: Final = "org.opencontainers.image."
_SOURCES: Final = ("source", "source-code", "repository", "homepage")
"""Names under `[project.urls]` that say where the sources are, the best first."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """An image to make.

    `stem` is what the binary's files are called in `output`, and `record` its build record; without `from_source` the
    binary is `binary`. `direct` is whether a shell can start the binary. `state` is a private directory that survives
    from run to run.
    """

    name: str
    stem: str
    image: Image
    binary: Path
    record: Mapping[str, Any]
    direct: bool
    project: Project
    output: Path
    state: Path
    from_source: bool
    provisioner: Provisioner

    @property
    def shell(self) -> Shell:
        """How the engine is run."""
        return self.provisioner.shell

    @property
    def python(self) -> str | None:
        """The version of Python that the binary was built with, as far as that is on record."""
        return str(self.record.get("python", "")).rpartition(" ")[2] or None

    @property
    def minor(self) -> str | None:
        """Major and minor of it."""
        return ".".join(self.python.split(".")[:2]) if self.python else None

    @property
    def key(self) -> str:
        """The table that it comes from, for errors."""
        return f"tool.nox-pex.binary.{self.name}.image"

    @property
    def file(self) -> Path:
        """The Dockerfile that is built."""
        return self.output / f"{self.stem}.Dockerfile"

    @property
    def distribution(self) -> str | None:
        """The name of the project's distribution, where it ships as one."""
        return self.project.name if self.project.package_mode else None


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image that is there: its id, its names, what the engine says of it, what it stands on."""

    identity: str
    tags: tuple[str, ...]
    described: Mapping[str, Any]
    base: Mapping[str, Any]
    facts: Facts
    seconds: float

    @property
    def layers(self) -> tuple[str, ...]:
        """The digests of its layers above the base, lowest first."""
        below = len(_layers(self.base))
        return _layers(self.described)[below:]

    @property
    def added(self) -> int | None:
        """Bytes above the base, where the engine tells."""
        sizes = (self.described.get("Size"), self.base.get("Size"))
        return sizes[0] - sizes[1] if isinstance(sizes[0], int) and isinstance(sizes[1], int) else None


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of a job: the report of the container's smoke test, and what `NAME.image.json` holds."""

    report: Report
    as_json: Mapping[str, Any]


def judge_wanted(names: Sequence[str], settings: Settings, *, named: Sequence[str], file: str) -> None:
    """Raise `NoxPexError` `config` where none of the binaries `names` has an image, or one that was `named` has not."""
    without = [name for name in names if settings.binary[name].image is None]
    lacking = next((name for name in without if name in named), without[0] if len(without) == len(names) else None)
    if lacking is not None:
        table = f"[tool.nox-pex.binary.{lacking}.image]"
        minor = ".".join(map(str, sys.version_info[:2]))
        raise NoxPexError("config", f"{file} has no {table} table", f'add {table} base = "python:{minor}-slim"')


def run(job: Job, *, smoke: Smoke, environ: Mapping[str, str], options: Options, say: Callable[[str], None]) -> Done:
    """Build the image and check its container. What the program does is in the report; all else is raised."""
    plan.judge(smoke, name=job.name)
    using = engine.find(job.image.engine, job.image.engine_args, job.shell)
    built = build(job, using)
    report = check(job, built, using, smoke=smoke, environ=environ, options=options, say=say)
    return Done(report=report, as_json=_as_json(job, built, using, report))


def build(job: Job, using: Engine) -> Built:
    """Build the image; the Dockerfile is left in `output`, and is exactly what was built.

    Raises `NoxPexError`: `image-base`, `image-python`, `image-build`, `config`.
    """
    keeper = Keeper(engine=using, shell=job.shell, memory=job.state / "images.json")
    identity = keeper.present(job.image.base, key=f"{job.key}.base")
    facts = keeper.facts(job.image.base, identity=identity, minor=job.minor, key=f"{job.key}.base")
    if not job.from_source:
        wanted = demands.read(job.binary)
        demands.judge(wanted, facts, name=job.name, base=job.image.base, built_with=job.python)
    tags = _tags(job)
    with tempfile.TemporaryDirectory(prefix="nox-pex-image-") as aside:
        place, secrets = Path(aside, "context"), Path(aside, "secrets")
        place.mkdir()
        secrets.mkdir(mode=0o700)
        source = _from_source(job, keeper, facts, place) if job.from_source else None
        files.write_text(job.file, _text(job, facts, source))
        _fill(job, place)
        recipe = Recipe(
            file=job.file,
            context=place,
            tags=tags,
            id_file=Path(aside, "id"),
            secrets={} if source is None else _secrets(job, secrets),
            dockers_format=job.image.healthcheck is not None or job.image.containerfile is not None,
        )
        job.shell.say(f"image: building {tags[0]} with {using.name} (base {job.image.base}: {facts})")
        outcome = job.shell.run(using.build(recipe), what=f"image: {job.name}", env=job.shell.environ)
        if outcome.status != 0 or not recipe.id_file.exists():
            raise _build_failed(outcome, job)
        made = recipe.id_file.read_text("utf-8").strip()
    built = Built(
        identity=made,
        tags=tags,
        described=keeper.described(made),
        base=keeper.described(identity),
        facts=facts,
        seconds=outcome.seconds,
    )
    job.shell.say(f"image: {', '.join(tags)} built in {built.seconds:.1f} s, {_size(built)} ({made[:19]})")
    for digest in built.layers:
        job.shell.say(f"image: layer {digest}")
    return built


def check(
    job: Job,
    built: Built,
    using: Engine,
    *,
    smoke: Smoke,
    environ: Mapping[str, str],
    options: Options,
    say: Callable[[str], None],
) -> Report:
    """Run the image's container as its user, on a read-only root with a tmpfs, and ask it all that `smoke` asks.

    With `args` in the settings the container starts with those, as it will in production, and the first port of
    `expose` is published; without, with the words of the smoke test, `{host}` being every address of the container.
    """
    subject = smoke_run.Subject(name=job.name, binary=job.file, size=built.added or 0, boots=(_CONTAINER,))
    if using.name == "buildah":
        reason = "buildah builds images and starts no services: install podman beside it, which sees the same images"
        wrong = None
        if smoke.skips == "fail":
            wrong = NoxPexError("check-failed", f"container: skipped: {reason}", "or set `skips` to report")
        count = len(smoke.http) + len(smoke.tcp) + len(smoke.command)
        skipped = Booted(condition="container", state="skipped", reason=reason, checks=count)
        say(str(skipped))
        return Report(name=job.name, binary=job.file, size=subject.size, outcomes=(skipped,), failure=wrong)
    made = container.made(built.described, identity=built.identity, python=built.facts.executable)
    if made.user.partition(":")[0] in ("0", "root"):
        say("container: the image's user is root")
    inner = port_number("expose", job.image.expose[0]) if job.image.args and job.image.expose else None

    def place(space: Workspace, filled: Smoke, target: Target) -> Site:
        return Containers(
            engine=using,
            shell=job.shell,
            made=made,
            workspace=space,
            host=f"[{target.host}]" if ":" in target.host else target.host,
            published=_published(filled, target, inner),
            words=not job.image.args,
            shares_tmp=plan.mentions_tmp(smoke),
            environ=environ,
            pass_env=filled.pass_env,
            keep=options.keep,
        )

    return smoke_run.run_at(
        place,
        subject=subject,
        smoke=_inside(smoke, inner),
        budget=Budget(),
        project=job.project.root,
        environ=environ,
        secrets=job.shell.secrets,
        options=options,
        say=say,
    )


def _as_json(job: Job, built: Built, using: Engine, report: Report) -> dict[str, Any]:
    return {
        "name": job.name,
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


def _published(smoke: Smoke, target: Target, inner: int | None) -> Mapping[int, int]:
    """The ports to publish, and the container's port for each; none for a program that is no server."""
    if plan.readiness(smoke) is None:
        return {}
    ports = {int(check.port): int(check.port) for check in smoke.tcp}
    if target.unix_socket is None:
        ports[target.port] = inner or target.port
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


def _from_source(job: Job, keeper: Keeper, facts: Facts, place: Path) -> FromSource:
    """The first stage of a build from the sources. Raises `image-base`, `image-python`."""
    builder = job.image.builder or job.image.base
    key = f"{job.key}.{'builder' if job.image.builder else 'base'}"
    identity = keeper.present(builder, key=key)
    there = keeper.facts(builder, identity=identity, minor=facts.minor, key=key)
    demands.judge_builder(there, facts, builder=builder, base=job.image.base)
    if there.version != facts.version:
        job.shell.say(f"image: the builder has Python {there.version}, the base {facts.version}: best the very same")
    return FromSource(
        builder=builder,
        python=there.executable,
        requirement=_ourselves(job, place),
        built=(job.output / f"{job.name}.pex").relative_to(job.project.root).as_posix(),
    )


def _ourselves(job: Job, place: Path) -> str:
    """What pip installs to have this nox-pex: this version, or a wheel in the context of the checkout it runs from."""
    checkout = Path(nox_pex.__file__).resolve().parents[2]
    if not (checkout / "pyproject.toml").is_file() or project.read(checkout).name != "nox-pex":
        return f"nox-pex=={nox_pex.__version__}"
    here = Interpreter(
        implementation=sys.implementation.name, version=sys.version.split()[0], executable=Path(sys.executable)
    )
    into = place / ".nox-pex"  # hidden: nothing of it ships
    into.mkdir()
    built = wheel.build_wheel(project.read(checkout), into=into, interpreter=here, provisioner=job.provisioner)
    return built.relative_to(place).as_posix()


def _text(job: Job, facts: Facts, source: FromSource | None) -> str:
    """The Dockerfile, ours or the project's own."""
    if job.image.containerfile is not None:
        file = job.project.root / job.image.containerfile
        try:
            return file.read_text("utf-8")
        except OSError as error:
            problem = f"{job.key}.containerfile names {job.image.containerfile}, which cannot be read: {error.strerror}"
            remedy = "correct the path; it is taken from the project's directory"
            raise NoxPexError("source-missing", problem, remedy) from error
    return containerfile.text(
        Contents(
            name=job.name,
            version=_version(job),
            image=job.image,
            file=f"{job.stem}.pex",
            python=facts.executable,
            direct=facts.has_shell and job.direct,
            project=job.distribution,
            labels=_labels(job),
            source=source,
        )
    )


def _fill(job: Job, place: Path) -> None:
    """Lay out what the Dockerfile copies: the binary, or the sources that it is built from."""
    if job.from_source or job.image.containerfile is not None:
        context.lay_sources(job.project, output_dir=job.output, into=place)
    if job.from_source:
        return
    context.lay(job.binary, place, name=f"{job.stem}.pex")
    if job.image.form == "unpacked":
        halves = layers.halves(job.output / f"{job.stem}.pex")
        layers.split(job.binary, project=job.distribution, into=halves)
        for half in (halves.dependencies, halves.own):
            context.lay(half, place, name=half.name)


def _secrets(job: Job, into: Path) -> Mapping[str, Path]:
    return context.build_secrets(job.shell.environ, prefix=Path(sys.prefix), into=into)


def _tags(job: Job) -> tuple[str, ...]:
    """The image's names, with the version and the commit filled in. Raises `NoxPexError` `config`."""
    values = {"{version}": _version(job), "{git-sha}": _revision(job)}
    done = []
    for tag in job.image.tag or (f"{job.name.lower()}:latest",):
        for token, value in values.items():
            if token in tag and value is None:
                problem = f"{job.key}.tag has {token}, and {job.name} has none"
                raise NoxPexError("config", problem, "give the project a version (or a commit), or leave it out")
        filled = tag
        for token, value in values.items():
            filled = filled.replace(token, re.sub(r"[^A-Za-z0-9_.-]", "-", value or ""))
        done.append(filled)
    return tuple(done)


def _version(job: Job) -> str | None:
    """The binary's version; that of the project where there is no record."""
    return job.record.get("version") or job.project.version


def _revision(job: Job) -> str | None:
    """The commit that the binary was built from, with `-dirty` behind it where not all was committed."""
    git = job.record.get("git") if job.record else _git(job)
    return f"{git['commit']}{'-dirty' if git['dirty'] else ''}" if git else None


def _git(job: Job) -> Mapping[str, Any] | None:
    head = _asked_git(job, "rev-parse", "HEAD")
    if head is None:
        return None
    return {"commit": head, "dirty": bool(_asked_git(job, "status", "--porcelain", "--", "."))}


def _asked_git(job: Job, *words: str) -> str | None:
    try:
        outcome = job.shell.run(["git", *words], what="git", env=job.shell.environ, cwd=job.project.root)
    except OSError:
        return None
    return outcome.output.strip() if outcome.status == 0 else None


def _labels(job: Job) -> dict[str, str]:
    """The annotations of the OCI image specification, none of which depends on when or where the image is built."""
    revision = _revision(job)
    labels = {"version": _version(job), "revision": revision, "source": _source(job), "created": None}
    if revision is not None:
        seconds = _asked_git(job, "show", "--no-patch", "--format=%ct", revision.partition("-")[0])
        if seconds is not None and seconds.isdecimal():
            created = dt.datetime.fromtimestamp(int(seconds), tz=dt.timezone.utc)
            labels["created"] = created.isoformat().replace("+00:00", "Z")
    return {f"{_ANNOTATION}{name}": value for name, value in labels.items() if value}


def _source(job: Job) -> str | None:
    """Where the sources are: what the project says, or else its Git remote, without credentials."""
    urls = job.project.document.get("project", {}).get("urls", {})
    named = {re.sub(r"[ _]", "-", str(name)).lower(): str(url) for name, url in urls.items()}
    named |= {name: str(url) for name, url in job.project.document.get("tool", {}).get("poetry", {}).items()
              if name in _SOURCES}  # fmt: skip
    found = next((named[name] for name in _SOURCES if name in named), None) or _asked_git(
        job, "config", "--get", "remote.origin.url"
    )
    return public_url(found) if found and len(found.splitlines()) == 1 else None


def _build_failed(outcome: Outcome, job: Job) -> NoxPexError:
    steps = [match["step"] or match["kit"] for match in _STEP.finditer(outcome.output)]
    step = f" at `{steps[-1][:200]}`" if steps else ""
    said = next((line.strip() for line in reversed(outcome.tail) if line.strip()), "it said nothing")
    problem = f"building {job.file.name} failed{step}: {said}"
    remedy = "read the engine's last lines above; `--verbose` shows its command line and all of its output"
    return NoxPexError("image-build", problem, remedy, log=outcome.tail)


def _layers(described: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple((described.get("RootFS") or {}).get("Layers") or ())


def _size(built: Built) -> str:
    return f"{built.added / 1e6:.1f} MB over its base" if built.added is not None else f"{len(built.layers)} layers"
