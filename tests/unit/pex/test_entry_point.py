from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.pex.entry_point import check_entry
from nox_pex.pex.inputs import ProjectFiles
from nox_pex.pex.target import Target
from tests.support.fake_environment import FakeEnvironment
from tests.support.small_pex import write_wheel
from tests.unit.pex.conftest import MakeTarget

LOOSE = ProjectFiles(
    digests={}, placed=dict.fromkeys(["main.py", "wares/__init__.py", "wares/shelf.py", "tool/__main__.py"], "")
)
NOTHING = ProjectFiles(digests={})


@pytest.fixture
def environment(environment: FakeEnvironment) -> FakeEnvironment:
    """An environment with a script, a package with a program, and one without."""
    entry_points = "[console_scripts]\nserve = server:main\n[gui_scripts]\nshow = server:show\n"
    environment.add(
        "server",
        {"server/__init__.py": "", "server/__main__.py": "", "server-1.0.dist-info/entry_points.txt": entry_points},
    )
    return environment


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The wheel of a packaged project."""
    files = {"shop/__init__.py": b"", "shop/__main__.py": b""}
    script = {"shop-1.0.dist-info/entry_points.txt": b"[console_scripts]\nshop = shop:main\n"}
    return write_wheel(tmp_path / "shop-1.0-py3-none-any.whl", {**files, **script})


def error(target: Target, environment: FakeEnvironment, files: ProjectFiles, wheel: Path | None) -> NoxPexError:
    with pytest.raises(NoxPexError) as caught:
        check_entry(target, environment.installed(), files, wheel)
    assert caught.value.code == "entry-missing"
    return caught.value


@pytest.mark.parametrize(
    "table",
    [
        {"script": "serve"},
        {"entry_point": "main:app"},
        {"entry_point": "main"},
        {"entry_point": "wares:app"},
        {"entry_point": "wares.shelf"},
        {"entry_point": "tool"},
        {"entry_point": "idna.core"},
        {"entry_point": "idna:encode"},
        {"entry_point": "server"},
        {"executable": "run.sh"},
    ],
    ids=str,
)
def test_an_entry_point_of_the_sources_or_of_a_distribution(
    make_target: MakeTarget, environment: FakeEnvironment, table: dict[str, Any]
) -> None:
    check_entry(make_target(**table), environment.installed(), LOOSE, None)


@pytest.mark.parametrize("table", [{"script": "shop"}, {"script": "serve"}, {"entry_point": "shop"}], ids=str)
def test_an_entry_point_of_the_projects_wheel(
    make_target: MakeTarget, environment: FakeEnvironment, wheel: Path, table: dict[str, Any]
) -> None:
    check_entry(make_target(package_mode=True, **table), environment.installed(), NOTHING, wheel)


@pytest.mark.parametrize(
    ("script", "remedy"), [("srve", "did you mean 'serve'?"), ("show", "there are serve"), ("zzz", "there are serve")]
)
def test_a_script_that_nothing_provides(
    make_target: MakeTarget, environment: FakeEnvironment, script: str, remedy: str
) -> None:
    found = error(make_target(script=script), environment, LOOSE, None)
    assert f"tool.nox-pex.binary.shop.script is {script!r}" in found.problem
    assert found.remedy == remedy


@pytest.mark.parametrize("module", ["mian", "wares.shel", "shelf", "wares.shelf.deep", "serve", "idna.cor"])
def test_a_module_that_nothing_provides(make_target: MakeTarget, environment: FakeEnvironment, module: str) -> None:
    found = error(make_target(entry_point=f"{module}:main"), environment, LOOSE, None)
    assert f"nothing in the binary has a module {module}" in found.problem
    assert "`sources.include`" in found.remedy


def test_a_packaged_project_is_not_told_to_include_sources(
    make_target: MakeTarget, environment: FakeEnvironment, wheel: Path
) -> None:
    target = make_target(package_mode=True, entry_point="main:app")
    assert error(target, environment, LOOSE, wheel).remedy == "correct it"


@pytest.mark.parametrize("module", ["wares", "idna"])
def test_a_package_without_a_program_needs_a_function(
    make_target: MakeTarget, environment: FakeEnvironment, module: str
) -> None:
    found = error(make_target(entry_point=module), environment, LOOSE, None)
    assert f"{module} is a package without a __main__ module" in found.problem
    assert f'entry-point = "{module}:main"' in found.remedy


@pytest.mark.parametrize("name", ["src/shop/cli.py", "src/shop/cli/__init__.py"])
def test_a_module_in_a_directory_without_a_package_suggests_the_root(
    make_target: MakeTarget, environment: FakeEnvironment, name: str
) -> None:
    files = ProjectFiles(digests={}, placed={name: name})
    assert (
        'set sources.root = "src"' in error(make_target(entry_point="shop.cli:main"), environment, files, None).remedy
    )
