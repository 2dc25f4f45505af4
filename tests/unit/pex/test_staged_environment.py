from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pytest

from nox_pex.distributions import inventory
from nox_pex.distributions.environment import Environment
from nox_pex.pex import staged_environment
from nox_pex.project import build_wheel
from tests.support.fake_environment import FakeEnvironment
from tests.support.small_pex import write_wheel
from tests.unit.pex.conftest import MakeProvisioner

GIT: Final = json.dumps({"url": "https://joe:hunter22@git.example/board", "vcs_info": {"vcs": "git"}})
REQUIRES: Final = "Requires-Dist: shelf @ file:///home/joe/shelf\n"


def editable(directory: Path) -> str:
    return json.dumps({"url": directory.as_uri(), "dir_info": {"editable": True}})


def snapshot(directory: Path) -> dict[str, tuple[str, int]]:
    """Every file below a directory, with its content and its mode."""
    return {
        path.relative_to(directory).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode)
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_an_environment_from_an_index_is_packed_without_a_copy(environment: FakeEnvironment, tmp_path: Path) -> None:
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={}, rewritten=()
    )
    assert found == environment.path
    assert not (tmp_path / "staged").exists()


@pytest.mark.parametrize("name", ["[a]", "what?", "svc:main"])
def test_an_environment_that_pex_cannot_read_is_packed_from_a_copy(tmp_path: Path, python: Path, name: str) -> None:
    environment = FakeEnvironment(tmp_path / name / "environment", python=python)
    environment.add("idna", {"idna/__init__.py": ""})
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={}, rewritten=()
    )
    assert found == tmp_path / "staged"
    assert [each.name for each in Environment(path=found).distributions()] == ["idna"]
    assert list(inventory.damaged(Environment(path=found))) == []


def test_a_copy_does_not_name_the_origin_of_a_distribution(environment: FakeEnvironment, tmp_path: Path) -> None:
    environment.add("board", {"board.py": ""}, direct_url=GIT, metadata=REQUIRES)
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={}, rewritten=()
    )
    assert found == tmp_path / "staged"
    (info,) = found.rglob("board-1.0.dist-info")
    assert not (info / "direct_url.json").exists()
    assert "direct_url.json" not in (info / "RECORD").read_text("utf-8")
    assert "Requires-Dist: shelf\n" in (info / "METADATA").read_text("utf-8")
    assert list(inventory.damaged(Environment(path=found))) == []
    for path in found.rglob("*"):
        assert not path.is_file() or b"hunter22" not in path.read_bytes()
        assert not path.is_file() or b"/home/joe" not in path.read_bytes()


def test_the_original_environment_is_not_changed(environment: FakeEnvironment, tmp_path: Path) -> None:
    """The copy is of hard links, so a file that was written to, and not replaced, would change in both."""
    environment.add("board", {"board.py": ""}, direct_url=GIT, metadata=REQUIRES)
    environment.add(
        "shelf", {"shelf.pth": "/src\n"}, direct_url=editable(tmp_path / "shelf"), scripts={"shelf": "#!\n"}
    )
    before = snapshot(environment.path)
    wheel = write_wheel(
        tmp_path / "shelf-1.0-py3-none-any.whl",
        {"shelf/__init__.py": b"SHELF = 1\n", "shelf.pth": b"other", "shelf-1.0.data/scripts/shelf": b"#!python\n"},
    )
    staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={"shelf": wheel}, rewritten=()
    )
    assert snapshot(environment.path) == before


def test_files_that_stay_are_hard_links(environment: FakeEnvironment, tmp_path: Path) -> None:
    environment.add("board", {"board.py": ""}, direct_url=GIT)
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={}, rewritten=()
    )
    (copied,) = found.rglob("core.py")
    assert copied.samefile(environment.site_packages / "idna" / "core.py")


def test_links_stay_links(environment: FakeEnvironment, tmp_path: Path) -> None:
    environment.add("board", {"board.py": ""}, direct_url=GIT)
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={}, rewritten=()
    )
    assert (found / "bin" / "python").is_symlink()


