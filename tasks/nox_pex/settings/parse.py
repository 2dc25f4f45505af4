"""`[tool.nox-pex]` as frozen typed values (docs/settings.md describes every key).

A rule that no type can express stands in `__post_init__`, as a `ValueError` that reads "`key`: what is wrong; what to
do". `diagnosis` makes the line for the user out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec
from packaging.utils import canonicalize_name

from nox_pex.errors import NoxPexError
from nox_pex.settings import explain, extends
from nox_pex.settings.model import Binary, Settings

_PATH: Final = "tool.nox-pex"
"""Where the settings stand in `pyproject.toml`."""


def parse(document: Mapping[str, Any], *, file: str, project_name: str | None, scripts: Mapping[str, str]) -> Settings:
    """The settings in `document`, a whole parsed `pyproject.toml`, which errors call `file`.

    `scripts` are the project's console scripts, name to reference: where the settings have no binary, the one script
    makes the one binary, named after the project `project_name`.
    Raises `NoxPexError`: "config" for what is no valid setting, "entry-missing" where there is no binary, and not
    exactly one script either.
    """
    tool = document.get("tool", {})
    table = tool.get("nox-pex", {}) if isinstance(tool, Mapping) else {}
    if not isinstance(table, Mapping) or "extends" not in table:
        settings = _judged(table, lambda path: (file, path))
        if not settings.binary:
            name, script = _sole_binary(file, project_name, scripts)
            return msgspec.structs.replace(settings, binary={name: Binary(script=script)})
        return settings

    layers = extends.layers(extends.Layer(table=table, file=file, path=_PATH))
    if not any(layer.binaries.keys() - {extends.EVERY} for layer in layers):
        name, script = _sole_binary(file, project_name, scripts)
        layers = [*layers, extends.Layer(table={"binary": {name: {"script": script}}}, file=file, path=_PATH)]
    merged = extends.merge(layers)
    return _judged(merged.table, lambda path: merged.origin(path) or (file, path))


def _judged(table: Any, origin: Callable[[str], tuple[str, str]]) -> Settings:
    """`table` as settings; an error has the file and the dotted path that `origin` gives for a path in it."""
    try:
        return msgspec.convert(table, Settings, dec_hook=_dec_hook)
    except msgspec.ValidationError as error:
        refusal = explain.explain(table, Settings, path=_PATH, dec_hook=_dec_hook)
        file, path = origin(refusal.path)
        raise NoxPexError("config", f"{file}: {path}: {refusal.problem}", refusal.remedy) from error


def _dec_hook(kind: type, value: Any) -> Any:
    """Make a `kind` that TOML does not know out of `value`, as `msgspec.convert` asks: a path out of a string."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    msg = "Expected `str`"
    raise TypeError(msg)


def _sole_binary(file: str, project_name: str | None, scripts: Mapping[str, str]) -> tuple[str, str]:
    """The one binary of a project that has no table for one: its name, and its script."""
    name = canonicalize_name(project_name) if project_name else "NAME"
    if project_name and len(scripts) == 1:
        return name, next(iter(scripts))
    names = sorted(scripts)
    found = f"{len(names)} scripts ({', '.join(names)}) to choose from" if names else "no script to make one from"
    problem = f"{file} has no [tool.nox-pex.binary.NAME] table, and {found}"
    line = f'script = "{_likely(name, names)}"' if names else 'entry-point = "MODULE:FUNCTION"'
    other = "" if names else ', or script = "…" for the script of a dependency'
    raise NoxPexError(
        "entry-missing", problem, f"add [tool.nox-pex.binary.{name}], and under it the line {line}{other}"
    )


def _likely(name: str, scripts: Sequence[str]) -> str:
    """The script that is called as the project is, or nearly; else the first one."""
    return next(iter(get_close_matches(name, scripts, n=1, cutoff=0.4)), scripts[0])


def is_declared(document: Mapping[str, Any], name: str) -> bool:
    """Whether a parsed `pyproject.toml` has a table for the binary `name` itself."""
    return name in document.get("tool", {}).get("nox-pex", {}).get("binary", {})
