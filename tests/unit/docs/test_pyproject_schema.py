from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from nox_pex import site
from reference import pyproject_schema, schema

SCHEMA = pyproject_schema.pyproject()


@pytest.mark.parametrize(
    ("tool", "valid"),
    [
        ({"nox-pex": {"binary": {"a": {"script": "x"}}}, "other": {"a": 1}}, True),
        ({"other": {"a": 1}}, True),
        ({"nox-pex": {"output-dri": "x"}}, False),
        ({"nox-pex": {"binary": {"a": {"script": "x", "executable": "y"}}}}, False),
        ({"nox-pex": {"binary": {"a": {}}}}, False),
        ({"nox-pex": {"extends": "x.toml", "binary": {"a": {}}}}, True),
    ],
)
def test_the_schema_of_a_pyproject_concerns_only_our_table(tool: Any, *, valid: bool) -> None:
    checker = jsonschema.Draft7Validator(SCHEMA)
    checker.check_schema(checker.schema)

    assert checker.is_valid({"project": 7, "tool": tool}) is valid


def test_in_the_schema_of_a_pyproject_a_wrong_key_is_an_error_of_its_value() -> None:
    document = {"tool": {"nox-pex": {"binary": {"a": {"script": "x", "sh_boot": True}}}}}

    (error,) = jsonschema.Draft7Validator(SCHEMA).iter_errors(document)

    assert list(error.absolute_path) == ["tool", "nox-pex", "binary", "a", "sh_boot"]
    assert f"unknown key: {site.DOCS}settings.html#toolnox-pexbinaryname" in error.message


def test_only_what_is_false_has_changed() -> None:
    def of(part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        return {key: False if is_impossible(value) else of(value) for key, value in part.items() if key[0] != "$"}

    def is_impossible(part: Any) -> bool:
        return isinstance(part, dict) and list(part) == ["not"]

    assert of(SCHEMA["properties"]["tool"]["properties"]["nox-pex"]) == of(schema.settings())
    assert '"additionalProperties": false' not in json.dumps(SCHEMA)
