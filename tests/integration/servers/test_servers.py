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
    """Run `nox -s smoke` in a fixture project. Its binaries must pass the expected conditions. Return their reports."""

    def smoke(name: str, **expected: tuple[str, ...]) -> dict[str, Any]:
        server = project(name)
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
                    assert each["passed"] == each["checks"] > 0, each
                    assert each["memory"] > 5_000_000, each
        return reports

    return smoke


def _report(root: Path, binary: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((root / "dist" / f"{binary}.smoke.json").read_text("utf-8"))
    return report


def test_uvicorn_passes_all_conditions_and_its_workers_count_as_its_memory(smoke: Smoke) -> None:
    reports = smoke("with_uvicorn", one=ALL_CONDITIONS, several=("cold", "warm"))
    one, several = (reports[name]["conditions"][1]["memory"] for name in ("one", "several"))
    assert several > 2 * one, "the memory of the three workers counts"


def test_gunicorn_with_uvicorn_workers_passes_on_a_port_and_on_a_socket(smoke: Smoke) -> None:
    smoke("with_gunicorn", **{"service": ("cold", "warm", "read-only"), "on-a-socket": ("cold",)})


def test_hypercorn_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_hypercorn", service=("cold", "warm"))


def test_flask_with_waitress_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_flask", service=("cold", "warm"))


def test_django_with_static_files_passes_its_smoke_test(smoke: Smoke) -> None:
    smoke("with_django", site=("cold", "warm"))


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
