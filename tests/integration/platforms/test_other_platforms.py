"""Binaries for another Python, another C library and another architecture, and one file for several targets."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from tests.support.binaries import launch, members, pex_info
from tests.support.interpreters import pythons
from tests.support.nox_project import Project
from tests.support.target_platforms import OTHER, THIS, OnlyPython, describe, on_aarch64, on_musl, set_platforms

pytestmark = pytest.mark.skipif(OTHER is None, reason="needs another Python, from pyenv or on PATH")

Make = Callable[[str], Project]
THERE = OTHER or ""


def wheels(project: Project, name: str) -> list[str]:
    """The wheels of one distribution in the binary."""
    found: Mapping[str, str] = pex_info(project.binary("abroad"))["distributions"]
    return sorted(wheel for wheel in found if wheel.lower().startswith(f"{name}-"))


def test_a_binary_for_another_python_is_built_checked_and_run_without_an_install(
    project: Make, only_python: OnlyPython, home: Path
) -> None:
    abroad = project("abroad")
    set_platforms(abroad, {"there": describe(THERE)})
    abroad.edit("pyproject.toml", "3\\\\.12", THERE.replace(".", "\\\\."))
    path = {"PATH": f"{abroad.environ['PATH']}:{pythons()[THERE].parent}"}
    first = abroad.nox("-s", "smoke", "verify", env=path)
    assert first.said("install: 2 wheels for platforms/there.json")
    assert first.said("warm", "1 of 1"), first.output  # smoke found that Python and checked the answer on it
    assert first.said("reproducible", "passed")
    assert not abroad.environment().exists()
    assert launch(abroad.binary("abroad"), home=home, env=only_python(THERE)).output == (
        f"&lt;{THERE} on x86_64&gt; tabulate 0.9.0\n"
    )
    assert pex_info(abroad.binary("abroad"))["interpreter_constraints"] == [f"CPython=={THERE}.*"]
    record = abroad.record("abroad")
    assert record["python"].startswith(f"CPython {THERE}.")
    assert [tag.split("-")[0] for tag in record["platform"]] == [f"cp{THERE.replace('.', '')}"]
    assert str(abroad.root).encode() not in abroad.binary("abroad").read_bytes()

    again = abroad.nox("-s", "pex")
    assert again.said("install: unchanged, 2 wheels")
    assert again.said("abroad unchanged")
    # The description that pex prints has more keys and another layout. Only the tags and markers count.
    file = abroad.root / "platforms" / "there.json"
    file.write_text(json.dumps({"path": "/usr/bin/python", **json.loads(file.read_text("utf-8"))}, indent=4), "utf-8")
    assert abroad.nox("-s", "pex").said("abroad unchanged")
    value = json.loads(file.read_text("utf-8"))
    value["compatible_tags"] = [tag for tag in value["compatible_tags"] if "manylinux_2_36" not in tag]
    file.write_text(json.dumps(value), "utf-8")
    assert abroad.nox("-s", "pex").said("rebuilding abroad", "platforms/there.json changed")
    abroad.append("where.py", "\n")
    assert abroad.nox("-s", "pex").said("rebuilding abroad", "where.py changed")


def test_one_binary_for_several_platforms_runs_on_each(project: Make, only_python: OnlyPython, home: Path) -> None:
    old = "3.9"
    runnable = [minor for minor in dict.fromkeys([THERE, THIS, old]) if minor in pythons()]
    abroad = project("abroad")
    there = describe(THERE)
    each = {f"py{minor}": describe(minor) for minor in runnable}
    set_platforms(abroad, {**each, "arm": on_aarch64(there), "musl": on_musl(there)})
    result = abroad.nox("-s", "verify")
    assert result.said("closure", "passed", f"for {len(runnable) + 2} targets"), result.output
    assert result.said("integrity", "passed")
    assert len(wheels(abroad, "markupsafe")) == len(runnable) + 2
    assert [name for name in wheels(abroad, "markupsafe") if "aarch64" in name]
    assert [name for name in wheels(abroad, "markupsafe") if "musllinux_1_2_x86_64" in name]
    assert len(wheels(abroad, "tabulate")) == (2 if old in runnable else 1)
    for minor in runnable:
        shown = {"3.9": "tabulate 0.8.10 zipp 3.23.0", "3.10": "tabulate 0.9.0 zipp 3.23.0"}
        shown["3.11"] = shown["3.10"]
        (separate_home := home / minor).mkdir()
        output = launch(abroad.binary("abroad"), home=separate_home, env=only_python(minor)).output
        assert output == f"&lt;{minor} on x86_64&gt; {shown.get(minor, 'tabulate 0.9.0')}\n"
    frozen = (abroad.root / "dist" / "abroad.requirements.txt").read_text("utf-8")
    if old in runnable:
        assert 'tabulate==0.8.10 ; python_version == "3.9" \\\n' in frozen
    assert "markupsafe==3.0.2 \\\n" in frozen
    document = tomllib.loads((abroad.root / "dist" / "pylock.abroad.toml").read_text("utf-8"))
    standard = Pylock.from_dict(document)
    assert len(standard.environments or ()) == len(runnable) + 1  # those of the two libcs are the same
    markers = {str(package.marker) for package in standard.packages if package.name == "tabulate"}
    assert ('python_version == "3.9"' in markers) == (old in runnable)


@pytest.mark.long
def test_a_binary_that_cannot_run_here_is_built_and_verified_and_its_smoke_test_says_why_it_is_skipped(
    project: Make,
) -> None:
    abroad = project("abroad")
    set_platforms(abroad, {"arm": on_aarch64(describe(THERE))})
    abroad.add_setting("\n[tool.nox-pex.binary.abroad.budget]\nsize = '20 MB'")
    for line in ("layout = 'loose'", "pre-install-wheels = false"):
        abroad.edit("pyproject.toml", "entry-point", f"{line}\nentry-point")
    result = abroad.nox("-s", "smoke", "verify")
    assert result.said("cold", "skipped  it is for cp", "aarch64, and this machine has no such Python"), result.output
    for gate in ("closure", "integrity", "leaks", "reproducible", "budget"):
        assert result.said(gate, "passed"), result.output
    assert [name for name in members(abroad.binary("abroad")) if "aarch64.whl" in name]
    assert not [name for name in members(abroad.binary("abroad")) if "x86_64.whl" in name]
    abroad.edit(
        "pyproject.toml", "[[tool.nox-pex", '[tool.nox-pex.binary.abroad.smoke]\nskips = "fail"\n\n[[tool.nox-pex'
    )
    failed = abroad.run("-s", "smoke")
    assert failed.status != 0
    assert failed.said("error[check-failed]", "skipped", "aarch64"), failed.output

    set_platforms(abroad, {"alpine": on_musl(describe(THERE))})
    result = abroad.nox("-s", "verify", "--", "--deep")
    assert result.said("closure", "passed"), result.output
    assert result.said("install: Poetry", "fetches 2 files for platforms/alpine.json")
    assert all(name.endswith(("musllinux_1_2_x86_64.whl", "none-any.whl")) for name in wheels(abroad, "markupsafe"))


@pytest.mark.long
def test_a_packaged_project_for_another_python_ships_its_pure_wheel(
    project: Make, only_python: OnlyPython, home: Path
) -> None:
    packaged = project("packaged")
    packaged.append("pyproject.toml", '\n[tool.nox-pex.binary.greet]\nscript = "greet"\ncomplete-platforms = []\n')
    set_platforms(packaged, {"there": describe(THERE)})
    assert packaged.nox("-s", "pex", "verify").said("closure", "passed")
    path = only_python(THERE)
    assert "xn--bcher-kva" in launch(packaged.binary("greet"), home=home, env=path).output
    packaged.edit("src/greeting/__init__.py", "print(words", 'print("edited", words')
    assert packaged.nox("-s", "pex", "verify").said("reproducible", "passed")
    assert launch(packaged.binary("greet"), home=home, env=path).output.startswith("edited")
