"""The pinned tools, and the environments that they live in.

Poetry and pex are installed once for each version and Python, by uv where there is one, and shared by all projects of
the user. A tool's environment counts only when it is complete: a marker is written last.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.requirements import Requirement

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.system import files
from nox_pex.system.environ import tool_environ
from nox_pex.tools import cache
from nox_pex.tools.provision import Provisioner, install_failure

POETRY: Final = "2.5.1"


PEX: Final = "2.105.2"


_POETRY_CORES: Final = (((3, 10), "2.5.0"), ((3, 9), "2.2.1"), ((3, 8), "1.9.1"))
"""The build backend that goes with `POETRY`, and the last ones for older Pythons: from which Python on, and version."""


_MIRROR_PLUGIN: Final = "poetry-plugin-pypi-mirror"


_MIRROR_PLUGIN_PIN: Final = "0.6.5"


_DEFAULT_INDEX: Final = "from poetry.repositories.pypi_repository import PyPiRepository as R; print(R().url)"
"""Asks Poetry for the address of its default index, so that it stands in no file of ours."""


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
            raise install_failure(requirements[0], outcome)
        files.write_text(known, outcome.output.strip())
    return Poetry(python=environment.python, version=version or POETRY, default_index=known.read_text("utf-8").strip())


def provide_pex(provisioner: Provisioner, version: str | None, *, interpreter: Interpreter) -> Path:
    """The interpreter that runs the pinned pex (or the one of the `pex-version` setting): `-m pex`.

    It is of the binary's own Python, since the bytes of a PEX depend on the Python that runs pex.
    """
    shared = provisioner.caches
    with files.writing(f"the cache {shared.root}"):
        cache.evict_daily(shared.root)
        shared.pex_root.mkdir(parents=True, exist_ok=True)
        cache.mark_used(shared.pex_root)
    requirement = f"pex=={version or PEX}"
    return provisioner.provide("pex", [requirement], python=interpreter.executable).python


def provide_backend(provisioner: Provisioner, requires: Sequence[str], *, interpreter: Interpreter) -> Environment:
    """An environment with a project's build requirements (PEP 518).

    They are not locked by anything; poetry-core is held at the version that goes with the pinned Poetry, or with an
    older Python, wherever the requirement allows it, so that the wheel's bytes do not depend on the day.
    """
    held = [_held(text, interpreter) for text in requires]
    return provisioner.provide("build", held, python=interpreter.executable)


def _held(text: str, interpreter: Interpreter) -> str:
    requirement, python = Requirement(text), tuple(map(int, interpreter.minor.split(".")))
    if requirement.name != "poetry-core" or requirement.url:
        return text
    fitting = (v for lowest, v in _POETRY_CORES if python >= lowest and requirement.specifier.contains(v))
    return next((f"poetry-core=={version}" for version in fitting), text)
