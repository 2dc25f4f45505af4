"""Whether a binary for other platforms can run on this one after all, and with which Python."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from python_discovery import get_interpreter

from nox_pex.distributions import pex_file
from nox_pex.distributions.interpreter import BasePython
from nox_pex.platforms import ask_python
from nox_pex.platforms.platform import Platform
from nox_pex.system.command import Shell


def python_for(
    info: Mapping[str, Any], platforms: Sequence[Platform], *, base: BasePython, shell: Shell
) -> Path | None:
    """A Python of this machine that runs the binary that has the PEX-INFO `info` and is for `platforms`; or None."""
    for target in platforms:
        if (target.markers["sys_platform"], target.markers["platform_machine"]) != (sys.platform, platform.machine()):
            continue
        for python in _candidates(target, base):
            here = ask_python.ask(python, shell)
            if here.indistinguishable_from(target) and runs_on(info, here):
                return python
    return None


def runs_on(info: Mapping[str, Any], here: Platform) -> bool:
    """Whether each requirement in a PEX-INFO that holds on the platform `here` has a wheel that it can install.

    Its Python is taken to be one that the binary is for.
    """
    holding: dict[str, bool] = {}
    for requirement in map(Requirement, info["requirements"]):
        holds = requirement.marker is None or requirement.marker.evaluate(dict(here.markers))
        name = canonicalize_name(requirement.name)
        holding[name] = holding.get(name, False) or holds
    wheels: dict[str, list[str]] = {}
    for wheel in info["distributions"]:
        wheels.setdefault(pex_file.distribution(wheel), []).append(wheel)
    # pex leaves out a requirement that the project's own metadata has: one that is not listed is one that holds
    return all(here.best_wheel(found) is not None for name, found in wheels.items() if holding.get(name, True))


def _candidates(target: Platform, base: BasePython) -> Iterator[Path]:
    """Pythons of this machine that may be the target's: the session's own, and one that is found by its version."""
    yield base.find()
    found = get_interpreter(f"{target.markers['implementation_name']}{target.minor}")
    if found is not None and found.executable is not None:
        yield Path(found.executable)
