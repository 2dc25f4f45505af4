"""`extends`: settings that projects share, in a TOML file of their own, under what each project says itself.

Such a file has the keys of `[tool.nox-pex]` at its top level. Its table `[binary."*"]` is for every binary.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nox_pex.errors import NoxPexError
from nox_pex.settings.explain import dotted

EVERY: Final = "*"
"""The name that stands for every binary, in a file that is shared."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A table of settings, and where it stands: the `file`, and the dotted `path` in it, empty at its top level."""

    table: Mapping[str, Any]
    file: str
    path: str

    @property
    def binaries(self) -> Mapping[str, Any]:
        """Its tables of binaries, by name; empty where that is no table."""
        found = self.table.get("binary", {})
        return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A table made of several, nearest first, and for each key that it has, by dotted path, the place it came from.

    A place is a file and the dotted path there.
    """

    table: Mapping[str, Any]
    origins: Mapping[str, tuple[str, str]]

    def origin(self, path: str) -> tuple[str, str] | None:
        """The place of what stands at the dotted `path`, or else of the nearest table around it; None for the root."""
        around = [key for key in self.origins if path == key or path.startswith((f"{key}.", f"{key}["))]
        if not around:
            return None
        nearest = max(around, key=len)
        file, there = self.origins[nearest]
        return file, there + path[len(nearest) :]


def layers(own: Layer) -> Sequence[Layer]:
    """`own`, and the files that it extends, nearest first.

    Raises `NoxPexError` `config` for a file that is not there, that cannot be read, or that extends itself.
    """
    found = [own]
    while isinstance(named := found[-1].table.get("extends"), str):
        above, key = found[-1], dotted(found[-1].path, "extends")
        file = os.path.normpath(Path(above.file).parent / named)
        if file in (layer.file for layer in found):
            problem = f"{above.file}: {key}: {file} extends itself"
            raise NoxPexError("config", problem, "leave one of the `extends` out")
        found.append(Layer(table=_read(file, named_by=f"{above.file}: {key}"), file=file, path=""))
    if "extends" in (last := found[-1]).table and last is not own:  # the type of `own`'s is judged with all the rest
        problem = f"{last.file}: extends: expected string"
        raise NoxPexError("config", problem, 'write the path of a file, as in extends = "../nox-pex.toml"')
    return found


def merge(found: Sequence[Layer]) -> Merged:
    """The tables of `found`, nearest first, as one: tables are merged key by key, of all else the nearest is taken."""
    names = dict.fromkeys(name for layer in found for name in layer.binaries if name != EVERY or layer is found[0])
    table: dict[str, Any] = {}
    origins: dict[str, tuple[str, str]] = {}
    for layer in reversed(found):
        for path, there, value in _leaves(layer, names, shared=layer is not found[0]):
            _put(table, path, value)
            origins[_joined(found[0].path, path)] = (layer.file, there)
    return Merged(table=table, origins=origins)


def _leaves(layer: Layer, names: Iterable[str], *, shared: bool) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Every key of a layer: where it goes, its dotted path in the file, and its value, an empty one for a table."""
    for key, value in layer.table.items():
        if key != "binary" or not shared or not isinstance(value, Mapping):
            yield from _below((key,), dotted(layer.path, key), value)
            continue
        here = dotted(layer.path, key)
        yield (key,), here, {}
        for name in names:
            for stands_as in (EVERY, name):
                if stands_as in value:
                    yield from _below((key, name), dotted(here, stands_as), value[stands_as])


def _below(path: tuple[str, ...], there: str, value: Any) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    if not isinstance(value, Mapping):
        yield path, there, value
        return
    yield path, there, {}
    for key, part in value.items():
        yield from _below((*path, key), dotted(there, key), part)


def _put(table: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *tables, last = path
    for key in tables:
        table = table[key]
    if value != {} or not isinstance(table.get(last), dict):
        table[last] = {} if value == {} else value


def _joined(prefix: str, path: tuple[str, ...]) -> str:
    for key in path:
        prefix = dotted(prefix, key)
    return prefix


def _read(file: str, *, named_by: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(Path(file).read_text("utf-8"))
    except FileNotFoundError:
        problem = f"{named_by} names {file}, and there is no such file"
        raise NoxPexError("config", problem, "correct the path; it is taken from the file that names it") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NoxPexError("config", f"cannot read {file}: {error}", "correct the file") from error
