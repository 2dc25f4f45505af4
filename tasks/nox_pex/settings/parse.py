"""Read the settings from a parsed `pyproject.toml`, and from the files that they extend."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from packaging.utils import canonicalize_name

from nox_pex.errors import NoxPexError
from nox_pex.settings import names, toml_text
from nox_pex.settings.model import Binary, Settings
from nox_pex.system.lazy import lazy
from nox_pex.system.wording import counted, nearest

if TYPE_CHECKING:
    from nox_pex.settings import explain, extends, locate
    from nox_pex.settings.extends import Layer
else:
    explain = lazy("nox_pex.settings.explain")  # only needed for an error
    locate = lazy("nox_pex.settings.locate")  # only needed for an error
    extends = lazy("nox_pex.settings.extends")  # only needed if the settings have that key

_KEY: Final = "nox-pex"


_PATH: Final = "tool.nox-pex"
"""The dotted path of the settings in `pyproject.toml`."""


_LETTERS: Final = "noxpex"


_COUNTS: Final = Counter(_LETTERS)


_MOST_TYPOS: Final = 2


_SOLE_ENTRY: Final = "expected exactly one of script"
"""A part of the problem of a binary without an entry."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in a `pyproject.toml`, and everything that is wrong with them.

    If something is wrong, `settings` are those without the wrong parts, at the dotted paths `refused`. They are None if
    nothing remains.
    """

    settings: Settings | None
    where: Callable[[str], str]
    """Returns the place of a dotted path, for an error."""
    problems: tuple[NoxPexError, ...] = ()
    refused: tuple[str, ...] = ()


def parse(document: Mapping[str, Any], *, file: str, project_name: str | None, scripts: Collection[str]) -> Settings:
    """Return the settings in `document`, a parsed `pyproject.toml` with the path `file`.

    `scripts` are the names of the project's scripts. If the settings have no binary, and there is
    exactly one script, that is the script of the only binary, which is named after the project, `project_name`.
    Raises `NoxPexError` for all problems together: `config` if a setting is not valid, `entry-missing` if there is
    neither a binary nor exactly one script.
    """
    found = read(document, file=file, project_name=project_name, scripts=scripts)
    if found.problems or found.settings is None:
        raise NoxPexError.together(found.problems)
    return found.settings


def read(document: Mapping[str, Any], *, file: str, project_name: str | None, scripts: Collection[str]) -> Reading:
    """Do the same as `parse`, but return the problems instead of raising them."""
    tool = document.get("tool", {})
    table = tool.get(_KEY, {}) if isinstance(tool, Mapping) else {}
    misspelt = tuple(_misspelt(document, file))

    def own(path: str) -> str:
        return locate.where(file, path, document)

    if misspelt and not table:
        return Reading(settings=None, where=own, problems=misspelt)
    if not isinstance(table, Mapping) or "extends" not in table:
        found = _convert(table, own, misspelt)
        declared = not isinstance(table, Mapping) or table.get("binary")
        return found if declared else _with_sole_binary(found, file, project_name, scripts)
    return _read_layers(
        extends.Layer(table=table, document=document, file=file, path=_PATH),
        misspelt,
        lambda: _sole_binary(file, project_name, scripts),
    )


def _read_layers(own: Layer, problems: tuple[NoxPexError, ...], sole: Callable[[], tuple[str, str]]) -> Reading:
    """Read the settings of a project together with the files that they extend."""
    try:
        layers = extends.layers(own)
    except NoxPexError as error:  # what these files say is unknown, and so is what the settings lack
        found = _convert(own.table, own.where, ())
        complete = [each for each in found.problems if _SOLE_ENTRY not in each.problem]
        return msgspec.structs.replace(found, problems=(*problems, error, *complete))
    if not any(layer.binaries.keys() - {extends.EVERY} for layer in layers):
        try:
            name, script = sole()
        except NoxPexError as error:
            problems = (*problems, error)
        else:
            table = {"binary": {name: {"script": script}}}
            layers = [*layers, extends.Layer(table=table, document=own.document, file=own.file, path=own.path)]
    merged = extends.merge(layers)
    return _convert(merged.table, lambda path: merged.where(path) or own.where(path), problems)


def _with_sole_binary(found: Reading, file: str, project_name: str | None, scripts: Collection[str]) -> Reading:
    """Add to settings without any table of a binary the only binary that the project can have."""
    try:
        name, script = _sole_binary(file, project_name, scripts)
    except NoxPexError as error:
        return msgspec.structs.replace(found, problems=(*found.problems, error))
    if found.settings is None:
        return found
    settings = msgspec.structs.replace(found.settings, binary={name: Binary(script=script)})
    return msgspec.structs.replace(found, settings=settings)


def _convert(table: Any, where: Callable[[str], str], problems: tuple[NoxPexError, ...]) -> Reading:
    """Convert `table` to settings. `where` returns the place that an error names, for a dotted path in `table`.

    `problems` are those that are known before.
    """
    try:
        return Reading(settings=msgspec.convert(table, Settings, dec_hook=_dec_hook), where=where, problems=problems)
    except msgspec.ValidationError:
        found = explain.explain(table, Settings, path=_PATH, dec_hook=_dec_hook)
    refusals = [NoxPexError("config", f"{where(each.path)}: {each.problem}", each.remedy) for each in found.refusals]
    usable = found.rest is not explain.REFUSED
    return Reading(
        settings=msgspec.convert(found.rest, Settings, dec_hook=_dec_hook) if usable else None,
        where=where,
        problems=(*problems, *refusals),
        refused=tuple(each.path for each in found.refusals),
    )


def _misspelt(document: Mapping[str, Any], file: str) -> Iterator[NoxPexError]:
    """Yield an error for each table that was probably meant to be `[tool.nox-pex]`."""
    tool = document.get("tool")
    tables = tool if isinstance(tool, Mapping) else {}
    nox = tables.get("nox")
    paths = [
        *((key,) for key in document if _is_like_ours(key.lower().removeprefix("tool"))),
        *(("tool", key) for key in tables if key != _KEY and _is_like_ours(key)),
        *(("tool", "nox", key) for key in (nox if isinstance(nox, Mapping) else ()) if key.lower() == "pex"),
    ]
    for keys in paths:
        path = functools.reduce(explain.dotted, keys, "")
        problem = f"{locate.where(file, path, document)}: unknown table, which nothing reads"
        yield NoxPexError("config", problem, f"rename it to {_PATH}, as in [{_PATH}]")


def _is_like_ours(key: str) -> bool:
    """Whether a key begins with `nox-pex`, whatever its separators, or differs from it in at most two letters."""
    letters = "".join(filter(str.isalnum, key.lower()))
    if letters.startswith(_LETTERS):
        return True
    return sum(((counts := Counter(letters)) - _COUNTS).values()) + sum((_COUNTS - counts).values()) <= _MOST_TYPOS


def _dec_hook(kind: type, value: Any) -> Any:
    """Convert a string to a path, which `msgspec.convert` does not know."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    msg = "Expected `str`"
    raise TypeError(msg)


