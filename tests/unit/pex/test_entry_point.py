from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.pex.entry_point import entry_point_for_pex
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
        scripts={"serve": "#!python\n", "show": "#!python\n", "run.sh": "#!/bin/sh\n"},
    )
    return environment


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The wheel of a packaged project."""
    files = {"shop/__init__.py": b"", "shop/__main__.py": b""}
    script = {"shop-1.0.dist-info/entry_points.txt": b"[console_scripts]\nshop = shop:main\n"}
    return write_wheel(tmp_path / "shop-1.0-py3-none-any.whl", {**files, **script})


def found(
    target: Target, environment: FakeEnvironment, files: ProjectFiles = LOOSE, wheel: Path | None = None
) -> str | None:
    return entry_point_for_pex(target, environment.installed(), files, project_wheel=wheel)


def error(target: Target, environment: FakeEnvironment, files: ProjectFiles, wheel: Path | None) -> NoxPexError:
    with pytest.raises(NoxPexError) as caught:
        found(target, environment, files, wheel)
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
    found(make_target(**table), environment)


def test_a_script_is_what_its_launcher_starts(make_target: MakeTarget, environment: FakeEnvironment) -> None:
    points = "[console_scripts]\nlazy = lazy:cli.main [fast]\n[gui_scripts]\nwindow = lazy.cli:main\n"
    files = {"lazy/__init__.py": "", "lazy/cli.py": "", "lazy-1.0.dist-info/entry_points.txt": points}
    environment.add("lazy", files)
    assert found(make_target(script="lazy"), environment) == "lazy.cli:main"
    assert found(make_target(script="window"), environment) == "lazy.cli:main"
    assert found(make_target(entry_point="lazy:cli.main"), environment) == "lazy.cli:main"
    assert found(make_target(script="run.sh"), environment) is None


def test_a_script_of_two_distributions_is_the_installed_one(
    make_target: MakeTarget, environment: FakeEnvironment
) -> None:
    for name in ("one", "two"):
        points = f"[console_scripts]\nspeak = {name}.cli:main\n"
        environment.add(name, {f"{name}-1.0.dist-info/entry_points.txt": points})
    speak = environment.path / "bin" / "speak"
    speak.write_text("#!python\nimport sys\nfrom two.cli import main\nsys.exit(main())\n", "utf-8")
    assert found(make_target(script="speak"), environment) == "two.cli:main"
    assert found(make_target(script="speak", exclude=("two",)), environment) == "one.cli:main"
    speak.unlink()
    with pytest.raises(NoxPexError) as caught:
        found(make_target(script="speak"), environment)
    assert caught.value.code == "config"
    assert "one.cli:main of one or two.cli:main of two" in caught.value.problem
    assert caught.value.remedy == 'write one of them, as in entry-point = "one.cli:main"'


def test_a_script_of_an_excluded_distribution_is_missing(make_target: MakeTarget, environment: FakeEnvironment) -> None:
    assert found(make_target(script="serve", exclude=("server>1",)), environment) == "server:main"
    assert (
        "script is 'serve'" in error(make_target(script="serve", exclude=("Server",)), environment, LOOSE, None).problem
    )


@pytest.mark.parametrize("key", ["inject_args", "inject_python_args"])
def test_a_script_that_is_a_file_gets_no_arguments_in_venv_mode(
    make_target: MakeTarget, environment: FakeEnvironment, key: str
) -> None:
    assert found(make_target(script="run.sh", execution_mode="zipapp", **{key: ("-x",)}), environment) is None
    with pytest.raises(NoxPexError) as caught:
        found(make_target(script="run.sh", **{key: ("-x",)}), environment)
    assert caught.value.code == "config"
    assert f"{key.replace('_', '-')} has no effect" in caught.value.problem


@pytest.mark.parametrize("table", [{"script": "shop"}, {"script": "serve"}, {"entry_point": "shop"}], ids=str)
def test_an_entry_point_of_the_projects_wheel(
    make_target: MakeTarget, environment: FakeEnvironment, wheel: Path, table: dict[str, Any]
) -> None:
    found(make_target(package_mode=True, **table), environment, NOTHING, wheel)


@pytest.mark.parametrize(
    ("script", "remedy"),
    [
        ("srve", "correct the name (did you mean 'serve'?)"),
        ("shwo", "correct the name (did you mean 'show'?)"),
        ("zzz", "there are idna, run.sh, serve, show"),
    ],
)
def test_a_script_that_nothing_provides(
    make_target: MakeTarget, environment: FakeEnvironment, script: str, remedy: str
) -> None:
    refused = error(make_target(script=script), environment, LOOSE, None)
    assert f"tool.nox-pex.binary.shop.script is {script!r}" in refused.problem
    assert refused.remedy == remedy


@pytest.mark.parametrize("module", ["mian", "wares.shel", "shelf", "wares.shelf.deep", "serve", "idna.cor"])
def test_a_module_that_nothing_provides(make_target: MakeTarget, environment: FakeEnvironment, module: str) -> None:
    refused = error(make_target(entry_point=f"{module}:main"), environment, LOOSE, None)
    assert f"nothing in the binary has a module {module}" in refused.problem
    assert "`sources.include`" in refused.remedy


def test_a_packaged_project_is_not_told_to_include_sources(
    make_target: MakeTarget, environment: FakeEnvironment, wheel: Path
) -> None:
    target = make_target(package_mode=True, entry_point="main:app")
    assert error(target, environment, LOOSE, wheel).remedy == "correct it"


@pytest.mark.parametrize("module", ["wares", "idna"])
def test_a_package_without_a_program_needs_a_function(
    make_target: MakeTarget, environment: FakeEnvironment, module: str
) -> None:
    refused = error(make_target(entry_point=module), environment, LOOSE, None)
    assert f"{module} is a package without a __main__ module" in refused.problem
    assert f'entry-point = "{module}:main"' in refused.remedy


@pytest.mark.parametrize("name", ["src/shop/cli.py", "src/shop/cli/__init__.py"])
def test_a_module_in_a_directory_without_a_package_suggests_the_root(
    make_target: MakeTarget, environment: FakeEnvironment, name: str
) -> None:
    files = ProjectFiles(digests={}, placed={name: name})
    assert (
        'set sources.root = "src"' in error(make_target(entry_point="shop.cli:main"), environment, files, None).remedy
    )


def test_a_project_that_is_no_package_has_the_scripts_that_poetry_run_starts(
    make_target: MakeTarget, environment: FakeEnvironment
) -> None:
    target = make_target(script="start")
    scripts = {"start": "wares:shelf.main", "other": "main:main"}
    project = msgspec.structs.replace(target.project, scripts=scripts, other_scripts={"run.sh": None})
    target = msgspec.structs.replace(target, project=project)
    (target.project.root / "wares").mkdir()
    (target.project.root / "wares" / "__init__.py").touch()
    (target.project.root / "wares" / "shelf.py").touch()
    start = entry_point_for_pex(target, environment.installed(), LOOSE, sources=target.project.root)
    assert start == "wares.shelf:main"
