"""The pinned tools: Poetry, pex, the build backend and the writer of SBOMs, each in its environment.

Poetry, pex and that writer are installed once for each version and Python, and shared by all projects of the user.
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
from nox_pex.system import os_errors
from nox_pex.tools import cache
from nox_pex.tools.locked import Locked
from nox_pex.tools.provision import Provisioner

POETRY: Final = "2.5.1"


PEX: Final = "2.105.2"


_POETRY_CORES: Final = (((3, 10), "2.5.0"), ((3, 9), "2.2.1"), ((3, 8), "1.9.1"))
"""Lowest Python and version of poetry-core: the one that `POETRY` needs, then the last ones for older Pythons."""


_MIRROR_PLUGIN: Final = "poetry-plugin-pypi-mirror"


_MIRROR_PLUGIN_PIN: Final = "0.6.5"


_LOCKED_POETRY: Final = Locked(
    name="poetry",
    requirements=(f"poetry=={POETRY}", f"{_MIRROR_PLUGIN}=={_MIRROR_PLUGIN_PIN}"),
    lowest_python="3.11",
)
"""Poetry runs on the Python that runs Nox."""


_LOCKED_PEX: Final = Locked(name="pex", requirements=(f"pex=={PEX}",), lowest_python="3.8")


_LOCKED_POETRY_CORES: Final = {
    f"poetry-core=={version}": Locked(
        name=f"poetry-core-{version}",
        requirements=(f"poetry-core=={version}",),
        lowest_python=".".join(map(str, lowest)),
    )
    for lowest, version in _POETRY_CORES
}


LOCKED_CYCLONEDX: Final = Locked(
    name="cyclonedx",
    requirements=("cyclonedx-python-lib==11.12.0", "license-expression==30.4.4"),
    lowest_python="3.11",
)
"""The libraries that write an SBOM run on the Python that runs Nox."""


LOCKED: Final = (_LOCKED_POETRY, _LOCKED_PEX, LOCKED_CYCLONEDX, *_LOCKED_POETRY_CORES.values())
"""Every requirement file that nox-pex ships."""


class Poetry(Struct, frozen=True, kw_only=True):
    """An installed Poetry: its interpreter, and its version."""

    python: Path
    version: str


def provide_poetry(provisioner: Provisioner, version: str | None) -> Poetry:
    """Return Poetry, installed in a separate environment on the Python that runs Nox.

    `version` is that of the setting `poetry-version`; the pinned one if None. Only the pinned one is installed by
    hashes. Raises `NoxPexError` if Poetry cannot be installed.
    """
    locked = _LOCKED_POETRY if version in (None, POETRY) else None
    requirements = locked.requirements if locked else (f"poetry=={version}", _MIRROR_PLUGIN)
    environment = provisioner.provide("poetry", requirements, python=Path(sys.executable), locked=locked)
    return Poetry(python=environment.python, version=version or POETRY)


def provide_pex(provisioner: Provisioner, version: str | None, *, interpreter: Interpreter) -> Path:
    """Return the interpreter that runs pex, with `-m pex`.

    `version` is that of the setting `pex-version`; the pinned one if None. Only the pinned one is installed by hashes.
    pex runs on the binary's Python, `interpreter`, because the bytes of a PEX depend on the Python that pex runs on.
    Raises `NoxPexError` if pex cannot be installed.
    """
    shared = provisioner.caches
    with os_errors.writing(f"the cache {shared.root}", place=shared.root):
        cache.evict_daily(shared.root)
        shared.pex_root.mkdir(parents=True, exist_ok=True)  # it may be that of a second build
        cache.mark_used(shared.pex_root)
    return install_pex(provisioner, version, interpreter=interpreter)


def install_pex(provisioner: Provisioner, version: str | None, *, interpreter: Interpreter) -> Path:
    """Install pex, as for `provide_pex`, without its PEX_ROOT; return its interpreter. Raises `NoxPexError`."""
    locked = _LOCKED_PEX if version in (None, PEX) else None
    requirements = locked.requirements if locked else (f"pex=={version}",)
    return provisioner.provide("pex", requirements, python=interpreter.executable, locked=locked).python


def provide_cyclonedx(provisioner: Provisioner) -> Path:
    """Return the interpreter with the libraries that write an SBOM. Raises `NoxPexError` if they cannot be installed.

    The mapping of licences and the bytes of an SBOM depend on their versions, so no setting replaces them.
    """
    locked = LOCKED_CYCLONEDX
    environment = provisioner.provide("sbom", locked.requirements, python=Path(sys.executable), locked=locked)
    return environment.python


def provide_backend(provisioner: Provisioner, requires: Sequence[str], *, interpreter: Interpreter) -> Environment:
    """Return an environment with a project's build requirements (PEP 518).

    No lock pins them. If the requirement allows it, poetry-core is pinned to the version that the pinned Poetry needs,
    or to the last one for an older Python, so that the wheel's bytes do not depend on the day of the build. That
    version is installed by its hashes, all other requirements are not.
    Raises `NoxPexError` if the requirements cannot be installed.
    """
    pinned = [_pin_poetry_core(text, interpreter) for text in requires]
    locked = next((_LOCKED_POETRY_CORES[text] for text in pinned if text in _LOCKED_POETRY_CORES), None)
    return provisioner.provide("build", pinned, python=interpreter.executable, locked=locked)


def _pin_poetry_core(text: str, interpreter: Interpreter) -> str:
    """Return the requirement `text`, pinned if it is one for poetry-core that allows a known version."""
    requirement, python = Requirement(text), tuple(map(int, interpreter.minor.split(".")))
    if requirement.name != "poetry-core" or requirement.url:
        return text
    fitting = (v for lowest, v in _POETRY_CORES if python >= lowest and requirement.specifier.contains(v))
    return next((f"poetry-core=={version}" for version in fitting), text)
