"""Check that the binary contains the script or module that it is to run."""

from __future__ import annotations

from pathlib import Path

from nox_pex.distributions import wheel
from nox_pex.errors import NoxPexError
from nox_pex.pex.inputs import ProjectFiles
from nox_pex.pex.target import Contents, Target
from nox_pex.system.wording import did_you_mean


def check_entry(target: Target, installed: Contents, files: ProjectFiles, project_wheel: Path | None) -> None:
    """Raise `NoxPexError` `entry-missing` if nothing in the binary provides its `script` or `entry-point`.

    The project's part is `project_wheel`, or the loose sources `files` if it is None.
    """
    if target.table.script is not None:
        _check_script(target, installed, target.table.script, project_wheel)
    if target.table.entry_point is not None:
        names = wheel.wheel_files(project_wheel) if project_wheel is not None else tuple(files.placed)
        _check_module(target, installed, target.table.entry_point, names)


def _check_script(target: Target, installed: Contents, script: str, project_wheel: Path | None) -> None:
    scripts = set(installed.scripts())
    if project_wheel is not None:
        scripts |= set(wheel.console_scripts(project_wheel))
    if script not in scripts:
        problem = f"{target.key}.script is {script!r}, and no distribution in the binary has such a script"
        raise NoxPexError("entry-missing", problem, did_you_mean(script, scripts, otherwise="there are"))


def _check_module(target: Target, installed: Contents, entry_point: str, names: tuple[str, ...]) -> None:
    """Check an entry point `MODULE` or `MODULE:ATTRIBUTE`; `names` are the files of the project's part."""
    module, _, attribute = entry_point.partition(":")
    given = f"{target.key}.entry-point is {entry_point!r}, and"
    if not _provides(installed, names, module):
        remedy = "correct it"
        if not target.project.package_mode:
            remedy = _root_remedy(names, module) or "correct it, or add the module to `sources.include`"
        raise NoxPexError("entry-missing", f"{given} nothing in the binary has a module {module}", remedy)
    if not attribute and not _is_program(installed, names, module):
        remedy = f'add that module, or name a function, as in entry-point = "{module}:main"'
        raise NoxPexError("entry-missing", f"{given} {module} is a package without a __main__ module", remedy)


def _root_remedy(names: tuple[str, ...], module: str) -> str | None:
    """Return the remedy if the module is in a directory of the loose sources that is no package, such as `src`."""
    endings = tuple(f"/{module.replace('.', '/')}{ending}" for ending in (".py", "/__init__.py"))
    found = {name.removesuffix(ending) for name in names for ending in endings if name.endswith(ending)}
    roots = sorted(directory for directory in found if f"{directory}/__init__.py" not in names)
    return f'set sources.root = "{roots[0]}", because the module is there' if roots else None


def _provides(installed: Contents, names: tuple[str, ...], module: str) -> bool:
    path = module.replace(".", "/")
    return any(name.startswith((f"{path}.", f"{path}/")) for name in names) or installed.has_module(module)


def _is_program(installed: Contents, names: tuple[str, ...], module: str) -> bool:
    """Whether `python -m module` finds something to run: a module, or the `__main__` of a package (runpy)."""
    path = module.replace(".", "/")
    return any(name.startswith((f"{path}.", f"{path}/__main__.")) for name in names) or installed.has_program(module)
