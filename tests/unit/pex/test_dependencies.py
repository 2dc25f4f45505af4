from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.wheel import wheel_files
from nox_pex.errors import NoxPexError
from nox_pex.pex.cli import WheelFormat
from nox_pex.pex.dependencies import Dependencies, Packer
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.target import Contents
from nox_pex.pex.tool import Pex
from nox_pex.platforms.platform import Platform
from nox_pex.platforms.wheelhouse import Wheel, Wheelhouse, environment_in, wheels_in
from nox_pex.system import files, recipe
from tests.support.fake_environment import MAIN, FakeEnvironment
from tests.support.small_pex import write_wheel
from tests.unit.pex.conftest import MakeProvisioner, after, write_pex

COMPRESSED = WheelFormat(pre_install_wheels=True, compress=True)
DIRECT = json.dumps({"url": "https://git.example/board", "vcs_info": {"vcs": "git"}})


@pytest.fixture
def ran() -> list[tuple[str, ...]]:
    """The command lines of pex."""
    return []


@pytest.fixture
def provide(make_provisioner: MakeProvisioner, ran: list[tuple[str, ...]]) -> Callable[..., Dependencies]:
    """Provide the dependency PEX of an install."""

    def go(
        installed: Contents,
        *,
        wheel_format: WheelFormat = COMPRESSED,
        version: str = "2.105.2",
        act: Callable[[Sequence[str]], None] = write_pex,
        disagreements: Disagreements = Disagreements(),  # noqa: B008  # a frozen value
        own_root: bool = False,
    ) -> Dependencies:
        pex = Pex(python=Path("/tools/python"), version=version, root=Path("/pex"), environ={})
        packer = Packer(provisioner=make_provisioner(act, ran), pex=pex, own_root=own_root)
        return packer.provide(installed, disagreements=disagreements, wheel_format=wheel_format, hold=())

    return go


Provide = Callable[..., Dependencies]


def test_the_distributions_are_packed_once(
    provide: Provide, environment: FakeEnvironment, ran: list[tuple[str, ...]]
) -> None:
    first = provide(environment.installed())
    assert first.pins.read_text("utf-8") == "idna==1.0\n"
    assert (first.repository / ".deps").is_dir()
    (argv,) = ran
    assert after(argv, "--venv-repository") == str(environment.path)
    assert {"--compress", "--pre-install-wheels"} <= set(argv)
    assert provide(environment.installed()) == first
    assert len(ran) == 1


def test_pex_packs_with_an_empty_pex_root_or_with_one_of_this_build_alone(
    provide: Provide, environment: FakeEnvironment, ran: list[tuple[str, ...]]
) -> None:
    home = provide(environment.installed()).pins.parent
    empty = Path(after(ran[0], "--pex-root"))
    assert empty.is_relative_to(home.parent)
    assert not empty.exists()
    change(home / "dependencies.pex")
    provide(environment.installed(), own_root=True)
    assert after(ran[1], "--pex-root") == "/pex"


def test_nothing_else_is_left_in_the_cache(provide: Provide, environment: FakeEnvironment) -> None:
    home = provide(environment.installed()).pins.parent
    assert sorted(path.name for path in home.iterdir()) == ["dependencies.pex", "manifest.json", "pins.txt"]
    assert sorted(path.name for path in home.parent.iterdir()) == [home.name, f"{home.name}.lock"]


def add(path: Path) -> None:
    (path / "added").write_text("", "utf-8")


def change(path: Path) -> None:
    with next(path.joinpath(".deps").iterdir()).open("ab") as file:
        file.write(b"changed")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda home: change(home / "dependencies.pex"), id="a-wheel-is-changed"),
        pytest.param(lambda home: add(home / "dependencies.pex"), id="a-file-is-added"),
        pytest.param(lambda home: (home / "dependencies.pex" / ".bootstrap").unlink(), id="a-file-is-missing"),
        pytest.param(lambda home: (home / "pins.txt").write_text("idna==2.0\n"), id="other-pins"),
        pytest.param(lambda home: (home / "pins.txt").unlink(), id="no-pins"),
        pytest.param(lambda home: (home / "manifest.json").unlink(), id="no-manifest"),
        pytest.param(lambda home: (home / "manifest.json").write_text("{}"), id="an-empty-manifest"),
    ],
)
def test_a_damaged_dependency_pex_is_packed_again(
    provide: Provide, environment: FakeEnvironment, ran: list[tuple[str, ...]], damage: Callable[[Path], Any]
) -> None:
    home = provide(environment.installed()).pins.parent
    intact = {path: files.digest(path) for path in home.rglob("*")}
    damage(home)
    assert provide(environment.installed()).pins.parent == home
    assert len(ran) == 2
    assert {path: files.digest(path) for path in home.rglob("*")} == intact


