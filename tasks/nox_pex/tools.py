"""The pinned tools, and the environments that they live in.

Poetry and pex are installed once for each version and Python, by uv where there is one, and shared by all projects of
the user. A tool's environment counts only when it is complete: a marker is written last.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.requirements import Requirement

from nox_pex import caches, files
from nox_pex.command import Outcome, Shell, tool_environ
from nox_pex.environment import Environment, Interpreter
from nox_pex.errors import NoxPexError

POETRY: Final = "2.5.1"
PEX: Final = "2.105.2"
_POETRY_CORES: Final = (((3, 10), "2.5.0"), ((3, 9), "2.2.1"), ((3, 8), "1.9.1"))
"""The build backend that goes with `POETRY`, and the last ones for older Pythons: from which Python on, and version."""

UTF_8: Final = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
"""Variables for tools that start Pythons: in the locale C these cannot read a `.pth` file with other letters than
ASCII's in a path, and what a build backend reads must not depend on the user's locale."""

_MIRROR_PLUGIN: Final = "poetry-plugin-pypi-mirror"
_MIRROR_PLUGIN_PIN: Final = "0.6.5"

_DEFAULT_INDEX: Final = "from poetry.repositories.pypi_repository import PyPiRepository as R; print(R().url)"
"""Asks Poetry for the address of its default index, so that it stands in no file of ours."""


class Caches(Struct, frozen=True, kw_only=True, dict=True):
    """Where nox-pex keeps what all projects of the user share: `chosen`, or where the system has it for None."""

    chosen: Path | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Caches:
        """`NOX_PEX_CACHE_DIR`, or the user's cache directory as the system has it."""
        if chosen := environ.get("NOX_PEX_CACHE_DIR"):
            return cls(chosen=Path(chosen).expanduser().absolute())
        return cls(chosen=None)

    @cached_property
    def root(self) -> Path:
        """The directory of it all, made when it is first written to."""
        if self.chosen is not None:
            return self.chosen
        from platformdirs import user_cache_path  # noqa: PLC0415 (not needed where nothing changed)

        return user_cache_path("nox-pex", appauthor=False)

    @property
    def pex_root(self) -> Path:
        """Pex's own caches, one for each of its versions, which name the same wheels in other ways.

        A PEX_ROOT of ours: pex keys it by names, so another tool's mistakes would become ours.
        """
        return self.root / "pex"

    @property
    def environments(self) -> Path:
        """What Poetry installed, by all that decides it."""
        return self.root / "environments"

    @property
    def dependencies(self) -> Path:
        """Dependency PEXes, by all that is in them."""
        return self.root / "dependencies"

    @property
    def wheels(self) -> Path:
        """Wheels of locks, for other platforms, by their hash."""
        return self.root / "wheels"


