"""Check that something in the binary provides what it is to run."""

from __future__ import annotations

from pathlib import Path

from nox_pex.build.inputs import ProjectFiles
from nox_pex.build.target import Contents, Target
from nox_pex.distributions import wheel
from nox_pex.errors import NoxPexError
from nox_pex.system.wording import did_you_mean


def check_entry(target: Target, installed: Contents, taken: ProjectFiles, own: Path | None) -> None:
    """Raise `NoxPexError` `entry-missing` where nothing in the binary provides what it is to run."""
    binary = target.table
    if binary.script is not None:
        scripts = set(installed.scripts())
        if own is not None:
            scripts |= set(wheel.wheel_entry_points(own))
        if binary.script not in scripts:
            remedy = did_you_mean(binary.script, scripts, otherwise="there are")
            problem = f"{target.key}.script is {binary.script!r}, and no distribution in the binary has such a script"
            raise NoxPexError("entry-missing", problem, remedy)
    if binary.entry_point is not None:
        module, _, attribute = binary.entry_point.partition(":")
        own_files = wheel.wheel_files(own) if own is not None else tuple(taken.digests)
        says = f"{target.key}.entry-point is {binary.entry_point!r}, and"
        if not _provides(installed, own_files, module):
            remedy = "correct it" if own is not None else "correct it, or take the module in with `sources.include`"
            raise NoxPexError("entry-missing", f"{says} nothing in the binary has a module {module}", remedy)
        if not attribute and not _runs(installed, own_files, module):
            remedy = f'add that module, or name a function, as in entry-point = "{module}:main"'
            raise NoxPexError("entry-missing", f"{says} {module} is a package without a __main__ module", remedy)


def _provides(installed: Contents, own_files: tuple[str, ...], module: str) -> bool:
    path = module.replace(".", "/")
    return any(file.startswith((f"{path}.", f"{path}/")) for file in own_files) or installed.has_module(module)


def _runs(installed: Contents, own_files: tuple[str, ...], module: str) -> bool:
    """Whether `python -m module` finds something to run: a module, or in a package its `__main__` (runpy)."""
    path = module.replace(".", "/")
    return any(file.startswith((f"{path}.", f"{path}/__main__.")) for file in own_files) or installed.has_program(
        module
    )