def test_a_damaged_environment_is_not_packed(
    provide: Provide, environment: FakeEnvironment, ran: list[tuple[str, ...]]
) -> None:
    (environment.site_packages / "idna" / "core.py").write_text("CORE = 2\n", "utf-8")
    with pytest.raises(NoxPexError) as caught:
        provide(environment.installed())
    assert caught.value.code == "integrity"
    assert "idna: idna/core.py" in caught.value.problem
    assert ran == []


@pytest.mark.parametrize("fails", [True, False], ids=["fails", "writes-nothing"])
def test_a_pex_that_fails_leaves_nothing_in_the_cache(
    provide: Provide, environment: FakeEnvironment, *, fails: bool
) -> None:
    def act(argv: Sequence[str]) -> None:
        if fails:
            write_pex(argv)
            raise OSError

    with pytest.raises(NoxPexError) as caught:
        provide(environment.installed(), act=act)
    assert caught.value.code == "build-failed"
    home = provide(environment.installed()).pins.parent
    assert [path.name for path in home.parent.iterdir() if path.is_dir()] == [home.name]


def test_a_distribution_from_git_is_packed_from_a_copy(
    provide: Provide, environment: FakeEnvironment, ran: list[tuple[str, ...]]
) -> None:
    environment.add("board", {"board.py": ""}, direct_url=DIRECT)
    provide(environment.installed())
    assert after(ran[0], "--venv-repository") != str(environment.path)
    assert not Path(after(ran[0], "--venv-repository")).exists()  # it was temporary


# What a dependency PEX is known by


@pytest.fixture
def key(provide: Provide) -> Callable[..., str]:
    """The name under which the dependency PEX of an install is cached."""
    return lambda installed, **options: provide(installed, **options).pins.parent.name


Key = Callable[..., str]


@pytest.fixture
def other(tmp_path: Path, python: Path) -> FakeEnvironment:
    """A second environment of the same Python."""
    return FakeEnvironment(tmp_path / "other", python=python)


def library(environment: FakeEnvironment, **changes: Any) -> FakeEnvironment:
    """Install what the fixture `environment` has, with changes."""
    script = f"#!{environment.path}/bin/python\nimport idna\n"
    given: dict[str, Any] = {
        "files": {"idna/__init__.py": "", "idna/core.py": "CORE = 1\n"},
        "scripts": {"idna": script},
        **changes,
    }
    environment.add(given.pop("name", "idna"), given.pop("files"), **given)
    return environment


def test_the_same_distributions_in_another_environment_have_the_same_key(
    key: Key, environment: FakeEnvironment, other: FakeEnvironment
) -> None:
    """Neither the path of the environment, which is in the scripts, nor the time of the install counts."""
    first = key(environment.installed())
    assert key(environment.installed(seconds=9.0, id="second")) == first
    assert key(library(other).installed()) == first


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "2.0"},
        {"name": "idnb"},
        {"files": {"idna/__init__.py": "", "idna/core.py": "CORE = 2\n"}},
        {"files": {"idna/__init__.py": "", "idna/kernel.py": "CORE = 1\n"}},
        {"metadata": "Summary: another\n"},
        {"scripts": {"idna": "#!/python\nimport idna.core\n"}},
        {"scripts": {}},
        {"direct_url": DIRECT},
    ],
    ids=str,
)
def test_other_distributions_have_another_key(
    key: Key, environment: FakeEnvironment, other: FakeEnvironment, changes: dict[str, Any]
) -> None:
    assert key(library(other, **changes).installed()) != key(environment.installed())


def test_overrides_and_excludes_change_the_key(key: Key, environment: FakeEnvironment) -> None:
    keys = {
        key(environment.installed(), disagreements=disagreements)
        for disagreements in (
            Disagreements(),
            Disagreements(overrides=("idna==1.0",)),
            Disagreements(excludes=("setuptools",)),
        )
    }
    assert len(keys) == 3


def test_an_executable_file_changes_the_key(key: Key, environment: FakeEnvironment) -> None:
    before = key(environment.installed())
    (environment.site_packages / "idna" / "core.py").chmod(0o755)
    assert key(environment.installed()) != before


