"""What all pieces of the benchmark share: directories, tools, environments, and where samples go."""

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
"""What the competitors' environments hold."""


class FailedError(Exception):
    """Something that a whole piece of the benchmark needs has failed."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How much is measured: at most so many `rounds`; `only` chooses pieces or cases, `projects` the projects."""

    rounds: int | None
    quick: bool
    only: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()

    def has(self, *words: str) -> bool:
        """Whether something that goes by any of these words is wanted."""
        return not self.only or not self.only.isdisjoint(words)

    def at_most(self, rounds: int) -> int:
        """How many of `rounds` are wanted."""
        return rounds if self.rounds is None else min(rounds, self.rounds)

    def choose(self, *projects: str) -> tuple[str, ...]:
        """Those of `projects` that are wanted."""
        return tuple(name for name in projects if not self.projects or name in self.projects)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One run. `work` is a temporary directory, `home` one that keeps the tools from run to run."""

    work: Path
    home: Path
    wanted: Wanted
    recorder: Recorder
    runner: Runner
    tools: Tools
    say: Callable[[str], None]

    def projects(self, *names: str) -> tuple[str, ...]:
        """Those of the projects `names` that are wanted: of a quick run the smallest alone."""
        return self.wanted.choose(*(name for name in names if name == "hello" or not self.wanted.quick))

    def environ(self, user: str, *, project: Path, inside: bool = False) -> dict[str, str]:
        """The environment of `user`, one of the ways: caches of their own, and the index that pip is told.

        With `inside`, Poetry makes its environment in `.venv`, and with no pip in it.
        """
        caches = self.caches(user)
        own = {
            "XDG_CACHE_HOME": str(caches),
            "POETRY_CACHE_DIR": str(caches / "poetry"),
            "POETRY_VIRTUALENVS_PATH": str(project.with_name(f"{project.name}.environments")),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "UV_CACHE_DIR": str(caches / "uv"),
            "PEX_ROOT": str(caches / "pex"),
        }
        if inside:
            own |= {"POETRY_VIRTUALENVS_IN_PROJECT": "true", "POETRY_VIRTUALENVS_OPTIONS_NO_PIP": "true"}
        environ = clean_environ(os.environ)
        default = (self.home / "default-index").read_text("utf-8")
        told = index.poetry_environ(environ, prefix=Path(sys.base_prefix), project=project, default=default)
        return {**environ, **told, **own}

    def own_environ(self) -> dict[str, str]:
        """The environment of a user of nox-pex, who sets nothing; caches apart from those of this machine's user."""
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
        """Where the caches of one of the ways are."""
        return self.work / "caches" / user.replace(" ", "-")

    def empty_caches(self, user: str) -> None:
        """Leave of these caches nothing but the tools that nox-pex keeps there: those are in place for all."""
        shutil.rmtree(self.caches(user), ignore_errors=True)
        own = self.caches("nox-pex") / "nox-pex"
        if user == "nox-pex":
            own.mkdir(parents=True)
            (own / "tools").symlink_to(self.home / "own" / "tools")

    def forget_locks(self) -> None:
        """Take from nox-pex's cache what it keeps of each lock that it has seen, and leave it the tools, and pex's."""
        for name in ("environments", "dependencies"):
            shutil.rmtree(self.caches("nox-pex") / "nox-pex" / name, ignore_errors=True)

    def checkout(self, project: str, place: str) -> Checkout:
        """A fresh copy of a project at a place of this name."""
        root = self.work / "checkouts" / place.replace(" ", "-") / project
        shutil.rmtree(root.with_name(f"{root.name}.environments"), ignore_errors=True)
        return Checkout.of(PROJECTS / project, root)

    def nox(self, *words: str) -> Step:
        """A run of Nox."""
        return Step(name="nox", argv=(str(self.tools.nox), *words))

    def build(self, checkout: Checkout, label: str, *words: str) -> str:
        """Let nox-pex build what is not timed; gives what it said. Raises `FailedError` where that fails."""
        step = self.nox("-s", "pex", *words)
        done = self.runner.run([step], cwd=checkout.root, env=self.own_environ(), label=label)
        if done.failure:
            msg = f"{label}: {done.failure}"
            raise FailedError(msg)
        return self.runner.output(label)


def provide(home: Path, *, say: Callable[[str], None]) -> Tools:
    """Install the tools below `home`, each in an environment of its own, where they are not there yet."""
    environ = clean_environ(os.environ)
    shell = Shell(environ=environ, secrets=Secrets.of(environ), say=say)
    provisioner = provision.Provisioner(
        shell=shell, caches=cache.Caches(chosen=home / "competitors"), uv=provision.find_uv(environ)
    )
    python = Path(sys.executable).resolve()
    bins = {name: provisioner.provide(name, pins, python=python).path / "bin" for name, pins in PINS.items()}
    poetry = pinned.provide_poetry(provisioner, None)
    (home / "default-index").write_text(poetry.default_index, "utf-8")
    return Tools(
        poetry=bins["poetry"] / "poetry",
        exporting=bins["exporting"] / "poetry",
        bundling=bins["bundling"] / "poetry",
        pex=bins["pex"] / "pex",
        shiv=bins["shiv"] / "shiv",
        nox=Path(sys.executable).with_name("nox"),
    )


def prepare(bench: Bench) -> None:
    """Put nox-pex's own tools in place, by a first build of the smallest project, and keep them in `home`."""
    (bench.home / "own" / "tools").mkdir(parents=True, exist_ok=True)
    bench.empty_caches("nox-pex")
    bench.build(bench.checkout("hello", "prepare"), "prepare")


def versions() -> dict[str, str]:
    """The versions of all tools, as they are pinned and installed."""
    listed = {pin.partition("==")[0]: pin.partition("==")[2] for pins in PINS.values() for pin in pins}
    return {**listed, "nox": metadata.version("nox"), "uv": metadata.version("uv")}
