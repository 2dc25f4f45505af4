"""The settings that change the form of the binary: their cost in build time, file size and boot time."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.bench import Bench
from benchmarks.boots import Launch, boot
from benchmarks.builds import clear, size
from benchmarks.results import Key
from nox_pex.settings.model import Binary

PIECE: Final = "shape"
DEFAULT: Final = "the default"

_SETTINGS: Final = (
    ("sh-boot = false",),
    ('execution-mode = "zipapp"',),
    ('execution-mode = "zipapp"', "sh-boot = false"),
    ("compress = false",),
    ("compress = true",),
    ("compile = true",),
    ("pre-install-wheels = false",),
    ("pre-install-wheels = true",),
    ("pre-install-wheels = false", "compress = false"),
    ("max-install-jobs = 0",),
    ('layout = "packed"',),
    ('layout = "loose"',),
)
"""Lines of the binary's table. They include defaults, because a default may change."""

_ROUNDS: Final = {"hello": 1, "app": 1}


def shapes() -> dict[str, tuple[str, ...]]:
    """The lines of the binary's table for the default, and for each shape that differs from it, by name."""
    default = Binary(script="uvicorn")
    others = {", ".join(lines): lines for lines in _SETTINGS if _parsed(lines) != default}
    return {DEFAULT: (), **others}


def _parsed(lines: tuple[str, ...]) -> Binary:
    return msgspec.convert(tomllib.loads("\n".join(['script = "uvicorn"', *lines])), Binary)


def measure(bench: Bench) -> None:
    """Measure each shape in turn, all from one environment: first the builds, and then the boots."""
    if bench.wanted.quick or not bench.wanted.has(PIECE):
        return
    for project in bench.projects(*_ROUNDS):
        _project(bench, project)


def _project(bench: Bench, project: str) -> None:
    checkout = bench.checkout(project, PIECE)
    binaries = clear(bench.work / PIECE / project)
    launches: dict[str, Launch] = {}
    rounds = bench.wanted.at_most(_ROUNDS[project])
    for number in range(rounds):
        bench.say(f"shape: {project}: builds, {number + 1} of {rounds}")
        for place, (shape, lines) in enumerate(shapes().items()):
            checkout.settings(*lines)
            label = f"{PIECE}.{project}.{place}"
            bench.build(checkout, label)
            checkout.edit(f"{shape} {number}")
            step = bench.nox("-s", "pex")
            timed = bench.runner.run([step], cwd=checkout.root, env=bench.own_environ(), label=f"{label}.edit")
            bench.recorder.add(_key(project, "edit", shape), timed.seconds, failure=timed.failure)
            if number == 0:
                built = checkout.root / "dist/service.pex"
                launches[shape] = _copied(built, binaries / str(place))
                bench.recorder.add(_key(project, "size", shape), size(built), unit="bytes")
    for number in range(rounds):
        bench.say(f"shape: {project}: boots, {number + 1} of {rounds}")
        for case in ("cold-boot", "warm-boot"):
            for place, (shape, launch) in enumerate(launches.items()):
                if case == "cold-boot":
                    launch.remove_unpacked()
                booted = boot(launch, log=bench.runner.logs / f"{PIECE}-{project}-{case}-{place}.log")
                bench.recorder.add(_key(project, case, shape), booted.seconds, failure=booted.failure)


def _copied(built: Path, into: Path) -> Launch:
    """Copy a binary of any layout; return the launch of the copy."""
    run = into / "run"
    run.mkdir(parents=True)
    if built.is_dir():
        shutil.copytree(built, into / built.name, symlinks=True)
        start = into / built.name / "__main__.py"
    else:
        start = into / built.name
        shutil.copy(built, start)
    return Launch(argv=(str(start),), cwd=run, cache="PEX_ROOT", unpacked=into / "unpacked")


def _key(project: str, case: str, subject: str) -> Key:
    return Key(piece=PIECE, project=project, case=case, subject=subject)
