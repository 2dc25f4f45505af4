from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.evidence import attestations, proof, test_result
from nox_pex.evidence.attestations import Subject
from nox_pex.evidence.results import SmokeResult
from nox_pex.pex import circumstances
from nox_pex.pex.target import Target
from nox_pex.smoke.report import BootResult
from nox_pex.system.secrets import Secrets
from tests.support import in_toto
from tests.support.results import SHA256, TIME, boot, write_smoke
from tests.unit.evidence.conftest import MakeTarget


def predicate(target: Target, *boots: BootResult, secrets: Secrets | None = None, **fields: Any) -> dict[str, Any]:
    write_smoke(target, *boots, **fields)
    result, _ = proof.read(target, "smoke", SmokeResult)
    assert isinstance(result, SmokeResult)
    under = circumstances.of_smoke(target)
    found = test_result.predicate(result, under, secrets=secrets or Secrets())
    subjects = [Subject(name="service.pex", sha256=SHA256)]
    read = in_toto.read("smoke", attestations.json_text(attestations.statement("smoke", found, subjects)))
    assert read.result == found["result"]
    return found


def test_names_are_the_condition_and_the_check(make_target: MakeTarget) -> None:
    found = predicate(make_target(), boot("cold", "GET /", "app --version"), boot("warm", "GET /"))
    assert found["result"] == "PASSED"
    assert found["passedTests"] == ["cold/boot", "cold/GET /", "cold/app --version", "warm/boot", "warm/GET /"]
    assert (found["warnedTests"], found["failedTests"]) == ([], [])


def test_tests_with_one_name_are_told_apart(make_target: MakeTarget) -> None:
    found = predicate(make_target(), boot("cold", "GET /", "GET / (2)", "GET /", "GET /", "boot"))
    names = found["passedTests"]
    assert names == ["cold/boot", "cold/GET /", "cold/GET / (2)", "cold/GET / (3)", "cold/GET / (4)", "cold/boot (2)"]
    assert len(set(names)) == len(names)


def test_a_skipped_condition_is_a_warning(make_target: MakeTarget) -> None:
    found = predicate(make_target(), boot("cold", "GET /"), boot("offline", state="skipped"))
    assert (found["result"], found["warnedTests"]) == ("WARNED", ["offline/boot"])
    assert found["passedTests"] == ["cold/boot", "cold/GET /"]


def test_a_failed_check_or_boot_is_a_failed_test(make_target: MakeTarget) -> None:
    failure = NoxPexError("check-failed", "a", "b")
    boots = (boot("cold", "A", "B", state="failed", wrong="B"), boot("warm", state="failed"))
    found = predicate(make_target(), *boots, failure=failure)
    assert (found["result"], found["failedTests"]) == ("FAILED", ["cold/B", "warm/boot"])
    assert found["passedTests"] == ["cold/boot", "cold/A"]
    over = predicate(make_target(), boot("cold", "A"), failure=NoxPexError("budget", "a", "b"))
    assert (over["result"], over["failedTests"]) == ("FAILED", ["smoke/budget"])


def test_names_from_outside_are_one_line(make_target: MakeTarget) -> None:
    found = predicate(make_target(), boot("cold", "GET /\x1b[31m\n\ud800"))
    assert found["passedTests"][1] == r"cold/GET /\x1b[31m\n\ud800"


def test_the_configuration_is_the_settings_with_their_digest_and_the_time(make_target: MakeTarget) -> None:
    target = make_target(smoke={"soak": 1.5, "conditions": ["cold"]}, budget={"size": "60 MB"})
    (found,) = predicate(target, overrides={"port": 8000})["configuration"]
    content = base64.b64decode(found["content"])
    assert found["digest"] == {"sha256": hashlib.sha256(content).hexdigest()}
    assert json.loads(content)["smoke"]["soak"] == 1.5
    assert json.loads(content)["budget"]["size"] == "60 MB"
    assert (found["name"], found["mediaType"]) == ("tool.nox-pex.binary.service.smoke", "application/json")
    assert (found["annotations"]["finishedOn"], found["annotations"]["overrides"]) == (TIME, {"port": 8000})
    assert found["annotations"]["tools"].keys() == {"nox-pex", "poetry", "pex"}


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "smoke",
    [
        {"env": {"API_TOKEN": SECRET, "LOG_LEVEL": "info"}},
        {"env": {"DATABASE_URL": f"postgres://me:{SECRET}@db/shop"}},
        {"command": [{"args": ["x"], "env": {"DB_PASSWORD": SECRET}}]},
        {"http": [{"path": "/", "request-headers": {"Authorization": f"Bearer {SECRET}"}}]},
        {"http": [{"path": "/", "request-json": {"user": "me", "deep": [{"password": SECRET}]}}]},
        {"http": [{"path": "/", "headers": {"X-Api-Key": SECRET}}]},
        {"http": [{"path": "/", "request-body": f"Authorization: Bearer {SECRET}"}]},
        {"ready": {"path": "/", "request-headers": {"Cookie": f"session={SECRET}"}}},
        {"before": [["psql", f"postgres://me:{SECRET}@db/shop"]]},
    ],
    ids=str,
)
def test_a_secret_is_masked_and_the_rest_is_there(make_target: MakeTarget, smoke: dict[str, Any]) -> None:
    (found,) = predicate(make_target(smoke=smoke))["configuration"]
    text = base64.b64decode(found["content"]).decode()
    assert SECRET not in text
    assert '"startup-timeout":30.0' in text
    assert ("info" in text) is ("LOG_LEVEL" in text)


def test_settings_with_a_known_secret_elsewhere_are_left_out(make_target: MakeTarget) -> None:
    target = make_target(smoke={"args": ["--given", SECRET]})
    (found,) = predicate(target, secrets=Secrets.from_values([SECRET]))["configuration"]
    assert "content" not in found
    assert SECRET not in json.dumps(found)
    assert found["digest"]["sha256"]


def test_variables_that_are_let_through_are_names_only(
    make_target: MakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://{SECRET}")
    (found,) = predicate(make_target(smoke={"pass-env": ["DATABASE_URL"]}))["configuration"]
    content = base64.b64decode(found["content"])
    assert json.loads(content)["smoke"]["pass-env"] == ["DATABASE_URL"]
    assert SECRET.encode() not in content


def test_large_settings_are_a_digest_only(make_target: MakeTarget) -> None:
    (found,) = predicate(make_target(smoke={"args": ["x" * 70_000]}))["configuration"]
    assert "content" not in found
