from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.poetry.install_state import PathDependencies
from nox_pex.poetry.installed import Installed, load_finished
from nox_pex.poetry.selection import Selection
from tests.support import environments
from tests.support.environments import write_state

MAIN = Selection(("main",), ())


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "python3.11").write_bytes(b"")
    return environments.create(tmp_path / "environment", base=tmp_path / "python3.11")


def written(environment: Environment) -> Installed:
    """The install in the environment, after an install that wrote its state."""
    write_state(environment, selection=MAIN.key, inputs={"paths": {"shelf": "dd"}})
    found = load_finished(MAIN, environment)
    assert found is not None
    return found


def test_a_finished_install_is_loaded_with_its_distributions(environment: Environment) -> None:
    environments.install(environment, "idna", {"idna.py": ""}, version="3.11")
    found = written(environment)
    assert (found.id, found.seconds, found.path_digests) == ("4711", 1.5, {"shelf": "dd"})
    assert [(each.name, each.version) for each in found.distributions] == [("idna", "3.11")]
    assert [each.version for each in found.interpreters] == ["3.11.7"]


def test_an_install_of_another_selection_or_an_unfinished_one_is_not_loaded(environment: Environment) -> None:
    assert load_finished(MAIN, environment) is None
    written(environment)
    assert load_finished(Selection(("main", "server"), ()), environment) is None
    (environment.path / "pyvenv.cfg").unlink()
    assert load_finished(MAIN, environment) is None


def test_an_environment_knows_its_modules_programs_and_scripts(environment: Environment) -> None:
    sources = {"single.py": "", "native.cpython-311-darwin.so": "", "pack/__init__.py": "", "pack/sub.py": "a = 1"}
    sources |= {"../../../bin/serve": "", "../../../bin/tool.sh": ""}
    environments.install(environment, "wares", sources, scripts={"serve": "single:main"})
    environments.install(environment, "shop", {"shop/__init__.py": "", "shop/__main__.py": "", "space/deep.txt": ""})
    found = written(environment)
    assert {(script.name, script.reference) for script in found.scripts()} == {
        ("serve", "single:main"),
        ("tool.sh", None),
    }
    assert [library.source("pack/sub.py") for library in found.libraries()] == ["a = 1"]
    assert all(found.has_module(name) for name in ("single", "native", "pack", "pack.sub", "shop", "space"))
    assert not any(found.has_module(name) for name in ("singl", "pack.other", "ware"))
    assert all(found.has_program(name) for name in ("single", "native", "pack.sub", "shop"))
    assert not any(found.has_program(name) for name in ("pack", "space", "nobody"))


def test_an_install_is_direct_if_one_distribution_is(environment: Environment) -> None:
    environments.install(environment, "idna", {})
    assert not written(environment).is_direct
    environments.install(environment, "shelf", {}, direct=True)
    assert written(environment).is_direct


def test_no_distribution_has_a_marker(environment: Environment) -> None:
    found = msgspec.structs.replace(written(environment), distributions=())
    assert found.marker("idna", "3.11") == ""


def test_a_renamed_distribution_has_the_digest_of_its_path_by_both_names(environment: Environment) -> None:
    renamed = {"books": "shelf", "board": "board-api"}  # the second one is from Git
    dependencies = PathDependencies(lock="0", paths={}, renamed=renamed)
    write_state(environment, selection=MAIN.key, inputs={"paths": {"shelf": "dd"}}, path_dependencies=dependencies)
    found = load_finished(MAIN, environment)
    assert found is not None
    assert (found.renamed, found.path_digests) == (renamed, {"shelf": "dd", "books": "dd"})
