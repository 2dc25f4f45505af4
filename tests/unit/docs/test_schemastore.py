from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from nox_pex.settings.parse import read
from reference import schema, schemastore

FILES = schemastore.files()
TESTS = [name for name in FILES if name.endswith(".toml")]


def schemas_in(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from schemas_in(inner)


@pytest.mark.parametrize("name", TESTS)
def test_a_file_fits_the_schema_and_the_parser_if_its_directory_says_so(name: str) -> None:
    document = tomllib.loads(FILES[name])
    good = name.startswith("src/test/pyproject/nox-pex")
    assert good or name.startswith("src/negative_test/pyproject/nox-pex-")

    assert jsonschema.Draft7Validator(schemastore.partial()).is_valid(document["tool"]["nox-pex"]) is good
    assert FILES[name].startswith("#:schema ../../schemas/json/pyproject.json\n[project]")
    if "extends" not in name:
        assert (not read(document, file="pyproject.toml", project_name="service", scripts={}).problems) is good


def test_there_are_files_of_both_kinds() -> None:
    assert {name.split("/")[1] for name in TESTS} == {"test", "negative_test"}


def test_the_partial_schema_is_that_of_the_package_without_lists_of_types() -> None:
    partial, own = schemastore.partial(), schema.settings()

    assert partial["$id"] == "https://json.schemastore.org/partial-nox-pex.json"
    jsonschema.Draft7Validator.check_schema(partial)
    lists = [part for part in schemas_in(own) if isinstance(part.get("type"), list)]
    assert lists
    assert not [part for part in schemas_in(partial) if isinstance(part.get("type"), list)]
    assert sum(isinstance(part.get("anyOf"), list) for part in schemas_in(partial)) == len(lists)


def test_an_alternative_keeps_the_keywords_of_its_type() -> None:
    http = schemastore.partial()["properties"]["binary"]["additionalProperties"]["properties"]["smoke"]["properties"]
    status = http["http"]["items"]["properties"]["status"]

    assert status["anyOf"][2] == {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}
    assert status["default"] == "2xx"
