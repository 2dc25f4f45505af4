"""The files of a pull request to SchemaStore, whose schema of `pyproject.toml` is the one that editors use by default.

Source of the rules: CONTRIBUTING.md of SchemaStore. A schema of a table is a file `partial-NAME.json` there, because a
reference to another site is not possible. Its tests are TOML files that fit, or do not fit, the schema of the whole
`pyproject.toml`. The schema must pass the strict mode of Ajv, which allows no list of types.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from reference import schema

_PARTIAL: Final = "partial-nox-pex.json"


_TESTS: Final = Path(__file__).parents[1] / "schemas" / "schemastore"
"""The TOML files, in directories that have the names of those in SchemaStore."""


_FIRST_LINE: Final = "#:schema ../../schemas/json/pyproject.json"
"""The beginning of each TOML file there."""


_OF_TYPE: Final = {
    "items": "array",
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "minimum": "integer",
}
"""The type that a keyword is about."""


def files() -> dict[str, str]:
    """Return the content of each new file by its path in a checkout of SchemaStore."""
    tests = {
        f"src/{file.relative_to(_TESTS).as_posix()}": f"{_FIRST_LINE}\n{file.read_text('utf-8')}"
        for file in sorted(_TESTS.rglob("*.toml"))
    }
    return {f"src/schemas/json/{_PARTIAL}": schema.text(partial()), **tests}


def partial() -> schema.Schema:
    """Return the schema of `[tool.nox-pex]` with its address in SchemaStore, without lists of types.

    The host is that of the schema of `pyproject.toml`, which refers to it by its name alone.
    """
    result: schema.Schema = _without_lists(schema.settings())
    return {**result, "$id": f"https://json.schemastore.org/{_PARTIAL}"}


def _without_lists(part: Any) -> Any:
    """Return a schema with `anyOf` in place of each list of types."""
    if isinstance(part, list):
        return [_without_lists(each) for each in part]
    if not isinstance(part, dict):
        return part
    result = {keyword: _without_lists(value) for keyword, value in part.items()}
    if not isinstance(part.get("type"), list):
        return result
    about = {keyword: result.pop(keyword) for keyword in _OF_TYPE if keyword in result}
    alternatives = [
        {"type": kind, **{keyword: value for keyword, value in about.items() if _OF_TYPE[keyword] == kind}}
        for kind in result.pop("type")
    ]
    return {**result, "anyOf": alternatives}
