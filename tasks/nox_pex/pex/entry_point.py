"""Find the program that the binary is to run, and check that the binary contains it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from nox_pex.distributions import launcher, wheel
from nox_pex.distributions.entry_points import Script
from nox_pex.distributions.environment import text_of
from nox_pex.distributions.launcher import Library
from nox_pex.errors import NoxPexError
from nox_pex.pex.exclude import is_excluded
from nox_pex.pex.inputs import ProjectFiles
from nox_pex.pex.target import Contents, Target
from nox_pex.project.pyproject import Project
from nox_pex.system.wording import did_you_mean


def entry_point_for_pex(
    target: Target,
    installed: Contents,
    files: ProjectFiles,
    *,
    project_wheel: Path | None = None,
    sources: Path | None = None,
) -> str | None:
    """Return the `module[:attribute]` that the binary starts; None if it starts a file, by `script` or `executable`.

    The project's part is `project_wheel`, or the loose `files` with a copy in the directory `sources`. pex resolves a
    `script` in the same way, but it cannot start every object reference that a launcher starts (see `launcher`), and
    refuses a script of two distributions.
    Raises `NoxPexError`: `entry-missing` if nothing in the binary provides its `script` or `entry-point`, `config` if
    the settings contradict the kind of the script.
    """
    table = target.table
    if table.script is not None:
        reference = _reference(target, installed, table.script, project_wheel)
        if reference is None:
            _check_options_of_file(target)
    elif table.entry_point is not None:
        names = wheel.wheel_files(project_wheel) if project_wheel is not None else tuple(files.placed)
        _check_module(target, installed, table.entry_point, names)
        reference = table.entry_point
    else:
        reference = None
    if reference is None:
        return None
    own: list[Library] = [launcher.Directory(sources)] if sources is not None else []
    own += [wheel.WheelLibrary(project_wheel)] if project_wheel is not None else []
    return launcher.startable(reference, (*own, *installed.libraries()))


def _reference(target: Target, installed: Contents, name: str, project_wheel: Path | None) -> str | None:
    """The object reference of a script, None if it is a file. The project's own scripts come first."""
    own = _own_scripts(target.project, project_wheel)
    scripts = [*own, *_packed_scripts(target, installed)]
    found = [script for script in own if script.name == name] or [script for script in scripts if script.name == name]
    if not found:
        problem = f"{target.key}.script is {name!r}, and no distribution in the binary has such a script"
        raise NoxPexError(
            "entry-missing", problem, did_you_mean(name, {each.name for each in scripts}, otherwise="there are")
        )
    references = {script.reference: script.distribution for script in found if script.reference is not None}
    if len(references) > 1:
        return _installed_reference(target, installed, name, references)
    return next(iter(references), None)


def _own_scripts(project: Project, project_wheel: Path | None) -> tuple[Script, ...]:
    """The project's scripts; without a wheel, those that `poetry run` starts without installing them."""
    if project_wheel is not None:
        return wheel.scripts(project_wheel, distribution=project.name)
    references = {**project.other_scripts, **project.scripts}
    return tuple(
        Script(name=name, distribution=project.name, reference=reference)
        for name, reference in references.items()
        if reference is not None
    )


def _packed_scripts(target: Target, installed: Contents) -> Iterator[Script]:
    """Yield the scripts of all distributions that `exclude` does not remove."""
    excluded = {d.name for d in installed.distributions if is_excluded(d.name, d.version, target.table.exclude)}
    return (script for script in installed.scripts() if script.distribution not in excluded)


def _installed_reference(target: Target, installed: Contents, name: str, references: Mapping[str, str]) -> str:
    """The one of `references` (with their distributions) from which the installed script of this name was generated."""
    text = text_of(installed.environment.path / "bin" / name)
    for reference in references:
        module, _, attributes = (part.strip() for part in reference.partition("[")[0].partition(":"))
        if re.search(
            rf"^from {re.escape(module)} import {re.escape(attributes.partition('.')[0])}$", text, re.MULTILINE
        ):
            return reference
    choices = " or ".join(f"{reference} of {distribution}" for reference, distribution in sorted(references.items()))
    problem = f"{target.key}.script is {name!r}, which may be {choices}"
    raise NoxPexError("config", problem, f'write one of them, as in entry-point = "{min(references)}"')


def _check_options_of_file(target: Target) -> None:
    """Raise `NoxPexError` `config` for arguments that pex 2.105 does not give to a script that is a file."""
    table = target.table
    for key, given in (("inject-args", table.inject_args), ("inject-python-args", table.inject_python_args)):
        if given and table.execution_mode == "venv":
            problem = f"{target.key}.{key} has no effect: the script {table.script} is a file, which pex starts without"
            raise NoxPexError("config", problem, f'remove {key}, or set execution-mode = "zipapp"')


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
