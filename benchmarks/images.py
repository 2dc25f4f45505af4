"""Container images by podman: the time of a rebuild after an edit, the size over the base, and the start.

The base is a Debian that `debootstrap` makes once. Every container runs as docs/image.md recommends: as another user,
on a read-only root, with a tmpfs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks.bench import Bench, FailedError
from benchmarks.boots import answers
from benchmarks.checkout import PROJECTS, Checkout
from benchmarks.execution import Step, Timed
from benchmarks.results import NOX_PEX, Key
from nox_pex.image import build_context
from nox_pex.tools.pinned import POETRY

PIECE: Final = "image"
CASES: Final = {"edit": "rebuild after an edit", "size": "size over the base", "boot": "start"}
FORMS: Final = ("file", "unpacked")
Recipe = Literal["pip install", "poetry install"]
_PROJECT: Final = "hello"
_PREFIX: Final = "localhost/nox-pex-bench"
BASE: Final = f"{_PREFIX}-base"
_PACKAGES: Final = "python3,python3-venv,ca-certificates"
_ROUNDS: Final = 3
_PORT: Final = 8000
_LONGEST: Final = 120.0
_PAUSE: Final = 0.005

_LIMITS: Final = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
"""Limits that any machine allows. Some machines do not allow podman's defaults, which are higher."""

_TABLE: Final = """
[tool.nox-pex.binary.service.image]
base = "{base}"
form = "{form}"
engine = "podman"
expose = [8000]
args = ["main:app", "--host", "0.0.0.0", "--port", "8000"]
"""
_SECRETS: Final = "--mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem"
_CMD: Final = 'CMD ["main:app", "--host", "0.0.0.0", "--port", "8000"]\n'
_PIP: Final = (
    "FROM {base}\nRUN python3 -m venv /venv\nCOPY requirements.txt /\n"
    "RUN {secrets} /venv/bin/pip install --no-cache-dir -r /requirements.txt\n"
    "COPY app /app\nWORKDIR /app\nUSER 65532\n"
    'ENTRYPOINT ["/venv/bin/uvicorn"]\n' + _CMD
)
_POETRY: Final = (
    "FROM {base}\nRUN python3 -m venv /poetry\n"
    "RUN {secrets} /poetry/bin/pip install --no-cache-dir poetry=={poetry} poetry-plugin-pypi-mirror\n"
    "ENV POETRY_VIRTUALENVS_IN_PROJECT=1 POETRY_NO_INTERACTION=1\n"
    "WORKDIR /app\nCOPY app/pyproject.toml app/poetry.lock /app/\n"
    "RUN {secrets} --mount=type=secret,id=environment . /run/secrets/environment "
    "&& /poetry/bin/poetry install --only main --no-root --no-cache\n"
    "COPY app /app\nUSER 65532\n"
    'ENTRYPOINT ["/app/.venv/bin/uvicorn"]\n' + _CMD
)
"""One stage, as people often write it: Poetry stays in the image."""


@dataclass(frozen=True, kw_only=True)
class ImageWay:
    """A way to an image: the `checkout` of the project, and `build`, which returns the time and the image's name."""

    name: str
    checkout: Checkout
    build: Callable[[], tuple[Timed, str]]


def measure(bench: Bench) -> None:
    """Measure each way in turn. Raises `FailedError` if there is no base."""
    if bench.wanted.quick or not bench.wanted.has(PIECE) or _PROJECT not in bench.projects(_PROJECT):
        return
    bench.say(f"{PIECE}: the base")
    provide_base(bench)
    built: set[str] = set()
    try:
        _measure(bench, [*(_nox_pex(bench, form) for form in FORMS), _pip(bench), _poetry(bench)], built)
    finally:
        _run(bench, "remove", "podman", "rmi", "--force", "--ignore", *built, f"{_PREFIX}-none")


