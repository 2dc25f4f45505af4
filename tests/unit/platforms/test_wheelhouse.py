from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nox_pex.platforms.wheelhouse import (
    STATE_FILE,
    Wheel,
    Wheelhouse,
    environment_in,
    load_finished,
    platform_digests,
    wheels_in,
)
from nox_pex.poetry.selection import Selection
from nox_pex.system import files
from tests.support import environments
from tests.support.distribution_files import write_wheel
from tests.support.platforms import target

MAIN = Selection(("main",), ())
OLD, NEW = target("old", python="3.9"), target("new")


def described(path: Path, version: str, *targets: str) -> Wheel:
    return Wheel(
        name=path.name.partition("-")[0],  # type: ignore[arg-type]  # already normalized
        version=version,
        file=path.name,
        sha256=files.digest(path),
        size=path.stat().st_size,
        targets=targets,
    )


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    """Wheels for two targets, of which one distribution differs between them."""
    (tmp_path / "python3.11").write_bytes(b"")
    home = tmp_path / "home"
    environments.create(environment_in(home).path, base=tmp_path / "python3.11")
    modules = {"wares/__init__.py": "", "wares/__main__.py": "", "space/deep/mod.py": "", "native.abi3.so": ""}
    wares = write_wheel(wheels_in(home), "wares", modules, scripts={"serve": "wares:main"})
    shop = {f"shop-{version}.data/purelib/shop/__init__.py": "" for version in ("1.0", "2.0")}
    old = write_wheel(wheels_in(home), "shop", shop, version="1.0")
    new = write_wheel(wheels_in(home), "shop", shop, version="2.0")
    wheels = (described(wares, "1.0", "old", "new"), described(old, "1.0", "old"), described(new, "2.0", "new"))
    state = {
        "selection": MAIN.key,
        "inputs": {"platforms": platform_digests((OLD, NEW)), "paths": {"shelf": "dd"}},
        "path-dependencies": {"lock": "0", "paths": {}},
        "wheels": [msgspec.to_builtins(each) for each in wheels],
        "seconds": 1.5,
    }
    files.write_json(home / STATE_FILE, state)
    found = load_finished(MAIN, (OLD, NEW), home)
    assert found is not None
    assert found.wheels == wheels
    return found


def test_a_wheelhouse_is_loaded_for_the_same_selection_and_targets(wheelhouse: Wheelhouse) -> None:
    assert (wheelhouse.seconds, wheelhouse.path_digests) == (1.5, {"shelf": "dd"})
    assert [each.version for each in wheelhouse.interpreters] == ["3.9.4", "3.12.4"]
    assert wheelhouse.interpreter.version == "3.11.7"
    assert load_finished(Selection(("dev",), ()), (OLD, NEW), wheelhouse.home) is None
    assert load_finished(MAIN, (OLD,), wheelhouse.home) is None


@pytest.mark.parametrize("part", ["wheels/wares-1.0-py3-none-any.whl", "nox-pex.json", "python/bin/python"])
def test_an_incomplete_wheelhouse_is_not_loaded(wheelhouse: Wheelhouse, part: str) -> None:
    (wheelhouse.home / part).unlink()
    assert load_finished(MAIN, (OLD, NEW), wheelhouse.home) is None


def test_a_version_that_not_all_targets_install_has_a_marker(wheelhouse: Wheelhouse) -> None:
    assert wheelhouse.marker("wares", "1.0") == ""
    assert wheelhouse.marker("shop", "1.0") == 'python_version == "3.9"'
    assert wheelhouse.marker("shop", "2.0") == 'python_version == "3.12"'


def test_the_distributions_are_those_of_all_targets(wheelhouse: Wheelhouse) -> None:
    assert [(d.name, d.version) for d in wheelhouse.distributions] == [
        ("shop", "1.0"),
        ("shop", "2.0"),
        ("wares", "1.0"),
    ]
    assert {d.name for d in wheelhouse.in_several_versions} == {"shop"}
    assert len({d.record for d in wheelhouse.distributions}) == 3


def test_a_wheelhouse_knows_its_modules_programs_and_scripts(wheelhouse: Wheelhouse) -> None:
    assert {script.name for script in wheelhouse.scripts()} == {"serve"}
    assert "__init__.py" in {name for library in wheelhouse.libraries() for name in library.names_in("wares")}
    assert all(wheelhouse.has_module(name) for name in ("wares", "space.deep.mod", "space", "native", "shop"))
    assert not any(wheelhouse.has_module(name) for name in ("ware", "space.deep.other", "purelib"))
    assert all(wheelhouse.has_program(name) for name in ("wares", "space.deep.mod", "native"))
    assert not any(wheelhouse.has_program(name) for name in ("shop", "space"))


def test_a_changed_wheel_is_found(wheelhouse: Wheelhouse) -> None:
    assert wheelhouse.first_damaged_wheel() is None
    changed = wheelhouse.wheels[1]
    content = wheelhouse.path(changed).read_bytes()
    wheelhouse.path(changed).write_bytes(content[::-1])
    assert wheelhouse.first_damaged_wheel() == changed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("selection", None),
        ("inputs", {}),
        ("inputs", {"platforms": [], "paths": {}}),
        ("path-dependencies", {"paths": []}),
        ("wheels", {}),
        ("wheels", [{"name": "wares"}]),
        ("seconds", "x"),
    ],
)
def test_a_state_of_another_form_counts_as_missing(wheelhouse: Wheelhouse, key: str, value: object) -> None:
    state = wheelhouse.home / STATE_FILE
    files.write_json(state, {**files.read_json(state), key: value})
    assert load_finished(MAIN, (OLD, NEW), wheelhouse.home) is None


def test_a_wheel_outside_of_the_wheelhouse_is_not_loaded(wheelhouse: Wheelhouse) -> None:
    state = files.read_json(wheelhouse.home / STATE_FILE)
    state["wheels"][0]["file"] = "../python/pyvenv.cfg"
    files.write_json(wheelhouse.home / STATE_FILE, state)
    assert load_finished(MAIN, (OLD, NEW), wheelhouse.home) is None
