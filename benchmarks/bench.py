"""Code that all pieces of the benchmark share: directories, tools, environments, and the recorder of samples."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks.checkout import PROJECTS, Checkout
from benchmarks.competitors import Tools
from benchmarks.execution import Runner, Step, clean_environ
from benchmarks.results import Recorder
from nox_pex.screen.form import LOG
from nox_pex.screen.screen import Screen
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import cache, index, pinned, provision

ROOT: Final = Path(__file__).resolve().parents[1]
_MIRROR: Final = "poetry-plugin-pypi-mirror==0.6.5"
PINS: Final = {
    "poetry": (f"poetry=={pinned.POETRY}", _MIRROR),
    "exporting": (f"poetry=={pinned.POETRY}", _MIRROR, "poetry-plugin-export==1.10.1"),
    "bundling": (f"poetry=={pinned.POETRY}", _MIRROR, "poetry-plugin-bundle==1.8.0"),
    "pex": (f"pex=={pinned.PEX}",),
    "shiv": ("shiv==1.0.8",),
}
"""The requirements of each environment for competing tools."""

_BUILT_BY_PEX: Final = ("built_wheels", "installed_wheels", "packed_wheels", "repacked_wheels")
"""Directories of wheels in PEX_ROOT. The others have downloads, pip, pex's runtime, and facts about interpreters."""

_TOOLS_OF_PEX: Final = ("pip-", "setuptools-", "wheel-")
"""The beginnings of the names of the wheels that pex itself uses."""


class FailedError(Exception):
    """A command failed that a whole piece of the benchmark needs."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The part of the benchmark to run.

    `rounds` is the largest number of rounds (None: no limit), `only` selects pieces or cases, `projects` selects
    projects. An empty set selects all.
    """

    rounds: int | None
    quick: bool
    only: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()

    def has(self, *names: str) -> bool:
        """Whether a piece or case with one of these names is wanted."""
        return not self.only or not self.only.isdisjoint(names)

    def at_most(self, rounds: int) -> int:
        """The number of rounds to run, of at most `rounds`."""
        return rounds if self.rounds is None else min(rounds, self.rounds)

    def choose(self, *projects: str) -> tuple[str, ...]:
        """The wanted projects among `projects`."""
        return tuple(name for name in projects if not self.projects or name in self.projects)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run. `work` is a temporary directory; `home` keeps the tools from run to run."""

    work: Path
    home: Path
    wanted: Wanted
    recorder: Recorder
    runner: Runner
    tools: Tools
    say: Callable[[str], None]

    def projects(self, *names: str) -> tuple[str, ...]:
        """The wanted projects among `names`; a quick run has only the smallest one."""
        return self.wanted.choose(*(name for name in names if name == "hello" or not self.wanted.quick))

    def environ(self, user: str, *, project: Path, inside: bool = False) -> dict[str, str]:
        """The environment variables for `user`, the name of a way: separate caches, and the index that pip uses.

        With `inside`, Poetry creates its virtual environment in `.venv`, without pip.
        """
        caches = self.caches(user)
        variables = {
            "XDG_CACHE_HOME": str(caches),
            "POETRY_CACHE_DIR": str(caches / "poetry"),
            "POETRY_VIRTUALENVS_PATH": str(project.with_name(f"{project.name}.environments")),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "UV_CACHE_DIR": str(caches / "uv"),
            "PEX_ROOT": str(caches / "pex"),
        }
        if inside:
            variables |= {"POETRY_VIRTUALENVS_IN_PROJECT": "true", "POETRY_VIRTUALENVS_OPTIONS_NO_PIP": "true"}
        environ = clean_environ(os.environ)
        mirror = index.poetry_index_environ(environ, prefix=Path(sys.base_prefix), project=project)
        if mirror.pop("NOX_PEX_DEFAULT_INDEX", None):  # only nox-pex's own launcher of Poetry knows it
            mirror["POETRY_PYPI_MIRROR_URL"] = (self.home / "default-index").read_text("utf-8")
        for_uv = index.uv_index_environ(environ, prefix=Path(sys.base_prefix))
        return {**environ, **mirror, **for_uv, **variables}

    def own_environ(self) -> dict[str, str]:
        """The environment variables for nox-pex: no settings, and caches separate from the real user's."""
        caches = self.caches("nox-pex")
        return {
            **clean_environ(os.environ),
            "POETRY_CACHE_DIR": str(caches / "poetry"),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "UV_CACHE_DIR": str(caches / "uv"),
            "NOX_PEX_CACHE_DIR": str(caches / "nox-pex"),
            "PYTHONPATH": str(ROOT / "tasks"),
        }

    def caches(self, user: str) -> Path:
        """The directory for the caches of `user`, the name of a way."""
        return self.work / "caches" / user.replace(" ", "-")

    def empty_caches(self, user: str) -> None:
        """Empty the caches of `user`, except nox-pex's tools: the tools of every way are installed before the start."""
        shutil.rmtree(self.caches(user), ignore_errors=True)
        cache_dir = self.caches("nox-pex") / "nox-pex"
        if user == "nox-pex":
            cache_dir.mkdir(parents=True)
            (cache_dir / "tools").symlink_to(self.home / "own" / "tools")

    def keep_downloads(self, user: str) -> None:
        """Remove everything from the caches of `user` that was built from a lock: what was downloaded stays, and tools.

        Poetry, pip and uv keep what they downloaded in caches of their own.
        """
        own = self.caches(user) / "nox-pex"
        kept = ("tools", "looked", "urls", "wheels", "pex", "runtimes")
        for path in [path for path in own.glob("*") if path.name not in kept]:
            shutil.rmtree(path, ignore_errors=True)
        for root in (self.caches(user) / "pex", *own.glob("pex/*")):
            wheels = [wheel for name in _BUILT_BY_PEX for wheel in root.glob(f"{name}/*/*/*.whl")]
            for wheel in [wheel for wheel in wheels if not wheel.name.startswith(_TOOLS_OF_PEX)]:
                shutil.rmtree(wheel.parent, ignore_errors=True)

    def checkout(self, project: str, place: str) -> Checkout:
        """A fresh checkout of `project`, in a directory named after `place`."""
        root = self.work / "checkouts" / place.replace(" ", "-") / project
        shutil.rmtree(root.with_name(f"{root.name}.environments"), ignore_errors=True)
        return Checkout.of(PROJECTS / project, root)

    def nox(self, *arguments: str) -> Step:
        """A run of Nox."""
        return Step(name="nox", argv=(str(self.tools.nox), *arguments))

    def build(self, checkout: Checkout, label: str, *arguments: str) -> str:
        """Run an untimed build with nox-pex; return its output. Raises `FailedError` if it fails."""
        step = self.nox("-s", "pex", *arguments)
        timed = self.runner.run([step], cwd=checkout.root, env=self.own_environ(), label=label)
        if timed.failure:
            msg = f"{label}: {timed.failure}"
            raise FailedError(msg)
        return self.runner.output(label)


