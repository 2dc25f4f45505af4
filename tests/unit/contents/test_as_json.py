from __future__ import annotations

import json

from nox_pex.contents.as_json import SCHEMA, as_json
from tests.unit.contents.conftest import OLD, Differ


def test_the_form_is_the_documented_one(differ: Differ) -> None:
    difference = differ()
    value = json.loads(json.dumps(as_json(difference, name="shop", max_growth=None)))

    assert list(value) == [
        *("schema", "name", "baseline", "compared-by", "same", "growth", "max-growth", "passed", "old", "new"),
        *("distributions", "own", "runtime", "settings", "boots"),
    ]
    assert (value["schema"], value["name"], value["baseline"], value["compared-by"]) == (
        SCHEMA,
        "shop",
        "file",
        "sha256",
    )
    assert value["growth"] == value["new"]["size"] - value["old"]["size"] == difference.size.growth
    assert {key: [each["name"] for each in found] for key, found in value["distributions"].items()} == {
        "added": ["redis"],
        "removed": ["kombu"],
        "changed": ["celery"],
    }
    (celery,) = value["distributions"]["changed"]
    assert (celery["from"], celery["to"], celery["file-count"], len(celery["files"])) == ("5.4.0", "5.5.0", 3, 3)
    (redis,) = value["distributions"]["added"]
    assert (redis["from"], redis["to"], redis["files"]) == (None, "6.0", [])
    assert [each["path"] for each in value["own"]] == ["gone.py", "main.py", "shop/new.py"]
    assert value["own"][1]["size"] == {"old": 9, "new": 10}
    assert value["settings"] == [{"key": "inject_env", "old": "{}", "new": '{"MODE": "fast"}'}]


def test_a_limit_is_passed_up_to_its_last_byte(differ: Differ) -> None:
    difference = differ()
    growth = difference.size.growth
    for limit, passed in ((None, True), (growth, True), (growth - 1, False)):
        assert as_json(difference, name="shop", max_growth=limit)["passed"] is passed


def test_the_same_bytes(differ: Differ) -> None:
    value = as_json(differ(OLD, OLD), name="shop", max_growth=0)
    assert (value["same"], value["growth"], value["passed"], value["own"]) == (True, 0, True, [])