def _sole_binary(file: str, project_name: str | None, scripts: Collection[str]) -> tuple[str, str]:
    """Return the name and the script of the only binary of a project without a table for one."""
    name = canonicalize_name(project_name) if project_name else "NAME"
    if project_name and len(scripts) == 1 and (unusable := names.problem_with(name)):
        problem = f"{file} has no [tool.nox-pex.binary.NAME] table, and the project's name cannot be that of a binary"
        problem = f"{problem}: {unusable.partition('; ')[0]}"
        raise NoxPexError("config", problem, f"add [{_PATH}.binary.NAME], and under it the line {_script(scripts)}")
    if project_name and len(scripts) == 1:
        return name, next(iter(scripts))
    known = sorted(scripts)
    found = f"{counted(known, 'script')} ({', '.join(known)}) to choose from" if known else "no script to use instead"
    problem = f"{file} has no [tool.nox-pex.binary.NAME] table, and the project has {found}"
    line = _script([_likely(name, known)]) if known else 'entry-point = "MODULE:FUNCTION"'
    other = "" if known else ', or script = "…" for the script of a dependency'
    name = toml_text.toml_key(name) if names.problem_with(name) is None else "NAME"
    raise NoxPexError(
        "entry-missing", problem, f"add [tool.nox-pex.binary.{name}], and under it the line {line}{other}"
    )


def _script(scripts: Collection[str]) -> str:
    """Return the line for the first of `scripts` in the table of a binary."""
    return f"script = {toml_text.toml(next(iter(scripts)))}"


def _likely(name: str, scripts: Sequence[str]) -> str:
    """Return the script whose name is like that of the project, or else the first one."""
    return nearest(name, scripts, cutoff=0.4) or scripts[0]


def binary_key(name: str) -> str:
    """Return the dotted name of the table of a binary in `pyproject.toml`."""
    return f"{_PATH}.binary.{toml_text.toml_key(name)}"


def is_declared(document: Mapping[str, Any], name: str) -> bool:
    """Whether a parsed `pyproject.toml` itself has a table for the binary `name`."""
    return name in document.get("tool", {}).get("nox-pex", {}).get("binary", {})
