"""The JSON Schema of a whole `pyproject.toml`, for the line `#:schema` that Taplo reads in editors.

Source: crates/taplo-common/src/schema/mod.rs of Taplo 0.9.3.
"""

from __future__ import annotations

from typing import Any

from nox_pex import site
from reference import schema
from reference.schema import Schema


def pyproject() -> Schema:
    """Return the schema, which says nothing about anything but `[tool.nox-pex]`.

    Taplo underlines a whole table if it has a key too many, so here an unknown key is one with an impossible value.
    """
    own = schema.settings()
    table = {keyword: value for keyword, value in own.items() if not keyword.startswith("$")}
    return {
        "$schema": own["$schema"],
        "$id": f"{site.DOCS}pyproject.schema.json",
        "description": f"A pyproject.toml, of which only [tool.nox-pex] is checked\n{site.page('settings')}",
        **schema.of_object({"tool": schema.of_object({"nox-pex": _located(table, site.page("settings"))})}),
    }


def _located(part: Any, page: str) -> Any:
    """Return a schema with a reason in place of each false. `page` is the address about the table around it.

    The table's own description names another one in its last line. Taplo's message is
    `{"title": …} is not allowed for …`.
    """
    if isinstance(part, list):
        return [_located(each, page) for each in part]
    if not isinstance(part, dict):
        return part
    page = part["description"].splitlines()[-1] if part.get("additionalProperties") is False else page
    return {
        key: _impossible(key, page) if value is False and key != "default" else _located(value, page)
        for key, value in part.items()
    }


def _impossible(key: str, page: str) -> Schema:
    """Return a schema that no value fulfils, for the keyword or the key of the settings `key`."""
    reason = f"a binary has one of {', '.join(schema.ENTRIES)}" if key in schema.ENTRIES else "unknown key"
    return {"not": {"title": f"{reason}: {page}"}}
