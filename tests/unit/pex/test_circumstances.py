"""The settings and versions under which a result was obtained."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.pex import circumstances
from nox_pex.pex.target import Target
from nox_pex.system import recipe
from tests.unit.evidence.conftest import MakeTarget
from tests.unit.evidence.conftest import make_target as make_target  # noqa: PLC0414  # a fixture

HTTP = {"path": "/", "json-schema": "schema.json", "ca-file": "ca.pem"}


def changed(then: Target, now: Target) -> set[str]:
    """The results that `now` is no longer proven by."""
    of = {
        "smoke": circumstances.of_smoke,
        "verify": circumstances.of_verify,
        "image": circumstances.of_image,
    }
    return {step for step, under in of.items() if under(then) != under(now)}


@pytest.mark.parametrize(
    ("table", "steps"),
    [
        ({"smoke": {"soak": 1.0}}, "smoke image"),
        ({"smoke": {"env": {"LOG_LEVEL": "debug"}}}, "smoke image"),
        ({"smoke": {"http": [{"path": "/", "status": 204}]}}, "smoke image"),
        ({"budget": {"size": "60 MB"}}, "smoke verify"),
        ({"budget": {"cold-boot": 1}}, "smoke verify"),
        ({"inject-args": ["-v"]}, "smoke verify image"),
        ({"exclude": ["idna"]}, "verify"),
        ({"sh-boot": False}, "verify"),
        ({"image": {"base": "b"}}, "image"),
        ({"settings": {"groups": ["main", "server"]}}, "verify"),
        ({"settings": {"secrets": ["LICENCE"]}}, "verify"),
        ({"settings": {"attest": {"builder-id": "https://h/b"}}}, ""),
        ({"settings": {"pex-version": "2.100.0"}}, "smoke verify image"),
        ({"settings": {"poetry-version": "2.4.0"}}, "smoke verify image"),
    ],
    ids=str,
)
def test_a_setting_counts_for_the_results_that_depend_on_it(
    make_target: MakeTarget, table: dict[str, Any], steps: str
) -> None:
    assert changed(make_target(), make_target(**table)) == set(steps.split())


def test_the_names_of_an_image_do_not_count(make_target: MakeTarget) -> None:
    then, now = (make_target(image={"base": "b", "tag": [f"r.example/a:{tag}"]}) for tag in (1, 2))
    assert changed(then, now) == set()
    assert changed(then, make_target(image={"base": "b", "user": 1000})) == {"image"}


def test_secrets_of_an_image_are_in_no_digest(make_target: MakeTarget) -> None:
    first, second = (
        make_target(image={"base": "b", "env": {"API_TOKEN": value}, "labels": {"DB_PASSWORD": value}})
        for value in ("hunter22", "correct-horse")
    )
    assert circumstances.of_image(first) == circumstances.of_image(second)
    assert "hunter22" not in circumstances.of_image(first).settings_text


def test_another_lock_counts_for_verify(make_target: MakeTarget, tmp_path: Path) -> None:
    before = circumstances.of_verify(make_target())
    (tmp_path / "poetry.lock").write_text("x", "utf-8")
    assert circumstances.of_verify(make_target()) != before


@pytest.mark.parametrize("file", ["schema.json", "ca.pem"])
def test_a_file_of_a_check_counts_by_its_content(make_target: MakeTarget, tmp_path: Path, file: str) -> None:
    target = make_target(smoke={"http": [HTTP]})
    (tmp_path / file).write_text("1", "utf-8")
    before = circumstances.of_smoke(target)
    (tmp_path / file).write_text("2", "utf-8")
    assert circumstances.of_smoke(target) != before


def test_another_nox_pex_counts(make_target: MakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    target = make_target()
    before = circumstances.of_smoke(target)
    monkeypatch.setattr(recipe, "digest", lambda: "another")
    assert circumstances.of_smoke(target).tools == {**before.tools, "nox-pex": "another"}


def test_the_digest_is_that_of_the_text_and_the_same_everywhere(make_target: MakeTarget) -> None:
    smoke = {"http": [{"path": "/", "json": {"b": dt.date(2026, 1, 2), "a": float("inf")}}]}
    found = circumstances.of_smoke(make_target(smoke=smoke))
    assert found.settings == hashlib.sha256(found.settings_text.encode()).hexdigest()
    (check,) = json.loads(found.settings_text, parse_constant=pytest.fail)["smoke"]["http"]
    assert check["json"] == {"a": "inf", "b": "2026-01-02"}
    elsewhere = replace(make_target(smoke=smoke), state=Path("/other"), suffix="-py3.12")
    assert circumstances.of_smoke(elsewhere) == found


def test_a_secret_is_no_part_of_the_digest(make_target: MakeTarget) -> None:
    one, other = (make_target(smoke={"env": {"API_TOKEN": value}}) for value in ("hunter22", "hunter23"))
    assert circumstances.of_smoke(one) == circumstances.of_smoke(other)
    assert circumstances.of_smoke(one) != circumstances.of_smoke(make_target())


def test_a_variable_that_the_settings_list_is_a_secret(make_target: MakeTarget) -> None:
    found = circumstances.of_smoke(
        make_target(settings={"secrets": ["LICENCE"]}, smoke={"env": {"LICENCE": "hunter22"}})
    )
    assert "hunter22" not in found.settings_text


def test_the_time_is_in_utc_and_in_whole_seconds(make_target: MakeTarget) -> None:
    time = dt.datetime(2026, 1, 1, 0, 30, 1, 5, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    found = circumstances.of_smoke(make_target()).as_json(finished=time)
    assert found.keys() == {"settings", "tools", "finished"}
    assert found["finished"] == "2025-12-31T22:30:01Z"
