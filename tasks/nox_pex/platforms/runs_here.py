"""Find a Python on this machine that can run a binary for other platforms."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from python_discovery import get_interpreter

from nox_pex.distributions import pex_file
from nox_pex.distributions.interpreter import BasePython
from nox_pex.distributions.pex_info import PexInfo
from nox_pex.platforms import ask_python
from nox_pex.platforms.platform import Platform
from nox_pex.system.command import Shell
from nox_pex.system.environ import discovery_environ


def python_for(info: PexInfo, platforms: Sequence[Platform], *, base: BasePython, shell: Shell) -> Path | None:
    """A Python on this machine that can run the binary with the PEX-INFO `info`, which is for `platforms`; or None."""
    for target in platforms:
        if (target.markers["sys_platform"], target.markers["platform_machine"]) != (sys.platform, platform.machine()):
            continue
        for python in _candidates(target, base):
            here = ask_python.ask(python, shell)
            if here.indistinguishable_from(target) and runs_on(info, here):
                return python
    return None


def runs_on(info: PexInfo, here: Platform) -> bool:
    """Whether every requirement in a PEX-INFO that applies on the platform `here` has a compatible wheel.

    The Python of `here` is assumed to be one that the binary is for. Raises `PexError` if a requirement is not valid.
    """
    applies: dict[str, bool] = {}
    try:
        for requirement in map(Requirement, info.requirements):
            applicable = requirement.marker is None or requirement.marker.evaluate(dict(here.markers))
            name = canonicalize_name(requirement.name)
            applies[name] = applies.get(name, False) or applicable
    except ValueError as error:  # of packaging: an invalid requirement, or a marker that cannot be evaluated
        msg = f"its PEX-INFO has a requirement that is not valid: {error}"
        raise pex_file.PexError(msg) from error
    wheels: dict[str, list[str]] = {}
    for wheel in info.distributions:
        wheels.setdefault(pex_file.distribution_name(wheel), []).append(wheel)
    # pex omits a requirement that the project's own metadata has, so an unlisted one applies.
    return all(here.best_wheel(found) is not None for name, found in wheels.items() if applies.get(name, True))


def _candidates(target: Platform, base: BasePython) -> Iterator[Path]:
    """Pythons on this machine that may match the target: that of the session, and one found by its version."""
    yield base.find()
    name = f"{target.markers['implementation_name']}{target.minor}"
    found = get_interpreter(name, env=discovery_environ(os.environ))
    if found is not None and found.executable is not None:
        yield Path(found.executable)
