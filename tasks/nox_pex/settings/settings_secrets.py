"""The secrets in a project's `pyproject.toml`, and in the files that its settings extend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nox_pex.errors import NoxPexError
from nox_pex.system.lazy import lazy
from nox_pex.system.secrets import Secrets, url_passwords

if TYPE_CHECKING:
    from nox_pex.settings import extends
else:
    extends = lazy("nox_pex.settings.extends")  # only needed if the settings have that key

_NAMED_BY_USERS: Final = frozenset(
    {"env", "inject-env", "request-headers", "headers", "request-json", "json", "json-path", "labels"}
)
"""Tables in which a user chooses the keys, so that these can be names of secrets."""


def listed(document: Mapping[str, Any], file: Path) -> frozenset[str]:
    """Return the names that `secrets` lists, in a parsed `pyproject.toml` that may be wrong; `file` is its path."""
    found: set[str] = set()
    for table in _settings(document, file):
        names = table.get("secrets")
        if isinstance(names, list):
            found.update(name for name in names if isinstance(name, str))
    return frozenset(found)


def values(document: Mapping[str, Any], file: Path) -> Iterator[str]:
    """Yield the secrets: passwords in all URLs, and values with a secret's name in the settings of nox-pex."""
    names = listed(document, file)
    for table in _settings(document, file):
        for named in _named_by_users(table):
            yield from Secrets.of(dict(_strings(named)), names).values
        yield from _url_passwords(table)
    yield from _url_passwords(document)


def _settings(document: Mapping[str, Any], file: Path) -> list[Mapping[str, Any]]:
    """Return `[tool.nox-pex]` and the tables that it extends; those of a file that cannot be read are left out."""
    tool = document.get("tool")
    table = tool.get("nox-pex") if isinstance(tool, Mapping) else None
    if not isinstance(table, Mapping):
        return []
    if "extends" in table:
        with contextlib.suppress(NoxPexError):
            layers = extends.layers(extends.Layer(table=table, document=document, file=str(file), path=""))
            return [layer.table for layer in layers]
    return [table]


def _named_by_users(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the tables below `value` in which a user chooses the keys."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _NAMED_BY_USERS and isinstance(inner, Mapping):
                yield inner
            else:
                yield from _named_by_users(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named_by_users(inner)


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each string below `value`, with the nearest key around it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _strings(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key)


def _url_passwords(value: Any) -> Iterator[str]:
    for _, text in _strings(value):
        if "//" in text:
            yield from url_passwords(text)
