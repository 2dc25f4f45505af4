"""`extends`: settings in a TOML file that several projects share; the settings of each project override them.

Such a file has the keys of `[tool.nox-pex]` at its top level. Its table `[binary."*"]` applies to every binary.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.settings import locate
from nox_pex.settings.explain import dotted
from nox_pex.system import toml_file

EVERY: Final = "*"
"""The name that means every binary, in a shared file."""


class Layer(Struct, frozen=True, kw_only=True):
    """A table of settings at the dotted `path` (empty: the top level) of `file`, of which `document` is parsed."""

    table: Mapping[str, Any]
    document: Mapping[str, Any]
    file: str
    path: str

    def where(self, path: str) -> str:
        """Return the place of the dotted `path` in the file, for an error: `nox-pex.toml:3: binary.api`."""
        return locate.where(self.file, path, self.document)

    @property
    def binaries(self) -> Mapping[str, Any]:
        """The tables of its binaries, by name; empty if `binary` is not a table."""
        found = self.table.get("binary", {})
        return found if isinstance(found, Mapping) else {}


class Merged(Struct, frozen=True, kw_only=True):
    """A table that was merged from several, and the origin of each of its keys, by its dotted path.

    An origin is a layer and the dotted path in its file.
    """

    table: Mapping[str, Any]
    origins: Mapping[str, tuple[Layer, str]]

    def where(self, path: str) -> str | None:
        """Return the place of the value at the dotted `path`, or of the nearest table around it; None for the root."""
        around = [key for key in self.origins if path == key or path.startswith((f"{key}.", f"{key}["))]
        if not around:
            return None
        nearest = max(around, key=len)
        layer, there = self.origins[nearest]
        return layer.where(there + path[len(nearest) :])


def layers(project: Layer) -> Sequence[Layer]:
    """Return the layer `project` and the files that it extends, nearest first.

    Raises `NoxPexError` `config` if a file does not exist, cannot be read, or extends itself.
    """
    found = [project]
    while isinstance(named := found[-1].table.get("extends"), str):
        above, key = found[-1], dotted(found[-1].path, "extends")
        if not named or not named.isprintable():
            problem = f"{above.where(key)}: {named!r} is not the path of a file"
            raise NoxPexError("config", problem, 'write one, as in extends = "../nox-pex.toml"')
        file = os.path.normpath(Path(above.file).parent / named)
        if file in (layer.file for layer in found):
            problem = f"{above.where(key)}: {file} extends itself"
            raise NoxPexError("config", problem, "remove one of the keys `extends`")
        table = _read(file, named_by=above.where(key))
        found.append(Layer(table=table, document=table, file=file, path=""))
    if "extends" in (last := found[-1]).table and last is not project:  # `parse` checks the keys of the project
        problem = f"{last.where('extends')}: expected string"
        raise NoxPexError("config", problem, 'write the path of a file, as in extends = "../nox-pex.toml"')
    return found


def merge(found: Sequence[Layer]) -> Merged:
    """Merge the tables of `found`, nearest first: subtables key by key; of any other value, the nearest wins."""
    names = dict.fromkeys(name for layer in found for name in layer.binaries if name != EVERY or layer is found[0])
    table: dict[str, Any] = {}
    origins: dict[str, tuple[Layer, str]] = {}
    for layer in reversed(found):
        for path, there, value in _keys(layer, names, shared=layer is not found[0]):
            _put(table, path, value)
            origins[_joined(found[0].path, path)] = (layer, there)
    return Merged(table=table, origins=origins)


def _keys(layer: Layer, names: Iterable[str], *, shared: bool) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield every key of a layer: its path in the merged table, its dotted path in the file, and its value.

    A table has an empty value; its keys follow. If the layer is `shared`, its binary `*` applies to all of `names`.
    """
    for key, value in layer.table.items():
        if key != "binary" or not shared or not isinstance(value, Mapping):
            yield from _flatten((key,), dotted(layer.path, key), value)
            continue
        here = dotted(layer.path, key)
        yield (key,), here, {}
        for name in names:
            for source in (EVERY, name):
                if source in value:
                    yield from _flatten((key, name), dotted(here, source), value[source])


def _flatten(path: tuple[str, ...], there: str, value: Any) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield `value` and, if it is a table, every key below it, in the form of `_keys`."""
    if not isinstance(value, Mapping):
        yield path, there, value
        return
    yield path, there, {}
    for key, part in value.items():
        yield from _flatten((*path, key), dotted(there, key), part)


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set the value at `path` in `table`; an empty table leaves a table that is there."""
    *tables, last = path
    for key in tables:
        table = table[key]
    if value != {} or not isinstance(table.get(last), dict):
        table[last] = {} if value == {} else value


def _joined(prefix: str, path: tuple[str, ...]) -> str:
    """Return the dotted path of `path` below the dotted path `prefix`."""
    for key in path:
        prefix = dotted(prefix, key)
    return prefix


def _read(file: str, *, named_by: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(toml_file.read_text(Path(file)))
    except FileNotFoundError:
        problem = f"{named_by} names {file}, which does not exist"
        raise NoxPexError("config", problem, "correct the path, which is relative to the file that names it") from None
    except toml_file.UNREADABLE as error:
        raise toml_file.refusal(Path(file), error) from error
