"""The ways from a Poetry lock to a program that runs, each with the commands that an expert of the tool would use.

A step that depends only on the lock runs again only when the lock changes, as in a careful script.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.execution import Step
from benchmarks.results import NOX_PEX

MINOR: Final = f"{sys.version_info.major}.{sys.version_info.minor}"

_PINS: Final = """\
from importlib.metadata import distributions
pins = sorted(f"{d.name}=={d.version}" for d in distributions(path=[__import__("sys").argv[1]]))
open("pins.txt", "w").write("\\n".join(pins))
"""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The programs, installed before the clock starts. `exporting` and `bundling` are Poetry with that plugin."""

    poetry: Path
    exporting: Path
    bundling: Path
    pex: Path
    shiv: Path
    nox: Path


@dataclass(frozen=True, kw_only=True)
class Job:
    """A build: the `sources` in the working directory, with the value `greeting` for the variable `GREETING`.

    `lock_changed` is whether the lock differs from that of the last build in this directory.
    """

    sources: tuple[str, ...]
    greeting: str
    lock_changed: bool


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to build. `artifact` is the path of the result, relative to the checkout.

    `launch` is the command that starts the result, without its arguments. `cache` is the variable for the directory
    that the result unpacks itself into, or None. `is_pex` is whether a person builds it with pex. `in_project` is
    whether Poetry's virtual environment is in `.venv`.
    """

    name: str
    steps: Callable[[Tools, Job], tuple[Step, ...]]
    artifact: str
    launch: str
    cache: str | None = None
    is_pex: bool = False
    in_project: bool = True

    @property
    def description(self) -> str:
        """One line on what the way does and does not do: the docstring of `steps`."""
        return " ".join((self.steps.__doc__ or "").split())


def recipe(tools: Tools, job: Job) -> tuple[Step, ...]:
    """The exact recipe of a blog post from 2019: `poetry install`, `pip freeze`, `pex -D .`.

    It has no hashes, contains dev dependencies, and resolves a second time. It packs everything in the directory, even
    the previous binary.
    """
    freeze = f"'{tools.poetry}' run pip freeze > requirements.txt"
    build = ("-r", "requirements.txt", "-c", "uvicorn", "-D", ".", *_greeting(job), "-o", "service.pex")
    return (
        Step(name="poetry install", argv=(str(tools.poetry), "install", "--no-interaction")),
        Step(name="pip freeze", argv=("sh", "-c", freeze)),
        Step(name="pex", argv=(str(tools.pex), *build)),
    )


def pylock(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Plain pex with its defaults, from `poetry export -f pylock.toml`.

    It has hashes and no dev dependencies. It needs a lock of version 2.1, and exports can lose packages. If nothing
    changed, it still does all its work.
    """
    export = (str(tools.exporting), "export", "--format", "pylock.toml", "--output", "pylock.toml")
    build = ("--pylock", "pylock.toml", "-c", "uvicorn", *_source_options(job), *_greeting(job), "-o", "service.pex")
    return (
        *_if_lock_changed(job, Step(name="poetry export", argv=export)),
        Step(name="pex", argv=(str(tools.pex), *build)),
    )


