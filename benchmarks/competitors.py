"""The ways from a Poetry lock to something that runs, each as the commands of a person who knows its tool well.

A step that only the lock decides runs again when the lock has changed, as it would in a careful script of one's own.
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
    """The programs, in place before the clock starts. `exporting` and `bundling` are Poetry with that plugin."""

    poetry: Path
    exporting: Path
    bundling: Path
    pex: Path
    shiv: Path
    nox: Path


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be built: the `sources` in the working directory, with the setting `GREETING`.

    `lock_changed` is whether the lock is another one than at the last build here.
    """

    sources: tuple[str, ...]
    greeting: str
    lock_changed: bool


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to build. `artifact` is what it leaves, from the checkout.

    `launch` is the command that starts it, before its arguments, and `cache` the variable that says where it unpacks
    itself. `does` says what it does, and what it does not. `is_pex` is whether pex builds it, by hand. `in_project` is
    whether Poetry's environment belongs in `.venv`.
    """

    name: str
    steps: Callable[[Tools, Job], tuple[Step, ...]]
    artifact: str
    launch: str
    cache: str | None = None
    is_pex: bool = False
    in_project: bool = True

    @property
    def does(self) -> str:
        """One sentence or a few, as one line."""
        return " ".join((self.steps.__doc__ or "").split())


def recipe(tools: Tools, job: Job) -> tuple[Step, ...]:
    """The post's recipe of 2019, exactly: `poetry install`, `pip freeze`, `pex -D .`.

    No hashes, dev dependencies too, a second resolution, and all that lies in the directory is packed, the previous
    binary included.
    """
    freeze = f"'{tools.poetry}' run pip freeze > requirements.txt"
    build = ("-r", "requirements.txt", "-c", "uvicorn", "-D", ".", *_greeting(job), "-o", "service.pex")
    return (
        Step(name="poetry install", argv=(str(tools.poetry), "install", "--no-interaction")),
        Step(name="pip freeze", argv=("sh", "-c", freeze)),
        Step(name="pex", argv=(str(tools.pex), *build)),
    )


def pylock(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Plain pex at its defaults, from `poetry export -f pylock.toml`.

    Hashes, no dev dependencies. Lock files of version 2.1 only; exports have lost packages; nothing is skipped where
    nothing changed.
    """
    export = (str(tools.exporting), "export", "--format", "pylock.toml", "--output", "pylock.toml")
    build = ("--pylock", "pylock.toml", "-c", "uvicorn", *_picked(job), *_greeting(job), "-o", "service.pex")
    return (
        *_where_locked(job, Step(name="poetry export", argv=export)),
        Step(name="pex", argv=(str(tools.pex), *build)),
    )


def venv_repository(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Pex at its defaults, from the environment of `poetry sync`.

    What Poetry installed is what is packed. Damage in the environment is packed too; nothing is skipped.
    """
    build = ("--venv-repository", ".venv", "-r", "pins.txt", "--pre", "-c", "uvicorn")
    return (
        *_synced(tools, job),
        Step(name="pex", argv=(str(tools.pex), *build, *_picked(job), *_greeting(job), "-o", "service.pex")),
    )


def pex_repository(tools: Tools, job: Job) -> tuple[Step, ...]:
    """The fastest invocation of pex that we found: from a dependency PEX that is kept, wheels as they are.

    The environment of `poetry sync` becomes a dependency PEX when the lock changes; an edit packs only anew. It boots
    as nox-pex's binaries do (`--venv --sh-boot`). Damage in the environment is packed too; nothing is skipped.
    """
    shape = ("--pre", "--no-pre-install-wheels")
    once = ("--venv-repository", ".venv", "-r", "pins.txt", *shape, "-o", "deps.pex")
    build = ("--pex-repository", "deps.pex", "-r", "pins.txt", *shape, "--venv", "--sh-boot", "-c", "uvicorn")
    return (
        *_synced(tools, job),
        *_where_locked(job, Step(name="dependency PEX", argv=(str(tools.pex), *once))),
        Step(name="pex", argv=(str(tools.pex), *build, *_picked(job), *_greeting(job), "-o", "service.pex")),
    )


def shiv(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Shiv at its defaults, from the environment of `poetry sync`: no pip at all.

    No hash of what is packed, no environment variables baked in (the setting that changes is its shebang); the first
    boot unpacks all.
    """
    return _shiv(tools, job)


def shiv_uncompressed(tools: Tools, job: Job) -> tuple[Step, ...]:
    """The same, with `--uncompressed`: the fastest way with shiv, for a file three times as large."""
    return _shiv(tools, job, "--uncompressed")


def bundle(tools: Tools, job: Job) -> tuple[Step, ...]:
    """`poetry bundle venv`, and the sources copied into it.

    A directory for this one path and interpreter, not a file that can be copied elsewhere; there is no setting to
    change. Where only sources changed this is a copy.
    """
    into = f"bundle/lib/python{MINOR}/site-packages/"
    # An absolute path: with another one the scripts in it get a shebang that is relative too.
    bundled = f"'{tools.bundling}' bundle venv --only main --no-interaction \"$PWD/bundle\""
    return (
        *_where_locked(job, Step(name="poetry bundle", argv=("sh", "-c", bundled))),
        Step(name="copy", argv=("cp", "-r", *job.sources, into)),
    )


def nox_pex(tools: Tools, job: Job) -> tuple[Step, ...]:
    """`nox -s pex`, whatever changed."""
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
    """Poetry's environment in `.venv`, and what is in it in `pins.txt`."""
    site_packages = f".venv/lib/python{MINOR}/site-packages"
    return _where_locked(
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


def _where_locked(job: Job, *steps: Step) -> tuple[Step, ...]:
    return steps if job.lock_changed else ()


def _picked(job: Job) -> tuple[str, ...]:
    """Pex's options for exactly these modules and packages."""
    words: list[str] = []
    for source in job.sources:
        words += ["-M", source.removesuffix(".py")] if source.endswith(".py") else ["-P", source]
    return tuple(words)


def _greeting(job: Job) -> tuple[str, ...]:
    return ("--inject-env", f"GREETING={job.greeting}")
