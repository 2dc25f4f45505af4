"""Checks of the arguments of `register()`, which anybody may write in a noxfile. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence

from nox_pex.errors import NoxPexError


def check_types(projects: Sequence[object], *, python: object, prefix: object) -> None:
    """Raise `NoxPexError` `usage` if one of these arguments of `register` has a wrong type."""
    _check_projects(projects)
    if not isinstance(prefix, str):
        remedy = 'write a string, as in prefix="ship-", or remove it'
        raise NoxPexError("usage", f"register(prefix={prefix!r}) is not a string", remedy)
    if python is None or isinstance(python, str):
        return
    listed = isinstance(python, Sequence)
    pythons: Sequence[object] = python if isinstance(python, Sequence) else [python]
    if not pythons:
        raise NoxPexError("usage", f"register(python={python!r}) names no Python", 'write one, as in python="3.12"')
    if not listed or not all(isinstance(one, str) and one.strip() and one.isprintable() for one in pythons):
        problem = f"register(python={python!r}) is not a string, or a list of strings, that each name a Python"
        shown = ", ".join(_quoted(one) for one in pythons)
        raise NoxPexError("usage", problem, f"write python={f'[{shown}]' if listed else shown}")


def _check_projects(projects: Sequence[object]) -> None:
    """Raise `NoxPexError` `usage` if one of `projects` is no path."""
    for project in projects:
        if not isinstance(project, str | os.PathLike):
            several = isinstance(project, Sequence) and bool(project)
            remedy = f"write a * before it: register(*{project!r})" if several else "write a directory or a pattern"
            raise NoxPexError("usage", f"register({project!r}) does not name a project", remedy)
        if isinstance(project, bytes) or "\0" in os.fspath(project):
            problem = f"register({project!r}) does not name a project"
            raise NoxPexError("usage", problem, "write a directory or a pattern")


def _quoted(python: object) -> str:
    """Return a Python of a noxfile in quotes, "3.11" for 3.11 and for 311; an example if it is not a version at all."""
    digits = str(python)
    if isinstance(python, int) and len(digits) > 1 and digits.startswith("3"):
        return f'"3.{digits[1:]}"'
    known = isinstance(python, str | int | float) and not isinstance(python, bool)
    return f'"{digits}"' if known else '"3.12"'


def check_names(argument: str, names: object) -> None:
    """Raise `NoxPexError` `usage` if the value of this argument of `register` is not a list of names."""
    if isinstance(names, str):
        raise NoxPexError("usage", f"register({argument}={names!r}) is not a list", f'write {argument}=["{names}"]')
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        problem = f"register({argument}={names!r}) is not a list of names"
        raise NoxPexError("usage", problem, f'write the names of sessions, as in {argument}=["frontend"]')
