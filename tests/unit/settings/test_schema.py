from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from validate_pyproject import api, error_reporting, plugins
from validate_pyproject.types import Schema

from nox_pex import site
from nox_pex.errors import NoxPexError
from nox_pex.settings.checks import HttpCheck
from nox_pex.settings.model import Settings
from nox_pex.settings.parse import parse
from nox_pex.settings.schema import tool_schema
from reference import keys

GOOD: list[dict[str, Any]] = [
    {},
    {"attest": {"builder-id": "https://ci.example.com/1"}},
    {"poetry-version": "2.4.0", "output-dir": "out", "groups": ["main"], "secrets": ["A"]},
    {"binary": {"a": {"script": "x"}, "b": {"executable": "run.py", "layout": "loose", "max-install-jobs": -1}}},
    {"binary": {"a": {"entry-point": "x:y", "inject-env": {"A": "b"}, "sources": {"include": ["templates/"]}}}},
    {"binary": {"a": {"script": "x", "smoke": {"startup-timeout": 3, "ready": {"path": "/", "status": "2xx"}}}}},
    {"binary": {"a": {"script": "x", "smoke": {"http": [{"path": "/", "status": [200, "3xx"], "json": [1, "a"]}]}}}},
    {"binary": {"a": {"script": "x", "smoke": {"tcp": [{"port": "{port}"}], "command": [{"args": ["--help"]}]}}}},
    {"binary": {"a": {"script": "x", "budget": {"size": "60 MB", "cold-boot": 10}}}},
    {"sbom": {"allow-licenses": ["MIT", "GPL-2.0 WITH Classpath-exception-2.0"], "deny-licenses": ["LicenseRef-x"]}},
    {
        "binary": {
            "a": {"script": "x", "image": {"base": "b", "user": 1, "expose": [80], "engine-args": {"global": ["-v"]}}}
        }
    },
]
BAD: list[dict[str, Any]] = [
    {"binaries": {}},
    {"groups": "main"},
    {"attest": {"builder": "x"}},
    {"poetry-version": 2},
    {"sbom": {"allow-licenses": "MIT"}},
    {"sbom": {"allow": ["MIT"]}},
    {"binary": {"a": {}}},
    {"binary": {"a": {"script": "x", "executable": "y"}}},
    {"binary": {"a": {"script": "x", "sh_boot": True}}},
    {"binary": {"a": {"script": "x", "layout": "zip"}}},
    {"binary": {"a": {"script": "x", "max-install-jobs": -2}}},
    {"binary": {"a": {"script": "x", "inject-env": {"A": 1}}}},
    {"binary": {"a": {"script": "x", "sources": ["templates/"]}}},
    {"binary": {"a": {"script": "x", "smoke": {"http": [{}]}}}},
    {"binary": {"a": {"script": "x", "smoke": {"http": [{"path": "/", "status": 1.5}]}}}},
    {"binary": {"a": {"script": "x", "smoke": {"conditions": ["lukewarm"]}}}},
    {"binary": {"a": {"script": "x", "image": {}}}},
    {"binary": {"a": {"script": "x", "image": {"base": "b", "form": "directory"}}}},
    {"binary": {"a": {"script": "x", "image": {"base": "b", "engine": "rkt"}}}},
]


def parsed_table(table: dict[str, Any]) -> Settings:
    return parse({"tool": {"nox-pex": table}}, file="pyproject.toml", project_name="a", scripts={"a": "a:b"})


def accepted(table: dict[str, Any]) -> bool:
    try:
        parsed_table(table)
    except NoxPexError:
        return False
    return True


@pytest.mark.parametrize("table", [*GOOD, *BAD])
def test_schema_and_parser_agree(table: dict[str, Any]) -> None:
    schema = tool_schema("nox-pex")
    assert jsonschema.Draft7Validator(schema).is_valid(table) is accepted(table) is (table in GOOD)


def test_with_shared_settings_the_entry_may_be_in_the_other_file() -> None:
    validator = jsonschema.Draft7Validator(tool_schema("nox-pex"))
    assert validator.is_valid({"extends": "../nox-pex.toml", "binary": {"a": {"compress": False}}})
    assert not validator.is_valid({"extends": "../nox-pex.toml", "binary": {"a": {"compres": False}}})
    assert not validator.is_valid({"binary": {"a": {"compress": False}}})


def test_the_schema_is_one_of_draft_7_and_needs_no_other_file() -> None:
    schema = tool_schema("nox-pex")
    jsonschema.Draft7Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert {"$id", "description"} <= schema.keys()
    assert '"null"' not in json.dumps(schema)
    assert '"$ref"' not in json.dumps(schema)


def tables_in(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part of a schema that is about a table with keys of ours, with its place."""
    if "properties" in schema:
        yield path, schema
        for key, inner in schema["properties"].items():
            yield from tables_in(inner, f"{path}.{key}")
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from tables_in(inner, f"{path}[]")


def test_the_schema_has_exactly_the_keys_of_the_settings() -> None:
    found = dict(tables_in(tool_schema("nox-pex")))
    expected = sorted([field.encode_name for field in msgspec.structs.fields(t)] for t in keys.tables().values())
    assert sorted(list(table["properties"]) for table in found.values()) == expected
    assert all(table["additionalProperties"] is False for table in found.values())
    assert list(found[".binary[].smoke.http[]"]["properties"]) == [
        field.encode_name for field in msgspec.structs.fields(HttpCheck)
    ]


def test_each_key_at_each_level_has_a_description_and_a_default() -> None:
    for place, table in tables_in(tool_schema("nox-pex")):
        assert table["description"]
        for name, key in table["properties"].items():
            sentence, _, address = key["description"].partition("\n")
            assert re.fullmatch(r"[^a-z].+\.", sentence), f"{place}.{name}"
            assert "](" not in sentence
            assert address.startswith(site.DOCS)
            assert "default" in key or "default" in sentence or name in table.get("required", ()), f"{place}.{name}"


def test_the_default_in_the_schema_is_that_of_the_parser() -> None:
    for place, table in tables_in(tool_schema("nox-pex")):
        for name, key in table["properties"].items():
            if "default" in key:
                assert jsonschema.Draft7Validator(key).is_valid(key["default"]), f"{place}.{name}"
    written = {"binary": {"a": {"script": "x", "smoke": {"command": [{}]}}}}
    filled = with_defaults(tool_schema("nox-pex"), written)
    assert filled != written
    assert parsed_table(filled) == parsed_table(written)


def with_defaults(schema: Any, value: Any) -> Any:
    """The value with each default of the schema written out."""
    if isinstance(value, list):
        return [with_defaults(schema["items"], each) for each in value]
    if not isinstance(value, dict) or "properties" not in schema:
        inner = schema.get("additionalProperties")
        return {k: with_defaults(inner, v) for k, v in value.items()} if isinstance(value, dict) and inner else value
    defaults = {name: key["default"] for name, key in schema["properties"].items() if "default" in key}
    return {name: with_defaults(schema["properties"][name], each) for name, each in {**defaults, **value}.items()}


def test_validate_pyproject_accepts_the_schema() -> None:
    validate = api.Validator(extra_plugins=[plugins.PluginWrapper("nox-pex", lambda name: Schema(tool_schema(name)))])
    for table in GOOD:
        document = {"tool": {"nox-pex": table}}
        assert validate(document) == document
    for table in BAD:
        with pytest.raises(error_reporting.ValidationError, match=r"tool\.nox-pex"):
            validate({"tool": {"nox-pex": table}})
