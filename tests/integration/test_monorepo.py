"""Many projects in one repository: the example `examples/monorepo`, as a user would run it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.monorepo import SERVICES, rebuild_reasons, service_binary
from tests.support.nox_project import Project


def test_the_services_of_the_example_pass_smoke_and_verify(shop: Project) -> None:
    result = shop.nox("-s", "smoke(api)", "smoke(worker)", "verify(worker)")
    assert result.output.count("1 of 1 checks") == 4


def test_unchanged_services_are_not_rebuilt(shop: Project) -> None:
    assert rebuild_reasons(shop, "-s", "pex") == {}
    result = shop.nox("-s", "pex")
    assert all(result.said(f"pex: {name} unchanged") for name in SERVICES)


def test_a_change_in_the_shared_library_rebuilds_only_the_services_that_use_it(shop: Project, home: Path) -> None:
    shop.edit("libs/greetings/greetings/__init__.py", "Hello", "Good day")
    assert rebuild_reasons(shop, "-s", "pex") == {"api": "greetings changed", "worker": "greetings changed"}
    assert launch(service_binary(shop, "worker"), "Ada", home=home).output == "Good day, Ada!\n"
    assert rebuild_reasons(shop, "-s", "pex") == {}


def test_a_change_in_a_service_rebuilds_only_that_service(shop: Project, home: Path) -> None:
    shop.edit("services/clock/clock/__init__.py", "tick", "tock")
    assert rebuild_reasons(shop, "-s", "pex") == {"clock": "clock/__init__.py changed"}
    assert launch(service_binary(shop, "clock"), home=home).output == "tock\n"


def test_a_shared_setting_rebuilds_the_services_that_extend_it(shop: Project) -> None:
    shop.edit("nox-pex.toml", 'size = "5 MB"', 'size = "6 MB"')
    assert rebuild_reasons(shop, "-s", "pex") == {}
    shop.edit("nox-pex.toml", '[binary."*".smoke]', '[binary."*"]\ncompress = false\n\n[binary."*".smoke]')
    assert rebuild_reasons(shop, "-s", "pex") == {"api": "compress changed", "worker": "compress changed"}
    shop.edit("nox-pex.toml", "compress", "compres")
    line = shop.run("-s", "pex(api)").output
    assert f"error[config]: {shop.root}/nox-pex.toml:" in line
    assert re.search(r"nox-pex\.toml:[0-9]+: binary\.\"\*\"\.compres: unknown key; use compress", line)


@pytest.mark.parametrize("mode", [(), ("--parallel", "2")])
def test_a_broken_project_does_not_stop_the_others(shop: Project, mode: tuple[str, ...]) -> None:
    (shop.root / "services" / "api" / "poetry.lock").unlink()
    shop.edit("services/worker/worker/__init__.py", "Greet NAMES", "Greet all NAMES")
    result = shop.run(*mode, "-s", "pex")
    assert result.status == 1
    assert [line for line in result.output.splitlines() if "error[" in line and "error[no-lock]" not in line] == []
    assert result.said("pex: worker built")
    assert result.said("pex: clock unchanged")
    assert result.said("* pex(clock): success")
    assert result.said("* pex: aborted")


def test_sessions_in_parallel_rebuild_the_same_services(shop: Project) -> None:
    shop.edit("libs/greetings/greetings/__init__.py", "Hello", "Good day")
    assert rebuild_reasons(shop, "--parallel", "3", "-s", "pex").keys() == {"api", "worker"}


def listed(shop: Project) -> set[str]:
    """The names of the sessions that `nox --list` shows."""
    lines = [line[2:] for line in shop.nox("--list").output.splitlines() if line.startswith(("- ", "* "))]
    return {line.partition(" -> ")[0].partition(" [")[0] for line in lines}


def test_sessions_are_named_after_their_step_their_python_and_their_project(shop: Project) -> None:
    steps = ("install", "freeze", "pex", "smoke", "verify")
    assert listed(shop) >= {f"{step}({name})" for step in steps for name in SERVICES} | set(steps)
    shop.write_noxfile('"services/api", "libs/greetings", python=["3.11", "3.12"], only=["freeze"], prefix="x-"')
    projects = {f"x-{step}{suffix}" for step in ("install", "freeze") for suffix in ("", "(api)", "(greetings)")}
    pythons = {
        f"x-{step}-{python}({name})"
        for step in ("install", "freeze")
        for python in ("3.11", "3.12")
        for name in ("api", "greetings")
    }
    assert listed(shop) == projects | pythons


def test_projects_of_the_same_name_are_named_by_their_paths(shop: Project) -> None:
    shutil.copytree(shop.root / "services" / "clock", shop.root / "tools" / "clock")
    (shop.root / "tools" / "clock" / "clock" / "__init__.py").write_text("def main(): print('bong')\n", "utf-8")
    shop.write_noxfile('"services/*", "tools/*"')
    assert listed(shop) >= {"pex(services/clock)", "pex(tools/clock)", "pex(api)", "pex(worker)"}
    shop.nox("-s", "pex(tools/clock)", "pex(services/clock)")
    assert shop.nox("-s", "pex(services/clock)", "pex(tools/clock)").output.count("pex: clock unchanged") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [('"servises/*"', "servises/*"), ('"services/api", "services/worker", only=["bake"]', "'bake'")],
)
def test_register_refuses_a_pattern_without_a_project_and_an_unknown_step(
    shop: Project, arguments: str, said: str
) -> None:
    shop.write_noxfile(arguments)
    assert said in shop.refused("usage", "--list")


def test_a_missing_project_is_an_error_only_when_its_session_runs(shop: Project) -> None:
    shop.write_noxfile('"services/clock", "services/gone"')
    result = shop.run("-s", "pex")
    assert result.status == 1
    assert result.said("install(gone) aborted: error[config]: there is no pyproject.toml in", "services/gone")
    assert result.said("pex: clock unchanged")


@pytest.mark.parametrize(("environ", "status"), [({}, 0), ({"CI": "1"}, 1)])
def test_a_missing_python_does_not_stop_the_others(shop: Project, environ: dict[str, str], status: int) -> None:
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    shop.write_noxfile(f'"services/clock", "services/worker", python=["{minor}", "3.99"], only=["pex"]')
    result = shop.run("-s", "pex(clock)", env=environ)
    assert result.status == status
    assert result.said("pex: clock built", f"clock-py{minor}.pex")
    assert result.said("install-3.99(clock)", "3.99", "skipped" if status == 0 else "failed")
    assert "Traceback" not in result.output