def _measure(bench: Bench, ways: list[ImageWay], built: set[str]) -> None:
    """Record all samples; add the name or the identity of each image to `built`."""
    images: dict[str, str] = {}
    base = _size(bench, BASE)
    for way in ways:
        bench.say(f"{PIECE}: {way.name}: first build, not timed")
        timed, image = way.build()
        if timed.failure:
            bench.recorder.add(_key("edit", way.name), None, failure=timed.failure)
            continue
        images[way.name] = image
        built.add(image)
        bench.recorder.add(_key("size", way.name), _size(bench, image) - base, unit="bytes")
    rounds = bench.wanted.at_most(_ROUNDS)
    for number in range(rounds):
        bench.say(f"{PIECE}: {number + 1} of {rounds}")
        for way in [way for way in ways if way.name in images]:
            way.checkout.edit(f"edit {number}")
            timed, image = way.build()
            bench.recorder.add(_key("edit", way.name), timed.seconds, steps=timed.steps, failure=timed.failure)
            images[way.name] = image or images[way.name]
            built.add(images[way.name])
            seconds, failure = _booted(bench, images[way.name])
            bench.recorder.add(_key("boot", way.name), seconds, failure=failure)


def _nox_pex(bench: Bench, form: str) -> ImageWay:
    """Time `nox -s pex` and the engine's part of `nox -s image`, not the container checks, which only nox-pex makes."""
    checkout = bench.checkout(_PROJECT, f"{PIECE} {form}")
    with (checkout.root / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write(_TABLE.format(base=BASE, form=form))

    def build() -> tuple[Timed, str]:
        env, label = {**bench.own_environ(), **engine(bench)}, f"{PIECE}.{form}"
        timed = bench.runner.run([bench.nox("-s", "pex")], cwd=checkout.root, env=env, label=f"{label}.pex")
        imaged = bench.runner.run([bench.nox("-s", "image")], cwd=checkout.root, env=env, label=f"{label}.image")
        if timed.failure or imaged.failure:
            return Timed(steps={}, failure=timed.failure or imaged.failure), ""
        note = json.loads((checkout.root / "dist" / "service.image.json").read_text("utf-8"))
        return Timed(steps={"nox -s pex": sum(timed.steps.values()), "podman build": note["seconds"]}), note["id"]

    return ImageWay(name=f"{NOX_PEX}, {form}", checkout=checkout, build=build)


def _pip(bench: Bench) -> ImageWay:
    """Install the requirements that nox-pex freezes, so that pip installs exactly what Poetry would."""
    frozen = bench.checkout(_PROJECT, f"{PIECE} frozen")
    bench.build(frozen, f"{PIECE}.frozen")
    requirements = frozen.root / "dist" / "service.requirements.txt"
    return by_dockerfile(bench, "pip install", {"requirements.txt": requirements}, image=f"{_PREFIX}-pip")


def _poetry(bench: Bench) -> ImageWay:
    return by_dockerfile(bench, "poetry install", {}, image=f"{_PREFIX}-poetry")


def by_dockerfile(
    bench: Bench,
    name: Recipe,
    files: Mapping[str, Path],
    *,
    image: str,
    base: str = BASE,
    project: str = _PROJECT,
    piece: str = PIECE,
) -> ImageWay:
    """Return the way by a Dockerfile as people write it, with the tag `image`. `files` are copied to its context."""
    short, text = name.partition(" ")[0], _PIP if name == "pip install" else _POETRY
    context = bench.work / piece / project / short
    secrets = bench.work / piece / project / f"{short}-secrets"
    secrets.mkdir(parents=True)
    checkout = Checkout.of(PROJECTS / project, context / "app")
    mounts = build_context.write_secrets(os.environ, prefix=Path(sys.prefix), into=secrets)
    if "environment" not in mounts:
        (secrets / "environment").write_text(_poetry_environment(bench, mounts), "utf-8")
        mounts = {**mounts, "environment": secrets / "environment"}
    for target, source in files.items():
        shutil.copyfile(source, context / target)
    (context / "Dockerfile").write_text(text.format(base=base, secrets=_SECRETS, poetry=POETRY), "utf-8")
    options = [part for name, file in sorted(mounts.items()) for part in ("--secret", f"id={name},src={file}")]
    step = Step(name="podman build", argv=("podman", "build", "--layers", "--tag", image, *options, "."))

    def build() -> tuple[Timed, str]:
        return bench.runner.run([step], cwd=context, env=engine_environ(bench), label=f"{piece}.{short}"), image

    return ImageWay(name=name, checkout=checkout, build=build)


def _poetry_environment(bench: Bench, mounts: Mapping[str, Path]) -> str:
    """The shell variables that let Poetry use the index of pip's configuration."""
    url = bench.environ("image", project=bench.work).get("POETRY_PYPI_MIRROR_URL", "")
    lines = [f"export POETRY_PYPI_MIRROR_URL={url}"] if url else []
    if "ca.pem" in mounts:
        lines.append("export REQUESTS_CA_BUNDLE=/run/secrets/ca.pem")
    return "\n".join([*lines, ""])


def provide_base(bench: Bench) -> None:
    """Make the base if podman does not have it from an earlier run."""
    if missing := [program for program in ("podman", "debootstrap") if shutil.which(program) is None]:
        msg = f"{PIECE}: {missing[0]} is not installed"
        raise FailedError(msg)
    if BASE in _run(bench, "images", "podman", "images", "--format", "{{.Repository}}").split():
        return
    root = bench.work / PIECE / "base"
    _run(bench, "debootstrap", "debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(root))
    _run(bench, "import", "sh", "-c", f"tar -C '{root}' -c . | podman import - {BASE}")
    shutil.rmtree(root)


def _booted(bench: Bench, image: str) -> tuple[float | None, str]:
    """Run the image; return the seconds from the start of the engine to the first answer, or why there was none."""
    name = f"nox-pex-bench-{time.monotonic_ns()}"
    options = ["--rm", "--name", name, "--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777"]  # noqa: S108  # in the container
    options += ["--env", "PEX_ROOT=/tmp/pex", "--publish", f"127.0.0.1::{_PORT}", image]
    started, env = time.perf_counter(), engine_environ(bench)
    log = bench.runner.logs / f"{PIECE}-boot.log"
    argv = ["podman", "run", *options]
    with log.open("wb") as output, subprocess.Popen(argv, env=env, stdout=output, stderr=output) as process:
        try:
            port = 0
            while process.poll() is None and time.perf_counter() - started < _LONGEST:
                port = port or _published(name, env)
                if port and answers(port):
                    return time.perf_counter() - started, ""
                time.sleep(_PAUSE)
        finally:
            argv = ["podman", "rm", "--force", "--time", "0", name]
            subprocess.run(argv, env=env, capture_output=True, check=False)
            process.wait()
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return None, lines[-1] if lines else "no answer"


def _published(name: str, env: Mapping[str, str]) -> int:
    """The port of this machine at which the container is published; 0 if it is not published yet."""
    argv = ["podman", "port", name, str(_PORT)]
    result = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    return int(result.stdout.strip().rpartition(":")[2]) if result.returncode == 0 and result.stdout.strip() else 0


def _size(bench: Bench, image: str) -> int:
    return int(_run(bench, "size", "podman", "image", "inspect", "--format", "{{.Size}}", image))


def _run(bench: Bench, label: str, *argv: str) -> str:
    """Run a command, not timed; return its output. Raises `FailedError`."""
    label = f"{PIECE}.{label}"
    timed = bench.runner.run([Step(name=argv[0], argv=argv)], cwd=bench.work, env=engine_environ(bench), label=label)
    if timed.failure:
        msg = f"{PIECE}: {timed.failure}"
        raise FailedError(msg)
    return bench.runner.output(label)


def engine_environ(bench: Bench) -> dict[str, str]:
    """Return the environment variables for podman."""
    return {**bench.environ("image", project=bench.work), **engine(bench)}


def engine(bench: Bench) -> dict[str, str]:
    """The variables for podman: limits that any machine allows, and builds that need no namespaces."""
    configuration = bench.work / "containers.conf"
    configuration.write_text(_LIMITS, "utf-8")
    return {"CONTAINERS_CONF": str(configuration), "BUILDAH_ISOLATION": "chroot"}


def _key(case: str, subject: str) -> Key:
    return Key(piece=PIECE, project=_PROJECT, case=case, subject=subject)
