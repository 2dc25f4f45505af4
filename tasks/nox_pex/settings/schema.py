"""The JSON Schema of `[tool.nox-pex]`, for editors and validate-pyproject, generated from the types of the settings."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nox_pex import site
from nox_pex.settings.model import Settings

_NULL: Final = {"type": "null"}


def tool_schema(tool_name: str) -> dict[str, Any]:  # noqa: ARG001  # validate-pyproject passes it
    """Return the schema (draft 7, without references to other files) of `[tool.nox-pex]`.

    validate-pyproject finds it by the entry point group `validate_pyproject.tool_schema`. `tool_name` is `"nox-pex"`.
    """
    _, generated = msgspec.json.schema_components(
        [Settings], ref_template="#/definitions/{name}", schema_hook=lambda _: {"type": "string"}
    )
    definitions = _without_null(generated)
    root = definitions.pop(Settings.__name__)
    root["properties"]["output-dir"]["default"] = str(Settings().output_dir)
    # A schema cannot read the file of `extends`, and the entry of a binary may be there.
    sole_entry = {"oneOf": [{"required": [key]} for key in ("script", "entry-point", "executable")]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"{site.DOCS}settings.schema.json",
        **root,
        "if": {"not": {"required": ["extends"]}},
        "then": {"properties": {"binary": {"additionalProperties": sole_entry}}},
        "description": "Nox sessions that turn a Poetry project into one PEX file and prove that the file works",
        "definitions": definitions,
    }


def _without_null(schema: Any) -> Any:
    """Return `schema` without null as a type or as a default, because TOML has no such value."""
    if isinstance(schema, list | tuple):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _without_null(value) for key, value in schema.items() if value is not None}
    alternatives = [one for one in result.pop("anyOf", ()) if one != _NULL]
    if len(alternatives) == 1:
        return {**alternatives[0], **result}
    return {**result, "anyOf": alternatives} if alternatives else result
