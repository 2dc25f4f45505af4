"""Environments for Poetry, pex and build backends, made once and cached.

An environment counts as complete only if it has a marker, which is written last.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import uv
from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.system import files, locks, os_errors, plain_paths
from nox_pex.system.command import Outcome, Shell
from nox_pex.system.environ import tool_environ
from nox_pex.system.lazy import lazy
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches
from nox_pex.tools.index_failures import network_failure

if TYPE_CHECKING:
    from nox_pex.tools import index
else:
    index = lazy("nox_pex.tools.index")  # not needed if nothing changed


class Provisioner(Struct, frozen=True, kw_only=True):
    """Makes environments and installs into them: with `uv`, or with virtualenv and pip if that is None."""

    shell: Shell
    caches: Caches
    uv: Path | None

    def create(self, path: Path, *, python: Path, seed: bool) -> None:
        """Make a virtual environment at `path` for the interpreter `python`. Anything at `path` is removed first.

        `seed` says whether to put pip into it if there is no uv. Raises `NoxPexError`, as from `install_failure`, if
        that fails.
        """
        files.remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.uv:
            argv = [str(self.uv), "venv", "--quiet", "--no-project", "--no-config", "--python", str(python), str(path)]
            self._run_creator(argv, path)
            return
        argv = [sys.executable, "-P", "-m", "virtualenv", "--quiet", "--no-periodic-update", "--python", str(python)]
        argv += [] if seed else ["--no-seed"]
        if os.pathsep not in str(path):
            self._run_creator([*argv, str(path)], path)
            return
        # virtualenv refuses such a path, because of the scripts that activate an environment. Nothing here uses them.
        with plain_paths.plain_directory() as directory:
            self._run_creator([*argv, str(directory / path.name)], path)
            shutil.move(directory / path.name, path)

    def _run_creator(self, argv: Sequence[str], path: Path) -> None:
        """Run `argv`, which makes the environment `path`. Raises `NoxPexError`, as from `install_failure`."""
        outcome = self.shell.run(argv, what="make an environment", env=self._environ(), cwd=path.parent)
        if outcome.status != 0:
            raise install_failure(str(path), outcome)

    def install(self, environment: Environment, requirements: Sequence[str], *, what: str) -> None:
        """Install `requirements` into `environment`; `what` names them for the user.

        Raises `NoxPexError`, as from `install_failure`, if that fails.
        """
        if self.uv:
            # `--project` is the directory in which uv looks for its settings: not those of the user's project.
            argv = [str(self.uv), "--project", os.sep, "pip", "install", "--quiet"]
            argv += ["--python", str(environment.python), *requirements]
        else:
            argv = [str(environment.python), "-I", "-m", "pip", "install", "--quiet", *requirements]
        outcome = self.shell.run(argv, what=f"install {what}", env=self._environ())
        if outcome.status != 0:
            raise install_failure(what, outcome)

    def provide(self, name: str, requirements: Sequence[str], *, python: Path) -> Environment:
        """Return the environment with exactly `requirements` for the interpreter `python`, from the cache or new.

        `name` begins the name of its directory. Raises `NoxPexError` if it has to be made and that fails.
        """
        identity = json.dumps([sorted(requirements), str(python.resolve()), _file_size(python)])
        key = hashlib.sha256(identity.encode()).hexdigest()[:16]
        environment = Environment(path=self.caches.root / "tools" / f"{name}-{key}")
        marker, content = environment.path / "nox-pex.json", {"requirements": sorted(requirements)}
        if environment.path.is_dir():
            cache.mark_used(environment.path)
            if files.read_json(marker) == content and environment.usable:
                return environment
        with os_errors.writing(f"the cache {self.caches.root}", place=self.caches.root):
            lock = self.caches.root / "tools" / f"{name}-{key}.lock"
            with locks.locked(lock, waiting=lambda: self.shell.say(f"waiting for another run that installs {name}")):
                if not (files.read_json(marker) == content and environment.usable):
                    self.create(environment.path, python=python, seed=True)
                    if requirements:  # a build backend in the project itself may need none
                        self.shell.say(f"installing {', '.join(requirements)}")
                        self.install(environment, requirements, what=", ".join(requirements))
                    files.write_json(marker, content)
                cache.mark_used(environment.path)
        return environment

    def _environ(self) -> dict[str, str]:
        environ = tool_environ(self.shell.environ)
        return {**environ, **index.uv_index_environ(environ, prefix=Path(sys.prefix))}


def find_uv(environ: Mapping[str, str]) -> Path | None:
    """Return the path of uv: the variable UV, the one that Nox was installed with (`nox[uv]`), or the one on PATH.

    None if there is none. No process is started.
    """
    return _find_uv(environ.get("UV"), environ.get("PATH"))


@functools.cache
def _find_uv(chosen: str | None, path: str | None) -> Path | None:
    if chosen is not None:
        found = shutil.which(chosen)
        return Path(found) if found else None
    try:
        return Path(os.fsdecode(uv.find_uv_bin()))
    except FileNotFoundError:
        found = shutil.which("uv", path=path)
        return Path(found) if found else None


def _file_size(python: Path) -> str:
    """Return the bytes of the interpreter's file, which differ between most patch releases; empty without a file."""
    try:
        return str(python.resolve().stat().st_size)
    except OSError:
        return ""


def install_failure(what: str, outcome: Outcome) -> NoxPexError:
    """Return the error for `what`, which uv or pip could not install: an error of the index, or else `tool-install`."""
    problem = f"could not install {what} (exit status {outcome.status})"
    return network_failure(problem, outcome) or NoxPexError(
        "tool-install", problem, "read the installer's last lines above", log=outcome.tail
    )
