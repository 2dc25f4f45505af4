"""The servers that people use, each in a project of its own that is installed, built and smoked for real."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.nox_project import Project

pytestmark = [pytest.mark.integration, pytest.mark.servers]

CONFINED = ("unprivileged", "read-only", "offline")
EVERY = ("cold", "warm", *CONFINED)


@pytest.fixture
def smoked(project: Callable[[str], Project]) -> Callable[..., dict[str, Any]]:
    """Run `nox -s smoke` in a fixture project, and give what it wrote of each of its binaries."""

    def smoke(name: str, **expected: tuple[str, ...]) -> dict[str, Any]:
        made = project(name)
        result = made.nox("-s", "smoke")
        found = {path.name.removesuffix(".smoke.json") for path in (made.root / "dist").glob("*.smoke.json")}
        assert found == set(expected), result.output
        reports = {binary: _report(made.root, binary) for binary in expected}
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


Smoked = Callable[..., dict[str, Any]]


def test_uvicorn(smoked: Smoked) -> None:
    reports = smoked("with_uvicorn", one=EVERY, several=("cold", "warm"))
    one, several = (reports[name]["conditions"][1]["memory"] for name in ("one", "several"))
    assert several > 2 * one, "three workers are in the same tree"


def test_gunicorn_with_uvicorn_workers(smoked: Smoked) -> None:
    smoked("with_gunicorn", **{"service": ("cold", "warm", "read-only"), "on-a-socket": ("cold",)})


def test_hypercorn(smoked: Smoked) -> None:
    smoked("with_hypercorn", service=("cold", "warm"))


def test_flask_with_waitress(smoked: Smoked) -> None:
    smoked("with_flask", service=("cold", "warm"))


def test_django_with_static_files(smoked: Smoked) -> None:
    smoked("with_django", site=("cold", "warm"))


def test_aiohttp(smoked: Smoked) -> None:
    smoked("with_aiohttp", service=("cold", "warm"))


def test_twisted(smoked: Smoked) -> None:
    smoked("with_twisted", service=("cold", "warm"))


def test_grpc(smoked: Smoked) -> None:
    smoked("with_grpc", service=("cold", "warm", "offline"))


def test_a_command_line_program(smoked: Smoked) -> None:
    reports = smoked("with_typer", greet=EVERY)
    assert all(each["stop"] is None for each in reports["greet"]["conditions"])


def test_a_server_with_commands_and_a_database(smoked: Smoked) -> None:
    smoked("with_commands", notes=EVERY)
