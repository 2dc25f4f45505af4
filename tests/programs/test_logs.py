"""The log of a program, and the part of it that is shown."""

from __future__ import annotations

import resource
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.system.outside_text import log_line
from nox_pex.system.secrets import Secrets
from tests.support.smoke_test import SmokeTest

TOKEN = "s3cr3t-t0ken-of-the-service"


def test_50_megabytes_without_a_newline_are_searched_in_little_memory(smoke_test: SmokeTest) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    settings = {"log-require": ["0{100}"], "log-forbid": ["1"]}
    tested = smoke_test("logs", "megabytes-without-a-newline", "{port}", **settings)
    assert tested.code is None, tested.problem
    tested = smoke_test("logs", "megabytes-without-a-newline", "{port}", "exit")
    assert tested.code == "exited-early"
    assert len(tested.log) < 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


@pytest.mark.parametrize(
    ("mode", "shown"),
    [("no-utf-8", r"\xff\xfe na\xefve"), ("escapes", r"\x1b[31mred\x1b[0m alert\x1b]0;title\x07")],
)
def test_a_log_that_is_not_plain_text_is_shown(mode: str, shown: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test("logs", mode, "{port}", "exit")
    assert tested.code == "exited-early"
    assert shown in map(log_line, tested.log.split("\n"))


def test_a_forbidden_line_fails_despite_good_answers(smoke_test: SmokeTest) -> None:
    assert smoke_test("logs", "a-traceback", "{port}").code is None
    tested = smoke_test("logs", "a-traceback", "{port}", log_forbid=["Traceback"])
    assert tested.code == "log-forbidden"
    assert "Traceback (most recent call last)" in tested.problem


def test_a_required_line_must_be_in_the_log(smoke_test: SmokeTest) -> None:
    assert smoke_test("logs", "escapes", "{port}", log_require=["^red alert"]).code is None
    tested = smoke_test("logs", "escapes", "{port}", log_require=["^red alert", "green"])
    assert tested.code == "log-missing"
    assert "'green'" in tested.problem


@pytest.mark.parametrize("settings", [{"log_require": ["ready"]}, {"ready": {"log": "ready"}, "startup_timeout": 1.0}])
def test_a_line_that_python_has_not_written_yet_is_explained(
    settings: dict[str, Any], smoke_test: SmokeTest, binary: Callable[[str], Path]
) -> None:
    program = binary("logs")
    with zipfile.ZipFile(program, "a") as archive:
        archive.writestr("PEX-INFO", "{}")
    tested = smoke_test(program, "a-line-in-the-buffer", "{port}", **settings)
    assert tested.code == ("log-missing" if "log_require" in settings else "startup-timeout")
    assert tested.report.failure is not None
    assert tested.report.failure.remedy.startswith(
        'if the program printed it, Python has it in a buffer: set PYTHONUNBUFFERED = "1" in `env`; or see its log'
    )


def test_a_secret_is_masked_everywhere(smoke_test: SmokeTest) -> None:
    environ = {"SERVICE_TOKEN": TOKEN, "PATH": "/usr/bin:/bin"}
    tested = smoke_test(
        "logs", "a-secret", "{port}", pass_env=["SERVICE_TOKEN"], environ=environ, secrets=Secrets.of(environ),
        log_forbid=["connecting"],
    )  # fmt: skip
    assert tested.code == "log-forbidden"
    assert "connecting with ****" in tested.log
    assert TOKEN not in repr(tested)


def test_a_secret_that_the_limit_cuts_in_two_is_masked(smoke_test: SmokeTest) -> None:
    tested = smoke_test("logs", "a-secret-at-the-edge", "{port}", "exit", env={"SERVICE_TOKEN": TOKEN})
    assert tested.code == "exited-early"
    assert TOKEN[-12:-1] not in tested.log


def test_a_secret_in_the_settings_is_masked(smoke_test: SmokeTest) -> None:
    tested = smoke_test("logs", "a-secret", "{port}", env={"SERVICE_TOKEN": TOKEN}, log_forbid=["connecting"])
    assert "connecting with ****" in tested.log
    assert TOKEN not in repr(tested)