def test_another_python_has_another_key(key: Key, environment: FakeEnvironment, tmp_path: Path, python: Path) -> None:
    newer = library(FakeEnvironment(tmp_path / "newer", python=python, version="3.11.8"))
    assert key(newer.installed()) != key(environment.installed())


def test_the_format_and_the_pex_have_their_own_keys(key: Key, environment: FakeEnvironment) -> None:
    installed = environment.installed()
    formats = [
        WheelFormat(pre_install_wheels=first, compress=second) for first in (True, False) for second in (True, False)
    ]
    keys = [*(key(installed, wheel_format=wheel_format) for wheel_format in formats), key(installed, version="2.60.0")]
    assert len(set(keys)) == 5


def test_another_content_of_a_path_dependency_has_another_key(key: Key, environment: FakeEnvironment) -> None:
    keys = [key(environment.installed(path_digests=digests)) for digests in ({}, {"shelf": "1"}, {"shelf": "2"})]
    assert len(set(keys)) == 3


def test_each_install_from_a_path_has_a_separate_key(key: Key, environment: FakeEnvironment) -> None:
    environment.add("board", {"board.py": ""}, direct_url=DIRECT)
    assert key(environment.installed(id="first")) == key(environment.installed(id="first"))
    assert key(environment.installed(id="first")) != key(environment.installed(id="second"))


def test_another_nox_pex_has_another_key(
    key: Key, environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(environment.installed())
    monkeypatch.setattr(recipe, "digest", lambda: "another")
    assert key(environment.installed()) != before


# Wheels for other platforms


def platform(name: str, **markers: str) -> Platform:
    given = {
        "implementation_name": "cpython",
        "implementation_version": "3.11.7",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.11.7",
        "python_version": "3.11",
        "sys_platform": "linux",
        **markers,
    }
    return Platform(name=name, tags=("py3-none-any",), markers=given)


@pytest.fixture
def make_wheelhouse(tmp_path: Path, python: Path) -> Callable[..., Wheelhouse]:
    def make(name: str = "wheelhouse", *, content: bytes = b"", **markers: str) -> Wheelhouse:
        home = tmp_path / name
        wheels_in(home).mkdir(parents=True)
        FakeEnvironment(environment_in(home).path, python=python)
        path = write_wheel(wheels_in(home) / "idna-1.0-py3-none-any.whl", {"idna.py": content})
        assert "idna.py" in wheel_files(path)
        wheel = Wheel(
            name="idna",  # type: ignore[arg-type]  # it is normalized
            version="1.0",
            file=path.name,
            sha256=files.digest(path),
            size=path.stat().st_size,
            targets=("there",),
        )
        return Wheelhouse(
            selection=MAIN,
            platforms=(platform("there", **markers),),
            home=home,
            wheels=(wheel,),
            path_digests={},
            seconds=1.0,
        )

    return make


MakeWheelhouse = Callable[..., Wheelhouse]


def test_the_wheels_are_packed_for_their_platforms(
    provide: Provide, make_wheelhouse: MakeWheelhouse, ran: list[tuple[str, ...]]
) -> None:
    wheelhouse = make_wheelhouse()
    found = provide(wheelhouse)
    assert found.pins.read_text("utf-8") == "idna==1.0\n"
    assert after(ran[0], "--pre-resolved-dist") == str(wheelhouse.path(wheelhouse.wheels[0]))
    assert "--complete-platform" in ran[0]
    assert "--venv-repository" not in ran[0]


def test_wheels_have_a_key_by_their_content_and_their_platforms(key: Key, make_wheelhouse: MakeWheelhouse) -> None:
    first, same = key(make_wheelhouse("first")), key(make_wheelhouse("same"))
    changed = key(make_wheelhouse("changed", content=b"CORE = 2\n"))
    moved = key(make_wheelhouse("moved", sys_platform="darwin"))
    assert first == same
    assert len({first, changed, moved}) == 3


def test_a_damaged_wheel_is_not_packed(
    provide: Provide, make_wheelhouse: MakeWheelhouse, ran: list[tuple[str, ...]]
) -> None:
    wheelhouse = make_wheelhouse()
    with wheelhouse.path(wheelhouse.wheels[0]).open("ab") as file:
        file.write(b"changed")
    with pytest.raises(NoxPexError) as caught:
        provide(wheelhouse)
    assert caught.value.code == "integrity"
    assert "idna-1.0-py3-none-any.whl" in caught.value.problem
    assert ran == []
