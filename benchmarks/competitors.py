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

RECIPE: Final = "2019 recipe"
PLAIN_PEX: Final = "pex --pylock, defaults"
BUNDLE: Final = "poetry bundle"

_PINS: Final = """\
from importlib.metadata import distributions
pins = sorted(f"{d.name}=={d.version}" for d in distributions(path=[__import__("sys").argv[1]]))
open("pins.txt", "w").write("\\n".join(pins))
"""

_PINS_STEP: Final = Step(name="pins", argv=(".venv/bin/python", "-c", _PINS, f".venv/lib/python{MINOR}/site-packages"))
_PINNED: Final = ("-r", "pins.txt", "--pre")
_FROM_VENV: Final = ("--venv-repository", ".venv", *_PINNED)
_AS_WHEELS: Final = ("--no-pre-install-wheels",)
_BOOT: Final = ("--venv", "--sh-boot")


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The programs, installed before the clock starts. `exporting` and `bundling` are Poetry with that plugin."""

    poetry: Path
    exporting: Path
    bundling: Path
    pex: Path
    shiv: Path
    uv: Path
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
    that the result unpacks itself into, or None. `is_pex` is whether a person builds it with pex, and `is_installed`
    whether pex packs what Poetry installed. `is_file` is whether the result is one file. `catch` says in a few words
    what the way does not do that nox-pex does. `in_project` is whether Poetry's virtual environment is in `.venv`.
    """

    name: str
    steps: Callable[[Tools, Job], tuple[Step, ...]]
    artifact: str
    launch: str
    cache: str | None = None
    is_pex: bool = False
    is_installed: bool = False
    is_file: bool = True
    catch: str = ""
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


def plain_pylock(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Plain pex with its defaults, from `poetry export -f pylock.toml`.

    It compresses all files again in each build.
    """
    return (*_exported(tools, job), _pex(tools, job, "--pylock", "pylock.toml"))


def pylock(tools: Tools, job: Job) -> tuple[Step, ...]:
    """The fastest invocation of pex that we found: from `poetry export -f pylock.toml`, with wheels as they are.

    Nothing is installed. It has hashes and no dev dependencies, needs a lock of version 2.1, and exports can lose
    packages. The binary boots as nox-pex's binaries do (`--venv --sh-boot`). If nothing changed, it still packs the
    file.
    """
    return (*_exported(tools, job), _pex(tools, job, "--pylock", "pylock.toml", *_AS_WHEELS, *_BOOT))


def venv_repository(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Pex in one run from the environment of `poetry sync`, with wheels as they are.

    It packs exactly what Poetry installed, but also files that were damaged since. When the lock changes, Poetry
    changes the existing environment. If nothing changed, it still packs the file.
    """
    return (*_synced(tools, job), _pex(tools, job, *_FROM_VENV, *_AS_WHEELS, *_BOOT))


def pex_repository(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Pex in two runs: from the environment of `poetry sync` to a dependency PEX, and from that to the binary.

    After an edit, only the second run is needed. Files that were damaged in the environment are packed too. If nothing
    changed, it still packs the file.
    """
    once = (*_FROM_VENV, *_AS_WHEELS, "-o", "deps.pex")
    return (
        *_synced(tools, job),
        *_if_lock_changed(job, Step(name="dependency PEX", argv=(str(tools.pex), *once))),
        _pex(tools, job, "--pex-repository", "deps.pex", *_PINNED, *_AS_WHEELS, *_BOOT),
    )


def uv(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Uv installs what `poetry export -f pylock.toml` writes, and pex packs that environment as above.

    Poetry neither installs nor checks anything. Exports can lose packages. If nothing changed, it still packs the file.
    """
    python, installed = f".venv/bin/python{MINOR}", ("pip", "sync", "--quiet", "--python", ".venv", "pylock.toml")
    created = f"test -e {python} || '{tools.uv}' venv --quiet --python {MINOR} .venv"
    return (
        *_exported(tools, job),
        *_if_lock_changed(
            job,
            Step(name="uv venv", argv=("sh", "-c", created)),
            Step(name="uv pip sync", argv=(str(tools.uv), *installed)),
            _PINS_STEP,
        ),
        _pex(tools, job, *_FROM_VENV, *_AS_WHEELS, *_BOOT),
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


def fresh_install_and_plain_pex(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Poetry's install, and then plain pex with the boot options of nox-pex."""
    return (*_synced(tools, job), _pex(tools, job, *_FROM_VENV, *_BOOT))


def nox_pex(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Always `nox -s pex`, whatever changed."""
    _ = job
    return (Step(name="nox", argv=(str(tools.nox), "-s", "pex")),)


def _pex_way(
    name: str,
    steps: Callable[[Tools, Job], tuple[Step, ...]],
    *,
    catch: str,
    is_installed: bool = False,
    in_project: bool = True,
) -> Way:
    return Way(
        name=name,
        steps=steps,
        artifact="service.pex",
        launch="service.pex",
        cache="PEX_ROOT",
        is_pex=True,
        is_installed=is_installed,
        catch=catch,
        in_project=in_project,
    )


WAYS: Final[Mapping[str, Way]] = {
    way.name: way
    for way in (
        Way(name=NOX_PEX, steps=nox_pex, artifact="dist/service.pex", launch="dist/service.pex", cache="PEX_ROOT"),
        _pex_way("pex --pylock", pylock, catch="installs nothing, and packs what Poetry exports"),
        _pex_way(PLAIN_PEX, plain_pylock, catch="installs nothing, and packs what Poetry exports"),
        _pex_way("pex --venv-repository", venv_repository, catch="checks no file that it packs", is_installed=True),
        _pex_way("pex --pex-repository", pex_repository, catch="checks no file that it packs", is_installed=True),
        _pex_way("uv and pex", uv, catch="leaves the install to uv, from an export that can lose packages"),
        Way(
            name="shiv --uncompressed",
            steps=shiv_uncompressed,
            artifact="service.pyz",
            launch="service.pyz",
            cache="SHIV_ROOT",
            catch="checks nothing, and its file is three times as large",
        ),
        Way(
            name="shiv",
            steps=shiv,
            artifact="service.pyz",
            launch="service.pyz",
            cache="SHIV_ROOT",
            catch="checks nothing",
        ),
        Way(name=BUNDLE, steps=bundle, artifact="bundle", launch="bundle/bin/uvicorn", is_file=False),
        _pex_way(RECIPE, recipe, catch="has no hashes, and packs everything in the directory", in_project=False),
    )
}


def _synced(tools: Tools, job: Job) -> tuple[Step, ...]:
    """Install with Poetry into `.venv`, and write the installed versions to `pins.txt`."""
    sync = (str(tools.poetry), "sync", "--only", "main", "--no-interaction")
    return _if_lock_changed(job, Step(name="poetry sync", argv=sync), _PINS_STEP)


def _exported(tools: Tools, job: Job) -> tuple[Step, ...]:
    export = (str(tools.exporting), "export", "--format", "pylock.toml", "--output", "pylock.toml")
    return _if_lock_changed(job, Step(name="poetry export", argv=export))


def _pex(tools: Tools, job: Job, *options: str) -> Step:
    """The run of pex that writes the binary from the distributions that `options` name."""
    build = (*options, "-c", "uvicorn", *_source_options(job), *_greeting(job), "-o", "service.pex")
    return Step(name="pex", argv=(str(tools.pex), *build))


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
