"""Images that are built and pushed to a registry: without an engine, by podman, and by Dockerfiles of the usual form.

Nobody pushes evidence here, and the container is not checked, because only nox-pex does either. Bytes are all that a
client sends to the registry, with the headers of HTTP.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import counted_registry, images
from benchmarks.bench import Bench, FailedError
from benchmarks.checkout import Checkout
from benchmarks.counted_registry import CountedRegistry
from benchmarks.execution import Step, Timed
from benchmarks.locks import BUMPS
from benchmarks.results import NOX_PEX, Key

PIECE: Final = "push"
CASES: Final = {"first": "first image", "edit": "after an edit", "bump": "after a bump"}
OURS: Final = f"{NOX_PEX}, unpacked"
_PROJECTS: Final = ("hello", "app")
_ROUNDS: Final = 3
_FOR_IMAGES: Final = ("layers", "root-file-systems")
"""Directories of the shared cache with what was made for images. Without them, an image is the first of its kind."""
_BASE: Final = """\
FROM {base}
COPY . /usr/local/python
ENV PATH=/usr/local/python/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/python/lib
LABEL run={label}
"""
_TABLE: Final = """
[tool.nox-pex.binary.service.image]
base = "{base}"
tag = ["{image}"]
form = "{form}"
engine = "{engine}"
expose = [8000]
args = ["main:app", "--host", "0.0.0.0", "--port", "8000"]
"""


@dataclass(frozen=True, kw_only=True)
class PushWay:
    """A way from a checkout to an image in the registry: `build` builds and pushes it."""

    name: str
    checkout: Checkout
    build: Callable[[], Timed]


def measure(bench: Bench) -> None:
    """Measure each way in turn, for each project. Raises `FailedError` if there is no base, or no registry."""
    projects = bench.projects(*_PROJECTS)
    if bench.wanted.quick or not bench.wanted.has(PIECE) or not projects:
        return
    bench.say(f"{PIECE}: the base")
    images.provide_base(bench)
    for project in projects:
        with counted_registry.running(bench.work / PIECE / f"registry-{project}") as registry:
            base = _base(bench, registry)
            _measure(bench, project, registry, _ways(bench, project, registry, base))


def _base(bench: Bench, registry: CountedRegistry) -> str:
    """Push a Debian with this Python to the registry, and return its name.

    Some lock needs exactly the patch release that Poetry installed for. The label makes it an image that podman has
    never seen, so that nothing above it is in podman's cache.
    """
    base, file = f"{registry.address}/base:1", bench.work / PIECE / "base.Dockerfile"
    ignored = file.with_suffix(".ignore")
    file.write_text(_BASE.format(base=images.BASE, label=registry.address), "utf-8")
    ignored.write_text("**/test\n**/__pycache__\n", "utf-8")
    options = ("--quiet", "--file", str(file), "--ignorefile", str(ignored), "--tag", base)
    _engine_run(bench, "podman", "build", *options, sys.base_prefix)
    _engine_run(bench, "podman", "push", "--quiet", "--tls-verify=false", base)
    return base


def _ways(bench: Bench, project: str, registry: CountedRegistry, base: str) -> list[PushWay]:
    forms = [(form, engine) for engine in ("none", "podman") for form in ("unpacked", "file")]
    frozen = bench.checkout(project, f"{PIECE} frozen")
    bench.build(frozen, f"{PIECE}.frozen")
    requirements = {"requirements.txt": frozen.root / "dist" / "service.requirements.txt"}
    return [
        *(_nox_pex(bench, project, registry, base, form=form, engine=engine) for form, engine in forms),
        _dockerfile(bench, project, registry, "pip install", base=base, files=requirements),
        _dockerfile(bench, project, registry, "poetry install", base=base, files={}),
    ]


def _measure(bench: Bench, project: str, registry: CountedRegistry, ways: list[PushWay]) -> None:
    bumps = BUMPS[project]
    rounds = bench.wanted.at_most(min(_ROUNDS, len(bumps)))
    _measure_case(bench, project, registry, ways, "first")
    for number in range(rounds):
        bench.say(f"{PIECE}: {project}: {number + 1} of {rounds}")
        for way in ways:
            way.checkout.edit(f"edit {number}")
        _measure_case(bench, project, registry, ways, "edit")
        for way in ways:
            way.checkout.lock(bumps[number])
        _measure_case(bench, project, registry, ways, "bump")


def _measure_case(bench: Bench, project: str, registry: CountedRegistry, ways: list[PushWay], case: str) -> None:
    for way in ways:
        before = registry.sent
        timed = way.build()
        key = Key(piece=PIECE, project=project, case=case, subject=way.name)
        bench.recorder.add(key, timed.seconds, steps=timed.steps, failure=timed.failure)
        sent = Key(piece=PIECE, project=project, case=f"{case}-sent", subject=way.name)
        bench.recorder.add(sent, None if timed.failure else registry.sent - before, unit="bytes")


def _nox_pex(bench: Bench, project: str, registry: CountedRegistry, base: str, *, form: str, engine: str) -> PushWay:
    """Time `nox -s pex`, and what `image` and `push` say that they took for the image and the push.

    The first image begins without anything in the cache that only images need.
    """
    place = f"{form}-{engine}"
    checkout = bench.checkout(project, f"{PIECE} {place}")
    with (checkout.root / "pyproject.toml").open("a", encoding="utf-8") as settings:
        image = f"{registry.address}/{project}-{place}:1"
        settings.write(_TABLE.format(base=base, image=image, form=form, engine=engine))
    for name in _FOR_IMAGES:
        shutil.rmtree(bench.caches("nox-pex") / "nox-pex" / name, ignore_errors=True)

    def build() -> Timed:
        env, label = {**bench.own_environ(), **images.engine(bench)}, f"{PIECE}.{place}"
        timed = bench.runner.run([bench.nox("-s", "pex")], cwd=checkout.root, env=env, label=f"{label}.pex")
        step = bench.nox("-s", "push", "--", "--no-evidence")
        pushed = bench.runner.run([step], cwd=checkout.root, env=env, label=f"{label}.push")
        if timed.failure or pushed.failure:
            return Timed(steps={}, failure=timed.failure or pushed.failure)
        seconds = {name: _result(checkout.root / "dist" / f"service.{name}.json") for name in ("image", "push")}
        return Timed(steps={"nox -s pex": sum(timed.steps.values()), **seconds})

    name = OURS.replace("unpacked", form) if engine == "none" else f"{NOX_PEX} and podman, {form}"
    return PushWay(name=name, checkout=checkout, build=build)


def _dockerfile(
    bench: Bench,
    project: str,
    registry: CountedRegistry,
    name: images.Recipe,
    *,
    base: str,
    files: dict[str, Path],
) -> PushWay:
    image = f"{registry.address}/{project}-{name.partition(' ')[0]}:1"
    way = images.by_dockerfile(bench, name, files, image=image, base=base, project=project, piece=PIECE)
    push = Step(name="podman push", argv=("podman", "push", "--tls-verify=false", image))

    def build() -> Timed:
        if files:  # pip installs what the new lock says
            _freeze(bench, project, way.checkout, files["requirements.txt"], label=f"{PIECE}.frozen")
        built, _ = way.build()
        if built.failure:
            return built
        pushed = bench.runner.run([push], cwd=bench.work, env=images.engine_environ(bench), label=f"{PIECE}.{name}")
        return Timed(steps={**built.steps, **pushed.steps}, failure=pushed.failure)

    return PushWay(name=name, checkout=way.checkout, build=build)


def _freeze(bench: Bench, project: str, checkout: Checkout, requirements: Path, *, label: str) -> None:
    """Write the requirements of the lock in `checkout`, untimed: somebody has committed them."""
    frozen = requirements.parents[1]
    shutil.copyfile(checkout.root / "poetry.lock", frozen / "poetry.lock")
    bench.build(Checkout(root=frozen), label)
    shutil.copyfile(requirements, bench.work / PIECE / project / "pip" / "requirements.txt")


def _result(file: Path) -> float:
    return float(json.loads(file.read_text("utf-8"))["seconds"])


def _engine_run(bench: Bench, *argv: str) -> None:
    """Run the engine, not timed. Raises `FailedError`."""
    label = f"{PIECE}.{argv[1]}"
    timed = bench.runner.run(
        [Step(name=argv[0], argv=argv)], cwd=bench.work, env=images.engine_environ(bench), label=label
    )
    if timed.failure:
        msg = f"{PIECE}: {timed.failure}"
        raise FailedError(msg)