class Provisioner(Struct, frozen=True, kw_only=True):
    """Makes environments and installs into them: with uv where `uv` is not None, else with virtualenv and pip."""

    shell: Shell
    caches: Caches
    uv: Path | None

    def create(self, path: Path, *, python: Path, seed: bool) -> None:
        """A new virtual environment at `path`, over whatever was there, for the interpreter `python`.

        `seed` is whether pip must be in it where there is no uv to install without.
        """
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.uv:
            argv = [str(self.uv), "venv", "--quiet", "--no-project", "--no-config", "--python", str(python), str(path)]
        else:
            argv = [sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", "--python", str(python)]
            argv += [str(path)] if seed else ["--no-seed", str(path)]
        # Not from where the user stands: `-m` would take a module in that directory for one of virtualenv's own.
        outcome = self.shell.run(argv, what="make an environment", env=self._environ(), cwd=path.parent)
        if outcome.status != 0:
            raise _install_failure(str(path), outcome)

    def install(self, environment: Environment, requirements: Sequence[str], *, what: str) -> None:
        """Install `requirements` into `environment`; raises `NoxPexError` where that fails."""
        if self.uv:
            argv = [str(self.uv), "pip", "install", "--quiet", "--python", str(environment.python), *requirements]
        else:
            argv = [str(environment.python), "-I", "-m", "pip", "install", "--quiet", *requirements]
        outcome = self.shell.run(argv, what=f"install {what}", env=self._environ())
        if outcome.status != 0:
            raise _install_failure(what, outcome)

    def provide(self, name: str, requirements: Sequence[str], *, python: Path) -> Environment:
        """The environment that holds exactly `requirements` for `python`: the cached one, or a new one.

        Raises `NoxPexError` where it has to be made and cannot be.
        """
        identity = json.dumps([sorted(requirements), str(python.resolve()), _version_of(python)])
        key = hashlib.sha256(identity.encode()).hexdigest()[:16]
        environment = Environment(path=self.caches.root / "tools" / f"{name}-{key}")
        marker = environment.path / "nox-pex.json"
        if environment.path.is_dir():
            caches.use(environment.path)
            if marker.exists() and environment.usable:
                return environment
        with files.writing(f"the cache {self.caches.root}"):
            lock = self.caches.root / "tools" / f"{name}-{key}.lock"
            with files.locked(lock, waiting=lambda: self.shell.say(f"waiting for another run that installs {name}")):
                if not (marker.exists() and environment.usable):
                    self.create(environment.path, python=python, seed=True)
                    if requirements:  # a backend that lies in the project itself may need none
                        self.shell.say(f"installing {', '.join(requirements)}")
                        self.install(environment, requirements, what=", ".join(requirements))
                    files.write_json(marker, {"requirements": list(requirements)})
                caches.use(environment.path)
        return environment

    def _environ(self) -> dict[str, str]:
        from nox_pex import index  # noqa: PLC0415 (not needed where nothing changed)

        environ = tool_environ(self.shell.environ)
        return {**environ, **index.uv_environ(environ, prefix=Path(sys.prefix))}


class Poetry(Struct, frozen=True, kw_only=True):
    """The pinned Poetry: its interpreter, its version, and the address of its default index."""

    python: Path
    version: str
    default_index: str


def provide_poetry(provisioner: Provisioner, version: str | None) -> Poetry:
    """The pinned Poetry (or the one of the `poetry-version` setting), in an environment of its own on Nox's Python."""
    pinned = version in (None, POETRY)
    requirements = [
        f"poetry=={version or POETRY}",
        f"{_MIRROR_PLUGIN}=={_MIRROR_PLUGIN_PIN}" if pinned else _MIRROR_PLUGIN,
    ]
    environment = provisioner.provide("poetry", requirements, python=Path(sys.executable))
    known = environment.path / "default-index"
    if not known.exists():
        argv = [str(environment.python), "-c", _DEFAULT_INDEX]
        outcome = provisioner.shell.run(argv, what="ask Poetry", env=tool_environ(provisioner.shell.environ))
        if outcome.status != 0:
            raise _install_failure(requirements[0], outcome)
        files.write_text(known, outcome.output.strip())
    return Poetry(python=environment.python, version=version or POETRY, default_index=known.read_text("utf-8").strip())


def provide_pex(provisioner: Provisioner, version: str | None, *, interpreter: Interpreter) -> Path:
    """The interpreter that runs the pinned pex (or the one of the `pex-version` setting): `-m pex`.

    It is of the binary's own Python, since the bytes of a PEX depend on the Python that runs pex.
    """
    shared = provisioner.caches
    with files.writing(f"the cache {shared.root}"):
        caches.bounded(shared.root)
        shared.pex_root.mkdir(parents=True, exist_ok=True)
        caches.use(shared.pex_root)
    requirement = f"pex=={version or PEX}"
    return provisioner.provide("pex", [requirement], python=interpreter.executable).python


def provide_backend(provisioner: Provisioner, requires: Sequence[str], *, interpreter: Interpreter) -> Environment:
    """An environment with a project's build requirements (PEP 518).

    They are not locked by anything; poetry-core is held at the version that goes with the pinned Poetry, or with an
    older Python, wherever the requirement allows it, so that the wheel's bytes do not depend on the day.
    """
    held = [_held(text, interpreter) for text in requires]
    return provisioner.provide("build", held, python=interpreter.executable)


def find_uv(environ: Mapping[str, str]) -> Path | None:
    """uv: the one that Nox was installed with (`nox[uv]`), or the one on PATH, or None. Starts nothing."""
    return _find_uv(environ.get("UV"), environ.get("PATH"))


@functools.cache
def _find_uv(asked_for: str | None, path: str | None) -> Path | None:
    if asked_for is not None:
        found = shutil.which(asked_for)
        return Path(found) if found else None
    try:
        from uv import find_uv_bin  # noqa: PLC0415 (an optional package)

        return Path(os.fsdecode(find_uv_bin()))
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv", path=path)
        return Path(found) if found else None


def _held(text: str, interpreter: Interpreter) -> str:
    requirement, python = Requirement(text), tuple(map(int, interpreter.minor.split(".")))
    if requirement.name != "poetry-core" or requirement.url:
        return text
    fitting = (v for lowest, v in _POETRY_CORES if python >= lowest and requirement.specifier.contains(v))
    return next((f"poetry-core=={version}" for version in fitting), text)


def _version_of(python: Path) -> str:
    """What changes when the interpreter behind a path is replaced by another patch release."""
    try:
        return str(python.resolve().stat().st_size)
    except OSError:
        return ""


_UNREACHABLE: Final = (
    "Name or service not known",
    "Temporary failure in name resolution",
    "Connection refused",
    "Failed to establish a new connection",
    "All attempts to connect to",
    "Max retries exceeded",
    "ConnectError",
    "ConnectionError",
    "dns error",
    "error sending request",
    "Network is unreachable",
    "ConnectTimeout",
    "ReadTimeout",
    "Read timed out",
    "operation timed out",
    "503 Server Error",
    "502 Server Error",
    "500 Server Error",
    "500 Internal Server Error",
    "502 Bad Gateway",
    "503 Service Unavailable",
    "IncompleteRead",
    "ChunkedEncodingError",
)
_NAMES_A_HOST: Final = re.compile(r"://|host[=:] ?\S")
_REFUSED: Final = (
    "Authorization error accessing",
    "401 Client Error",
    "403 Client Error",
    "401 Unauthorized",
    "403 Forbidden",
    "HTTP error 401",
    "HTTP error 403",
    "status code 401",
    "status code 403",
)


def network_failure(what: str, outcome: Outcome) -> NoxPexError | None:
    """The error for a tool that failed at a package index or at the disk; None where it failed for another reason."""
    line = next((line for line in outcome.output.splitlines() if any(sign in line for sign in _REFUSED)), None)
    if line is not None:
        remedy = "check the credentials that Poetry, pip or uv is given for that index"
        return NoxPexError("index-auth", f"{what}: {line.strip()}", remedy, log=outcome.tail)
    lines = [line.strip() for line in outcome.output.splitlines() if any(sign in line for sign in _UNREACHABLE)]
    if lines:
        said = next((line for line in lines if _NAMES_A_HOST.search(line)), lines[0])
        remedy = "check the network, the proxy and `pip config list`, then run it again"
        return NoxPexError("index-unreachable", f"{what}: {said}", remedy, log=outcome.tail)
    if "No space left on device" in outcome.output:
        return NoxPexError(
            "disk-full", f"{what}: no space left on device", "make room, then run it again", log=outcome.tail
        )
    return None


def _install_failure(what: str, outcome: Outcome) -> NoxPexError:
    problem = f"could not install {what} (exit status {outcome.status})"
    return network_failure(problem, outcome) or NoxPexError(
        "tool-install", problem, "read the installer's last lines above", log=outcome.tail
    )
