"""The schemas; `tests/unit/settings/test_schema.py` has the tests of the file in the package."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from nox_pex import site
from reference import schema


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("A `key`.", "A `key`."),
        ("A key: [a.md](a.md).", f"A key.\n{site.DOCS}a.html"),
        ("A key ([a.md](a.md#b-c)).", f"A key.\n{site.DOCS}a.html#b-c"),
        ("Of [the b](a.md#b) and [c](d.md).", f"Of the b and c.\n{site.DOCS}a.html#b"),
    ],
)
def test_a_description_in_plain_text_has_the_address_of_its_first_link_in_a_second_line(
    markdown: str, expected: str
) -> None:
    assert schema.plain(markdown) == expected


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
    checker = jsonschema.Draft7Validator(schema.pyproject())
    checker.check_schema(checker.schema)

    assert checker.is_valid({"project": 7, "tool": tool}) is valid


def test_in_the_schema_of_a_pyproject_a_wrong_key_is_an_error_of_its_value() -> None:
    document = {"tool": {"nox-pex": {"binary": {"a": {"script": "x", "sh_boot": True}}}}}

    (error,) = jsonschema.Draft7Validator(schema.pyproject()).iter_errors(document)

    assert list(error.absolute_path) == ["tool", "nox-pex", "binary", "a", "sh_boot"]
    assert "unknown key: https://" in error.message


def test_no_schema_says_false_where_taplo_needs_a_reason() -> None:
    assert 'additionalProperties": false' in json.dumps(schema.settings())
    assert '": false' not in json.dumps(schema.pyproject()).replace('"default": false', "")
