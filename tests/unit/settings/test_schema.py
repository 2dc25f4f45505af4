from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from validate_pyproject import api, error_reporting, plugins
from validate_pyproject.types import Schema

from nox_pex.errors import NoxPexError
from nox_pex.settings.attest import Attest
from nox_pex.settings.checks import Capture, CommandCheck, HttpCheck, TcpCheck, TextMatch
from nox_pex.settings.image import EngineArgs, Healthcheck, Image
from nox_pex.settings.model import Binary, Settings, Sources
from nox_pex.settings.parse import parse
from nox_pex.settings.sbom import Sbom
from nox_pex.settings.schema import tool_schema
from nox_pex.settings.smoke import Budget, Ready, Smoke

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
EVERY = (
    *(Binary, Sources, Smoke, Ready, HttpCheck, Capture, TextMatch, CommandCheck, TcpCheck, Budget),
    *(Image, Healthcheck, EngineArgs, Attest, Sbom),
)
TABLES = {table.__name__: table for table in EVERY}


def accepted(table: dict[str, Any]) -> bool:
    try:
        parse({"tool": {"nox-pex": table}}, file="pyproject.toml", project_name="a", scripts={"a": "a:b"})
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
    assert '"$defs"' not in json.dumps(schema)


def test_the_schema_has_exactly_the_keys_of_the_settings() -> None:
    schema = tool_schema("nox-pex")
    assert schema["properties"].keys() == {field.encode_name for field in msgspec.structs.fields(Settings)}
    assert schema["additionalProperties"] is False
    assert schema["definitions"].keys() == TABLES.keys()
    for name, table in TABLES.items():
        definition = schema["definitions"][name]
        assert definition["properties"].keys() == {field.encode_name for field in msgspec.structs.fields(table)}
        assert definition["additionalProperties"] is False


def test_validate_pyproject_accepts_the_schema() -> None:
    validate = api.Validator(extra_plugins=[plugins.PluginWrapper("nox-pex", lambda name: Schema(tool_schema(name)))])
    for table in GOOD:
        document = {"tool": {"nox-pex": table}}
        assert validate(document) == document
    for table in BAD:
        with pytest.raises(error_reporting.ValidationError, match=r"tool\.nox-pex"):
            validate({"tool": {"nox-pex": table}})
