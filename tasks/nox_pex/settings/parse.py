"""Read the settings from a parsed `pyproject.toml`, and from the files that they extend."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from packaging.utils import canonicalize_name

from nox_pex.errors import NoxPexError
from nox_pex.settings.model import Binary, Settings
from nox_pex.system.lazy import lazy
from nox_pex.system.wording import counted, nearest

if TYPE_CHECKING:
    from nox_pex.settings import explain, extends
else:
    explain = lazy("nox_pex.settings.explain")  # only needed for an error
    extends = lazy("nox_pex.settings.extends")  # only needed if the settings have that key

_PATH: Final = "tool.nox-pex"
"""The dotted path of the settings in `pyproject.toml`."""


def parse(document: Mapping[str, Any], *, file: str, project_name: str | None, scripts: Collection[str]) -> Settings:
    """Return the settings in `document`, a parsed `pyproject.toml` with the path `file`.

    `scripts` are the names of the project's scripts. If the settings have no binary, and there is
    exactly one script, that is the script of the only binary, which is named after the project, `project_name`.
    Raises `NoxPexError`: `config` if a setting is not valid, `entry-missing` if there is neither a binary nor exactly
    one script.
    """
    tool = document.get("tool", {})
    table = tool.get("nox-pex", {}) if isinstance(tool, Mapping) else {}
    if not isinstance(table, Mapping) or "extends" not in table:
        settings = _convert(table, lambda path: (file, path))
        if not settings.binary:
            name, script = _sole_binary(file, project_name, scripts)
            return msgspec.structs.replace(settings, binary={name: Binary(script=script)})
        return settings

    layers = extends.layers(extends.Layer(table=table, file=file, path=_PATH))
    if not any(layer.binaries.keys() - {extends.EVERY} for layer in layers):
        name, script = _sole_binary(file, project_name, scripts)
        layers = [*layers, extends.Layer(table={"binary": {name: {"script": script}}}, file=file, path=_PATH)]
    merged = extends.merge(layers)
    return _convert(merged.table, lambda path: merged.origin(path) or (file, path))


def _convert(table: Any, origin: Callable[[str], tuple[str, str]]) -> Settings:
    """Convert `table` to settings.

    `origin` returns the file and the dotted path that an error names, for a dotted path in `table`.
    """
    try:
        return msgspec.convert(table, Settings, dec_hook=_dec_hook)
    except msgspec.ValidationError as error:
        refusal = explain.explain(table, Settings, path=_PATH, dec_hook=_dec_hook)
        file, path = origin(refusal.path)
        raise NoxPexError("config", f"{file}: {path}: {refusal.problem}", refusal.remedy) from error


def _dec_hook(kind: type, value: Any) -> Any:
    """Convert a string to a path, which `msgspec.convert` does not know."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    msg = "Expected `str`"
    raise TypeError(msg)


def _sole_binary(file: str, project_name: str | None, scripts: Collection[str]) -> tuple[str, str]:
    """Return the name and the script of the only binary of a project without a table for one."""
    name = canonicalize_name(project_name) if project_name else "NAME"
    if project_name and len(scripts) == 1:
        return name, next(iter(scripts))
    names = sorted(scripts)
    found = f"{counted(names, 'script')} ({', '.join(names)}) to choose from" if names else "no script to use instead"
    problem = f"{file} has no [tool.nox-pex.binary.NAME] table, and the project has {found}"
    line = f'script = "{_likely(name, names)}"' if names else 'entry-point = "MODULE:FUNCTION"'
    other = "" if names else ', or script = "…" for the script of a dependency'
    raise NoxPexError(
        "entry-missing", problem, f"add [tool.nox-pex.binary.{name}], and under it the line {line}{other}"
    )


def _likely(name: str, scripts: Sequence[str]) -> str:
    """Return the script whose name is like that of the project, or else the first one."""
    return nearest(name, scripts, cutoff=0.4) or scripts[0]


def is_declared(document: Mapping[str, Any], name: str) -> bool:
    """Whether a parsed `pyproject.toml` itself has a table for the binary `name`."""
    return name in document.get("tool", {}).get("nox-pex", {}).get("binary", {})
