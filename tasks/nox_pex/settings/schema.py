"""The JSON Schema of `[tool.nox-pex]`, for editors and validate-pyproject, made from the same types that judge it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nox_pex.settings.model import Settings

_NULL: Final = {"type": "null"}


def tool_schema(tool_name: str) -> dict[str, Any]:
    """The schema (draft 7, self-contained) of `[tool.TOOL_NAME]`.

    It stands under the entry point group `validate_pyproject.tool_schema`, and is called with `"nox-pex"`.
    """
    _, generated = msgspec.json.schema_components(
        [Settings], ref_template="#/definitions/{name}", schema_hook=lambda _: {"type": "string"}
    )
    definitions = _without_null(generated)
    root = definitions.pop(Settings.__name__)
    root["properties"]["output-dir"]["default"] = str(Settings().output_dir)
    # What a file that is shared says of a binary cannot be seen here: with `extends`, any of the three may be there.
    sole_entry = {"oneOf": [{"required": [key]} for key in ("script", "entry-point", "executable")]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"https://{tool_name}.invalid/settings.schema.json",  # a name, of no place (RFC 2606)
        **root,
        "if": {"not": {"required": ["extends"]}},
        "then": {"properties": {"binary": {"additionalProperties": sole_entry}}},
        "description": "Nox sessions that build a PEX from a Poetry project and prove that it works",
        "definitions": definitions,
    }


def _without_null(schema: Any) -> Any:
    """`schema` without what says that a value may be null, or is by default: TOML has no such value."""
    if isinstance(schema, list | tuple):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_null(value) for key, value in schema.items() if value is not None}
    alternatives = [one for one in kept.pop("anyOf", ()) if one != _NULL]
    if len(alternatives) == 1:
        return {**alternatives[0], **kept}
    return {**kept, "anyOf": alternatives} if alternatives else kept