_DEFAULT_INDEX: Final = "from poetry.repositories.pypi_repository import PyPiRepository as R; print(R().url)"
"""Code that asks Poetry for the address of its default index."""


def provide(home: Path, *, say: Callable[[str], None]) -> Tools:
    """Install the missing tools below `home`, each in a separate environment."""
    environ = clean_environ(os.environ)
    shell = Shell(environ=environ, secrets=Secrets.of(environ), say=Screen(LOG, write=say, stream=None).say)
    provisioner = provision.Provisioner(
        shell=shell, caches=cache.Caches(chosen=home / "competitors"), uv=provision.find_uv(environ)
    )
    python = Path(sys.executable).resolve()
    bins = {name: provisioner.provide(name, pins, python=python).path / "bin" for name, pins in PINS.items()}
    poetry = pinned.provide_poetry(provisioner, None)
    asked = shell.run([str(poetry.python), "-I", "-c", _DEFAULT_INDEX], what="ask Poetry", env=environ)
    (home / "default-index").write_text(asked.output.strip(), "utf-8")
    return Tools(
        poetry=bins["poetry"] / "poetry",
        exporting=bins["exporting"] / "poetry",
        bundling=bins["bundling"] / "poetry",
        pex=bins["pex"] / "pex",
        shiv=bins["shiv"] / "shiv",
        uv=Path(sys.executable).with_name("uv"),
        nox=Path(sys.executable).with_name("nox"),
    )


def prepare(bench: Bench) -> None:
    """Install nox-pex's own tools in `home`, by a first build of the smallest project."""
    (bench.home / "own" / "tools").mkdir(parents=True, exist_ok=True)
    bench.empty_caches("nox-pex")
    bench.build(bench.checkout("hello", "prepare"), "prepare")


def versions() -> dict[str, str]:
    """The versions of all tools, pinned or installed."""
    listed = {pin.partition("==")[0]: pin.partition("==")[2] for pins in PINS.values() for pin in pins}
    return {**listed, "nox": metadata.version("nox"), "uv": metadata.version("uv")}