def test_metadata_that_is_not_utf_8_becomes_utf_8(environment: FakeEnvironment, tmp_path: Path) -> None:
    info = environment.add("board", {"board.py": ""}, direct_url=GIT, metadata=REQUIRES)
    with (info / "METADATA").open("ab") as file:
        file.write(b"M\xfcller\n")
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={}, rewritten=()
    )
    (copied,) = found.rglob("board-1.0.dist-info/METADATA")
    assert copied.read_bytes().endswith("Müller\n".encode())
    assert b"/home/joe" not in copied.read_bytes()


def test_only_metadata_that_pex_does_not_accept_is_rewritten(environment: FakeEnvironment, tmp_path: Path) -> None:
    before = environment.add("board", {"board.py": ""}, metadata="Requires-Dist: idna (>=1.*)\nSummary: x\n")
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={}, rewritten={"board"}
    )
    (copied,) = found.rglob("board-1.0.dist-info/METADATA")
    text = copied.read_text("utf-8")
    assert text == (before / "METADATA").read_text("utf-8").replace(
        "Requires-Dist: idna (>=1.*)", "Requires-Dist: idna"
    )
    assert list(inventory.damaged(Environment(path=found))) == []
    assert list(inventory.damaged(Environment(path=environment.path))) == []


def test_bytecode_is_not_copied(environment: FakeEnvironment, tmp_path: Path) -> None:
    environment.add("board", {"board.py": ""}, direct_url=GIT)
    (environment.site_packages / "idna" / "__pycache__").mkdir()
    (environment.site_packages / "idna" / "__pycache__" / "core.pyc").write_bytes(b"")
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={}, rewritten=()
    )
    assert list(found.rglob("__pycache__")) == []


def test_an_editable_install_is_replaced_by_its_wheel(environment: FakeEnvironment, tmp_path: Path) -> None:
    environment.add("shelf", {"shelf.pth": "/src\n"}, direct_url=editable(tmp_path / "shelf"))
    wheel = write_wheel(tmp_path / "shelf-1.0-py3-none-any.whl", {"shelf/__init__.py": b"SHELF = 1\n"})
    found = staged_environment.packable_environment(
        environment.installed(), into=tmp_path / "staged", wheels={"shelf": wheel}, rewritten=()
    )
    (site_packages,) = Environment(path=found).site_packages
    assert (site_packages / "shelf" / "__init__.py").read_bytes() == b"SHELF = 1\n"
    assert not (site_packages / "shelf.pth").exists()
    assert not list(site_packages.glob("shelf-*/direct_url.json"))
    assert list(inventory.damaged(Environment(path=found))) == []


def test_a_wheel_is_built_for_each_editable_install_only(
    environment: FakeEnvironment, tmp_path: Path, make_provisioner: MakeProvisioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a shelf", "rack"):
        source = tmp_path / name
        source.mkdir()
        text = f'[project]\nname = "{name.removeprefix("a ")}"\nversion = "1.0"\n'
        (source / "pyproject.toml").write_text(text, "utf-8")
        environment.add(name.removeprefix("a "), {f"{name[-4:]}.pth": "/src\n"}, direct_url=editable(source))
    environment.add("board", {"board.py": ""}, direct_url=GIT)
    local = json.dumps({"url": (tmp_path / "rack").as_uri(), "dir_info": {}})
    environment.add("desk", {"desk.py": ""}, direct_url=local)
    built: list[Path] = []

    def build(project: Any, *, into: Path, **_options: Any) -> Path:
        built.append(project.root)
        path = into / f"{project.name}-1.0-py3-none-any.whl"
        return write_wheel(path, {})

    monkeypatch.setattr(build_wheel, "build_wheel", build)
    into = tmp_path / "wheels"
    installed = environment.installed()
    found = staged_environment.editable_wheels(installed.distributions, installed, make_provisioner(), into=into)
    assert found == {name: into / f"{name}-1.0-py3-none-any.whl" for name in ("rack", "shelf")}
    assert built == [tmp_path / "rack", tmp_path / "a shelf"]


def test_without_editable_installs_nothing_is_built(
    environment: FakeEnvironment, tmp_path: Path, make_provisioner: MakeProvisioner
) -> None:
    into = tmp_path / "wheels"
    installed = environment.installed()
    found = staged_environment.editable_wheels(installed.distributions, installed, make_provisioner(), into=into)
    assert found == {}
    assert not into.exists()