def venv_repository(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Pex with its defaults, from the environment of `poetry sync`.

    It packs exactly what Poetry installed, but also files that were damaged since. If nothing changed, it still does
    all its work.
    """
    build = ("--venv-repository", ".venv", "-r", "pins.txt", "--pre", "-c", "uvicorn")
    return (
        *_synced(tools, job),
        Step(name="pex", argv=(str(tools.pex), *build, *_source_options(job), *_greeting(job), "-o", "service.pex")),
    )


def pex_repository(tools: Tools, job: Job) -> tuple[Step, ...]:
    """The fastest invocation of pex that we found: from a dependency PEX that contains wheels as they are.

    When the lock changes, the environment of `poetry sync` becomes a dependency PEX. After an edit, pex only packs the
    file again from that. The binary boots as nox-pex's binaries do (`--venv --sh-boot`). Files that were damaged in the
    environment are packed too. If nothing changed, it still packs the file.
    """
    shape = ("--pre", "--no-pre-install-wheels")
    once = ("--venv-repository", ".venv", "-r", "pins.txt", *shape, "-o", "deps.pex")
    build = ("--pex-repository", "deps.pex", "-r", "pins.txt", *shape, "--venv", "--sh-boot", "-c", "uvicorn")
    return (
        *_synced(tools, job),
        *_if_lock_changed(job, Step(name="dependency PEX", argv=(str(tools.pex), *once))),
        Step(name="pex", argv=(str(tools.pex), *build, *_source_options(job), *_greeting(job), "-o", "service.pex")),
    )


def shiv(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Shiv with its defaults, from the environment of `poetry sync`, without pip.

    It checks no hashes of what it packs. It cannot bake in environment variables, so the setting that changes is the
    shebang. The first boot unpacks everything.
    """
    return _shiv(tools, job)


def shiv_uncompressed(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Shiv with `--uncompressed`: the fastest way with shiv, but the file is three times as large."""
    return _shiv(tools, job, "--uncompressed")


def bundle(tools: Tools, job: Job) -> tuple[Step, ...]:
    """`poetry bundle venv`, and then a copy of the sources into the result.

    The result is a directory for one path and one interpreter, not a file that can be copied elsewhere. There is no
    setting to change. If only sources changed, this is only a copy.
    """
    into = f"bundle/lib/python{MINOR}/site-packages/"
    # The path is absolute, because a relative path gives the scripts a relative shebang.
    bundled = f"'{tools.bundling}' bundle venv --only main --no-interaction \"$PWD/bundle\""
    return (
        *_if_lock_changed(job, Step(name="poetry bundle", argv=("sh", "-c", bundled))),
        Step(name="copy", argv=("cp", "-r", *job.sources, into)),
    )


def nox_pex(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Always `nox -s pex`, whatever changed."""
    _ = job
    return (Step(name="nox", argv=(str(tools.nox), "-s", "pex")),)


WAYS: Final[Mapping[str, Way]] = {
    way.name: way
    for way in (
        Way(name=NOX_PEX, steps=nox_pex, artifact="dist/service.pex", launch="dist/service.pex", cache="PEX_ROOT"),
        Way(
            name="pex --pex-repository",
            steps=pex_repository,
            artifact="service.pex",
            launch="service.pex",
            cache="PEX_ROOT",
            is_pex=True,
        ),
        Way(
            name="pex --venv-repository",
            steps=venv_repository,
            artifact="service.pex",
            launch="service.pex",
            cache="PEX_ROOT",
            is_pex=True,
        ),
        Way(
            name="pex --pylock",
            steps=pylock,
            artifact="service.pex",
            launch="service.pex",
            cache="PEX_ROOT",
            is_pex=True,
        ),
        Way(
            name="shiv --uncompressed",
            steps=shiv_uncompressed,
            artifact="service.pyz",
            launch="service.pyz",
            cache="SHIV_ROOT",
        ),
        Way(name="shiv", steps=shiv, artifact="service.pyz", launch="service.pyz", cache="SHIV_ROOT"),
        Way(name="poetry bundle", steps=bundle, artifact="bundle", launch="bundle/bin/uvicorn"),
        Way(
            name="2019 recipe",
            steps=recipe,
            artifact="service.pex",
            launch="service.pex",
            cache="PEX_ROOT",
            in_project=False,
        ),
    )
}


def _synced(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Install with Poetry into `.venv`, and write the installed versions to `pins.txt`."""
    site_packages = f".venv/lib/python{MINOR}/site-packages"
    return _if_lock_changed(
        job,
        Step(name="poetry sync", argv=(str(tools.poetry), "sync", "--only", "main", "--no-interaction")),
        Step(name="pins", argv=(".venv/bin/python", "-c", _PINS, site_packages)),
    )


def _shiv(tools: Tools, job: Job, *flags: str) -> tuple[Step, ...]:
    stage = f"rm -rf stage && mkdir stage && cp -r {' '.join(job.sources)} stage"
    shebang = f"/usr/bin/env{' -S' if int(job.greeting) % 2 else ''} python{MINOR}"
    packed = ("--site-packages", f".venv/lib/python{MINOR}/site-packages", "--site-packages", "stage")
    argv = (str(tools.shiv), *packed, *flags, "-c", "uvicorn", "-p", shebang, "-o", "service.pyz")
    return (
        *_synced(tools, job)[:1],
        Step(name="copy", argv=("sh", "-c", stage)),
        Step(name="shiv", argv=argv),
    )


def _if_lock_changed(job: Job, *steps: Step) -> tuple[Step, ...]:
    return steps if job.lock_changed else ()


def _source_options(job: Job) -> tuple[str, ...]:
    """Pex's options for exactly these modules and packages."""
    options: list[str] = []
    for source in job.sources:
        options += ["-M", source.removesuffix(".py")] if source.endswith(".py") else ["-P", source]
    return tuple(options)


def _greeting(job: Job) -> tuple[str, ...]:
    return ("--inject-env", f"GREETING={job.greeting}")
