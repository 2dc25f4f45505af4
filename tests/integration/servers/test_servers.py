"""Servers that people use: each in a separate project that is installed, built and smoke-tested."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.nox_project import Project

pytestmark = pytest.mark.servers

Smoke = Callable[..., dict[str, Any]]

CONFINED = ("unprivileged", "read-only", "offline")
ALL_CONDITIONS = ("cold", "warm", *CONFINED)


@pytest.fixture
def smoke(project: Callable[[str], Project]) -> Smoke:
    """Copy a fixture project, and return the reports of its `smoke_test`."""

    def smoke(name: str, **expected: tuple[str, ...]) -> dict[str, Any]:
        return smoke_test(project(name), **expected)

    return smoke


def smoke_test(server: Project, **expected: tuple[str, ...]) -> dict[str, Any]:
    """Run `nox -s smoke` in a project. Its binaries must pass the expected conditions. Return their reports."""
    result = server.nox("-s", "smoke")
    found = {path.name.removesuffix(".smoke.json") for path in (server.root / "dist").glob("*.smoke.json")}
    assert found == set(expected), result.output
    reports = {binary: _report(server.root, binary) for binary in expected}
    for binary, conditions in expected.items():
        report = reports[binary]
        assert report["passed"], result.output
        assert tuple(each["condition"] for each in report["conditions"]) == conditions
        for each in report["conditions"]:
            if sys.platform == "linux" or each["condition"] not in CONFINED:
                assert each["state"] == "passed", each
                assert each["passed"] == each["checks"], each
                assert each["memory"] > 5_000_000, each
            if sys.platform == "linux":
                _check_phases(each)
    return reports


def _check_phases(boot: dict[str, Any]) -> None:
    """Check that the boot of a PEX was seen from its launch to its end, in one piece."""
    phases = {each["name"]: each for each in boot["phases"]}
    starts = ("launch",) if boot["condition"] == "warm" else ("launch", "unpack", "venv")
    assert tuple(phases)[: len(starts)] == starts, boot
    assert tuple(phases)[-1] == ("checks" if boot["stop"] is None else "stop"), boot
    end = 0.0
    for each in boot["phases"]:
        assert each["start"] == pytest.approx(end, abs=0.002), boot
        end = each["start"] + each["seconds"]


def _report(root: Path, binary: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((root / "dist" / f"{binary}.smoke.json").read_text("utf-8"))
    return report


def test_uvicorn_and_granian_pass_with_workers_and_endless_answers_but_not_if_they_speak_only_http_2(
    project: Callable[[str], Project],
) -> None:
    server = project("with_uvicorn")
    reports = smoke_test(server, one=ALL_CONDITIONS, several=("cold", "warm"), events=("cold",), granian=("cold",))
    one, several = (reports[name]["conditions"][1]["memory"] for name in ("one", "several"))
    assert several > 2 * one, "the memory of the three workers counts"

    server.edit("pyproject.toml", '"--http", "auto"', '"--http", "2"')
    result = server.run("-s", "smoke", "--", "granian")
    assert result.status == 1
    assert result.said("error[check-failed]: cold: ", "speaks only HTTP/2"), result.output
    assert not result.said("starting granian"), "the verdict does not wait for `startup-timeout`"


def test_gunicorn_passes_on_a_port_and_as_another_user_on_a_socket_that_gets_its_name_late(smoke: Smoke) -> None:
    smoke("with_gunicorn", **{"service": ("cold", "warm", "read-only"), "on-a-socket": ("cold", "unprivileged")})


def test_hypercorn_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_hypercorn", service=("cold", "warm"))


def test_flask_with_static_files_and_migrations_by_alembic_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_flask", service=("cold", "warm"))


def test_django_with_static_files_and_a_login_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_django", site=("cold", "warm"))


def test_a_celery_worker_does_a_job_and_a_scheduler_without_any_check_is_watched(smoke: Smoke) -> None:
    reports = smoke("with_celery", worker=("cold", "unprivileged"), scheduler=("cold", "warm"))
    assert all(each["checks"] == 1 for each in reports["worker"]["conditions"])
    assert all(each["stop"]["signal"] == "TERM" for each in reports["scheduler"]["conditions"]), reports


def test_the_first_command_of_a_large_program_may_take_as_long_as_it_unpacks(smoke: Smoke) -> None:
    smoke("with_pandas", report=("cold", "warm"))


def test_aiohttp_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_aiohttp", service=("cold", "warm"))


def test_twisted_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_twisted", service=("cold", "warm"))


def test_grpc_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_grpc", service=("cold", "warm", "offline"))


def test_a_command_line_program_passes_all_conditions_and_is_not_stopped(smoke: Smoke) -> None:
    reports = smoke("with_typer", greet=ALL_CONDITIONS)
    assert all(each["stop"] is None for each in reports["greet"]["conditions"])


def test_a_server_with_commands_and_a_database_passes_all_conditions(smoke: Smoke) -> None:
    smoke("with_commands", notes=ALL_CONDITIONS)
