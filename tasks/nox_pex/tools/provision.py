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
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uv
from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.system import files, locks, os_errors, plain_paths
from nox_pex.system.command import Clock, Outcome, Shell
from nox_pex.system.environ import tool_environ
from nox_pex.system.lazy import lazy, pattern
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches

if TYPE_CHECKING:
    from nox_pex.tools import index, index_failures
    from nox_pex.tools.locked import Locked
else:
    index = lazy("nox_pex.tools.index")  # not needed if nothing changed
    index_failures = lazy("nox_pex.tools.index_failures")


_CONSTRAINTS: Final = ("PIP_CONSTRAINT", "UV_CONSTRAINT", "UV_OVERRIDE")
"""Variables with requirements of the user's own, which could contradict a requirement file that has hashes."""


_OTHER_HASH: Final = pattern("Hash mismatch for|DO NOT MATCH THE HASHES")
"""Texts in the output of uv and pip if a file has another hash than the requirement file says."""


_DOWNLOADS: Final = "downloads"
"""The name of uv's cache in a directory of tools that are installed again for one run."""


class Provisioner(Struct, frozen=True, kw_only=True):
    """Makes environments and installs into them: with `uv`, or with virtualenv and pip if that is None.

    If there is a clock `fresh`, every installed file is downloaded again: the caches of pip and of the user's uv are
    not used. The clock counts the seconds of these installs.
    """

    shell: Shell
    caches: Caches
    uv: Path | None
    fresh: Clock | None = None

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
        self._install(environment, requirements, what=what, environ=self._environ())

    def _install_locked(self, environment: Environment, locked: Locked) -> None:
        """Install what `locked` pins, by its hashes. Raises `NoxPexError`: also `hash-mismatch`."""
        environ = {name: value for name, value in self._environ().items() if name not in _CONSTRAINTS}
        argv = ["--require-hashes", "--requirement", str(locked.file)]
        self._install(environment, argv, what=", ".join(locked.requirements), environ=environ)

    def _install(
        self, environment: Environment, arguments: Sequence[str], *, what: str, environ: Mapping[str, str]
    ) -> None:
        if self.uv:
            # `--project` is the directory in which uv looks for its settings: not those of the user's project.
            argv = [str(self.uv), "--project", os.sep, "pip", "install", "--quiet"]
            if self.fresh is None:
                # A hard link would be a second name of the file in uv's cache: whoever edits one edits the other.
                argv += ["--link-mode", "copy"]
            else:  # a cache that begins empty and is removed with the tools, so that no file is written twice
                argv += ["--link-mode", "hardlink", "--cache-dir", str(environment.path.parent / _DOWNLOADS)]
            argv += ["--python", str(environment.python), *arguments]
        else:
            argv = [str(environment.python), "-I", "-m", "pip", "install", "--quiet"]
            argv += [*(["--no-cache-dir"] if self.fresh else []), *arguments]
        outcome = self.shell.run(argv, what=f"install {what}", env=environ)
        if outcome.status != 0:
            raise install_failure(what, outcome)

    def provide(
        self, name: str, requirements: Sequence[str], *, python: Path, locked: Locked | None = None
    ) -> Environment:
        """Return the environment with exactly `requirements` for the interpreter `python`, from the cache or new.

        `name` begins the name of its directory. `locked` pins some of the requirements by hashes. Raises `NoxPexError`:
        `cache-unsafe`, or if it has to be made and that fails.
        """
        identity = [
            sorted(requirements),
            str(python.resolve()),
            _identity(python),
            locked and files.digest(locked.file),
        ]
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        environment = Environment(path=self.caches.home_of(name) / f"{name}-{key}")
        marker, content = environment.path / "nox-pex.json", {"requirements": sorted(requirements)}
        if environment.path.is_dir():
            cache.mark_used(environment.path)
            if files.read_json(marker) == content and environment.usable:
                return environment
        with os_errors.writing(f"the cache {self.caches.root}", place=self.caches.root):
            lock = environment.path.with_name(f"{environment.path.name}.lock")
            # Another binary of this run may be installing it, or another run.
            waiting = f"waiting until {', '.join(requirements) or name} is installed"
            with locks.locked(lock, waiting=lambda: self.shell.say(waiting)):
                if not (files.read_json(marker) == content and environment.usable):
                    with self.fresh.step(name) if self.fresh else nullcontext():
                        self._make(environment, requirements, python=python, locked=locked)
                    files.write_json(marker, content)
                cache.mark_used(environment.path)
        return environment

    def _make(
        self, environment: Environment, requirements: Sequence[str], *, python: Path, locked: Locked | None
    ) -> None:
        """Make the `environment` of a tool, as for `provide`."""
        self.create(environment.path, python=python, seed=True)
        if not requirements:  # a build backend in the project itself may need none
            return
        self.shell.say(f"installing {', '.join(requirements)}{'' if locked else ' (without hashes)'}")
        if locked is not None:
            self._install_locked(environment, locked)
        if locked is None or not set(requirements) <= set(locked.requirements):
            self.install(environment, requirements, what=", ".join(requirements))

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


def _identity(python: Path) -> tuple[int, int] | None:
    """Return size (bytes) and modification time (ns) of the interpreter's file; None without a file.

    Another patch release in the same place has another modification time, and in most cases another size.
    """
    try:
        found = python.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def install_failure(what: str, outcome: Outcome) -> NoxPexError:
    """Return the error for `what`, which uv or pip could not install.

    The code is `hash-mismatch`, that of a failure of the index, or else `tool-install`.
    """
    problem = f"could not install {what} (exit status {outcome.status})"
    if _OTHER_HASH.search(outcome.output):
        problem = f"could not install {what}: the index serves a file with another hash than nox-pex knows"
        remedy = "check the index (`pip config list`): it must serve the original files; find out who changed this one"
        return NoxPexError("hash-mismatch", problem, remedy, log=outcome.tail)
    return index_failures.network_failure(problem, outcome) or NoxPexError(
        "tool-install", problem, "read the installer's last lines above", log=outcome.tail
    )
