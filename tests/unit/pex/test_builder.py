from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.pex import assemble, member_list
from nox_pex.pex.assemble import BuiltPex
from nox_pex.pex.builder import Builder
from nox_pex.pex.disagreements import Disagreement
from nox_pex.pex.target import Target
from nox_pex.system import locks, outside_text
from tests.support.fake_environment import FakeEnvironment
from tests.support.git_repository import GitRepository
from tests.support.small_pex import SmallPex
from tests.unit.pex.conftest import MakeProvisioner, MakeTarget


class FakeAssembler:
    """Writes a small PEX file instead of a build, and notes what was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.disagreements: tuple[Disagreement, ...] = ()
        self.during: Callable[[], None] = lambda: None

    def __call__(self, **given: Any) -> FakeAssembler:
        self.asked.append(given)
        return self

    def assemble(self) -> BuiltPex:
        given = self.asked[-1]
        self.during()
        names = {name: (given["target"].project.root / name).read_bytes() for name in given["files"].digests}
        path = SmallPex(sources=names).write(given["directory"] / given["target"].output.name)
        given["clock"].seconds["pex"] = 1.5
        return BuiltPex(
            path=path,
            version="1.0",
            shipped=tuple(names),
            distributions=(("idna", "1.0"),),
            disagreements=self.disagreements,
        )


@pytest.fixture
def assembler(monkeypatch: pytest.MonkeyPatch) -> FakeAssembler:
    fake = FakeAssembler()
    monkeypatch.setattr(assemble, "Assembler", fake)
    return fake


@pytest.fixture
def shop(make_target: MakeTarget) -> Target:
    """A binary of a project with one source."""
    target = make_target()
    (target.project.root / "main.py").write_text("def main(): ...\n", "utf-8")
    return target


Build = Callable[..., None]


@pytest.fixture
def build(make_provisioner: MakeProvisioner, environment: FakeEnvironment) -> Build:
    """Build a target as a new process does."""

    def go(target: Target, *, force: bool = False, from_scratch: bool = False) -> None:
        builder = Builder(provisioner=make_provisioner(), force=force, from_scratch=from_scratch)
        builder.build(target, environment.installed())

    return go


def record(target: Target) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(target.record.read_text("utf-8"))
    return found


def test_a_binary_is_built_with_its_record(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    build(shop)
    assert len(assembler.asked) == 1
    known = record(shop)
    assert known["sha256"] == pex_file.digest(shop.output)
    assert known["size"] == shop.output.stat().st_size
    assert (known["name"], known["version"], known["python"]) == ("shop", "1.0", "CPython 3.11.7")
    assert known["sources"] == {"taken": ["main.py"]}
    assert known["left-out"] == []
    assert known["distributions"] == [{"name": "idna", "version": "1.0"}]
    assert known["seconds"] == {"install": 1.0, "pex": 1.5}
    assert known["git"] is None
    assert shown[:2] == ["pex: building shop: not built yet", "pex: sources: main.py"]
    assert shown[2].startswith("pex: shop built in 1.5 s, 0.0 MB, 1 distribution (dist/shop.pex)")


@pytest.mark.usefixtures("assembler")
def test_a_second_build_does_not_seem_to_write_over_the_binary(build: Build, shop: Target, shown: list[str]) -> None:
    build(shop, from_scratch=True)
    assert shown[-1] == "pex: shop built in 1.5 s, 0.0 MB, 1 distribution"


def test_a_binary_whose_inputs_are_unchanged_is_not_built(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    build(shop)
    before = shop.output.stat()
    build(shop)
    assert len(assembler.asked) == 1
    assert shop.output.stat() == before
    assert shown[-1] == "pex: shop unchanged, 0.0 MB (dist/shop.pex)"


def test_force_builds_an_unchanged_binary(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    build(shop)
    build(shop, force=True)
    assert len(assembler.asked) == 2
    assert assembler.asked[1]["previous"] is None
    assert "pex: rebuilding shop: forced" in shown


def test_the_line_of_a_build_says_by_how_much_the_binary_grew(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    build(shop)
    before = shop.output.stat().st_size
    (shop.project.root / "main.py").write_text(f"def main(): return '{os.urandom(3000).hex()}'\n", "utf-8")
    build(shop)
    growth = shop.output.stat().st_size - before
    assert growth > 1000
    assert f", 0.0 MB (+{growth / 1000:.0f} kB), 1 distribution (" in shown[-1]
    build(shop, force=True)
    assert ", 0.0 MB, 1 distribution (" in shown[-1]
    assert len(assembler.asked) == 3


def test_the_member_list_of_the_previous_binary_is_kept(build: Build, shop: Target, assembler: FakeAssembler) -> None:
    def kept() -> list[str]:
        headers = (member_list.read_header(shop.state_file(e)) for e in (member_list.CURRENT, member_list.PREVIOUS))
        return [header.sha256 for header in headers if header is not None]

    build(shop)
    first = record(shop)["sha256"]
    assert kept() == [first]
    (shop.project.root / "main.py").write_text("def main(): return 1\n", "utf-8")
    build(shop)
    second = record(shop)["sha256"]
    assert kept() == [second, first]
    for force in (False, True):  # nothing changed, or the same bytes
        build(shop, force=force)
        assert kept() == [second, first]
    assembler.during = _fail
    with pytest.raises(NoxPexError):
        build(shop, force=True)
    assert kept() == [second, first]


def _fail() -> None:
    raise NoxPexError("build-failed", "it failed", "try again")


MISSING = Disagreement(distribution="shelf", version="1.0", kind="missing", text="setuptools")


def test_disagreements_are_shown_and_recorded(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    assembler.disagreements = (MISSING,)
    build(shop)
    assert f"pex: warning: {MISSING}" in shown
    assert record(shop)["disagreements"] == [MISSING.as_json()]


def test_the_disagreements_are_recorded_but_not_shown_again_after_an_edit(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    assembler.disagreements = (MISSING,)
    build(shop)
    (shop.project.root / "main.py").write_text("def main(): return 1\n", "utf-8")
    build(shop)
    assert record(shop)["disagreements"] == [MISSING.as_json()]
    assert shown.count(f"pex: warning: {MISSING}") == 1


def test_the_disagreements_are_shown_again_after_another_change(
    build: Build, shop: Target, make_target: MakeTarget, assembler: FakeAssembler, shown: list[str]
) -> None:
    assembler.disagreements = (MISSING,)
    build(shop)
    build(make_target(sh_boot=False))
    assert record(shop)["disagreements"] == [MISSING.as_json()]
    assert shown.count(f"pex: warning: {MISSING}") == 2


def test_a_second_build_for_verify_does_not_warn(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    assembler.disagreements = (MISSING,)
    build(shop, from_scratch=True)
    assert not [line for line in shown if "warning" in line]


def test_from_scratch_reaches_the_assembler(build: Build, shop: Target, assembler: FakeAssembler) -> None:
    build(shop, from_scratch=True)
    assert assembler.asked[0]["from_scratch"]


def test_the_previous_binary_is_reused_after_an_edit(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    build(shop)
    (shop.project.root / "main.py").write_text("def main(): return 1\n", "utf-8")
    build(shop)
    assert [asked["previous"] for asked in assembler.asked] == [None, shop.output]
    assert "pex: rebuilding shop: main.py changed" in shown


def test_the_previous_binary_is_reused_after_another_change_too(
    build: Build, shop: Target, make_target: MakeTarget, assembler: FakeAssembler
) -> None:
    build(shop)
    (shop.project.root / "main.py").write_text("def main(): return 1\n", "utf-8")
    build(make_target(sh_boot=False))
    assert [asked["previous"] for asked in assembler.asked] == [None, shop.output]


@pytest.mark.parametrize("damage", ["output", "record"])
def test_a_binary_that_is_not_the_one_in_the_record_is_built_again(
    build: Build, shop: Target, assembler: FakeAssembler, damage: str
) -> None:
    build(shop)
    path: Path = getattr(shop, damage)
    path.write_bytes(b"changed")
    build(shop)
    assert assembler.asked[1]["previous"] is None
    assert record(shop)["sha256"] == pex_file.digest(shop.output)


def test_a_build_that_fails_leaves_the_previous_binary(build: Build, shop: Target, assembler: FakeAssembler) -> None:
    build(shop)
    before = {path.name: path.read_bytes() for path in shop.directory.iterdir()}

    def fail() -> None:
        raise NoxPexError("build-failed", "pex could not build shop", "read this")

    assembler.during = fail
    with pytest.raises(NoxPexError):
        build(shop, force=True)
    assert {path.name: path.read_bytes() for path in shop.directory.iterdir()} == before


def test_a_file_that_is_edited_during_the_build_counts_as_changed(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    assembler.during = lambda: _write(shop.project.root / "main.py", "def main(): return 1\n")
    build(shop)
    assembler.during = lambda: None
    build(shop)
    assert len(assembler.asked) == 2
    assert "pex: rebuilding shop: main.py changed" in shown


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def test_directories_of_builds_that_were_killed_are_removed(
    build: Build, shop: Target, assembler: FakeAssembler
) -> None:
    shop.directory.mkdir()
    for name in (".shop.pex.abandoned", ".shop.pex.in-use", ".other.pex.abandoned"):
        (shop.directory / name).mkdir()
    with locks.try_lock(shop.directory / ".shop.pex.in-use"):
        build(shop)
    assert assembler.asked[0]["directory"].name.startswith(".shop.pex.")
    assert sorted(path.name for path in shop.directory.iterdir() if path.is_dir()) == [
        ".other.pex.abandoned",
        ".shop.pex.in-use",
    ]


def test_the_lock_of_the_binary_is_held_during_the_build(build: Build, shop: Target, assembler: FakeAssembler) -> None:
    seen: list[bool] = []

    def look() -> None:
        with locks.try_lock(shop.state_file("lock")) as free:
            seen.append(free)

    assembler.during = look
    build(shop)
    assert seen == [False]


def test_binaries_with_the_same_sources_read_them_once_to_compare_them(
    make_provisioner: MakeProvisioner,
    environment: FakeEnvironment,
    shop: Target,
    assembler: FakeAssembler,
    shown: list[str],
) -> None:
    builder = Builder(provisioner=make_provisioner(), force=False)
    builder.build(shop, environment.installed())
    (shop.project.root / "main.py").write_text("def main(): return 1\n", "utf-8")
    builder.build(shop, environment.installed())  # this builder does not look again
    assert len(assembler.asked) == 1
    builder.build(replace(shop, suffix="-py3.12"), environment.installed())  # but a build does
    assert len(assembler.asked) == 2
    assert assembler.asked[1]["files"].digests != assembler.asked[0]["files"].digests
    assert shown[-1].endswith("(dist/shop-py3.12.pex)")


def test_the_user_sees_which_sources_ship_and_which_do_not(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str]
) -> None:
    for name in ["wares/__init__.py", "wares/stock.txt", *(f"module_{number:02}.py" for number in range(14))]:
        (shop.project.root / name).parent.mkdir(exist_ok=True)
        (shop.project.root / name).touch()
    (shop.project.root / "templates").mkdir()
    (shop.project.root / "templates" / "index.html").touch()
    build(shop)
    (sources,) = [line for line in shown if line.startswith("pex: sources: ")]
    assert sources.startswith("pex: sources: main.py, module_00.py, ")
    assert sources.endswith("module_10.py and 4 more")
    (left_out,) = [outside_text.message(line) for line in shown if line.startswith("pex: left out: ")]
    assert left_out.startswith("pex: left out: templates/ (in no package); ")
    assert left_out.endswith(':\n[tool.nox-pex.binary.shop.sources]\ninclude = ["templates/"]')
    assert record(shop)["left-out"] == [{"path": "templates/", "reason": "in no package", "include": "templates/"}]
    assert len(assembler.asked) == 1


@pytest.mark.skipif(shutil.which("git") is None, reason="Git is not installed")
def test_the_record_of_an_unchanged_binary_is_kept_current(
    make_provisioner: MakeProvisioner, environment: FakeEnvironment, shop: Target, assembler: FakeAssembler
) -> None:
    provisioner = make_provisioner()
    provisioner = replace(provisioner, shell=replace(provisioner.shell, environ={"PATH": os.environ["PATH"]}))

    def go(target: Target, shelf: str = "") -> dict[str, Any]:
        """Build as a new process does; the library is a path dependency if `shelf` is its path."""
        paths = {"idna": shelf, "dev-only": "../nowhere"} if shelf else {}
        Builder(provisioner=provisioner, force=False).build(target, environment.installed(paths=paths))
        return record(target)

    before = go(shop)
    assert before["git"] is None
    written = shop.record.stat().st_mtime_ns
    assert go(shop) == before
    assert shop.record.stat().st_mtime_ns == written  # there is nothing to write

    repository = GitRepository(root=shop.project.root, environ=os.environ)
    shop.project.file.touch()
    (shop.project.root / "README.md").touch()
    first = repository.commit()
    binary = shop.output.stat()
    assert go(shop) == {**before, "git": {"commit": first, "dirty": False}}
    (shop.project.root / "README.md").write_text("# Shop", "utf-8")
    assert go(shop)["git"] == {"commit": first, "dirty": True}
    second = repository.commit()
    assert go(shop)["git"] == {"commit": second, "dirty": False}

    (shop.project.root.parent / "shelf").mkdir()
    assert go(shop, shelf="../shelf")["git"] == {"commit": second, "dirty": True}  # the dependency is in no commit

    newer = replace(shop, project=replace(shop.project, version="2.0"))
    assert go(newer) == {**before, "version": "2.0", "git": {"commit": second, "dirty": False}}
    assert len(assembler.asked) == 1
    assert shop.output.stat() == binary
    (shop.project.root / "main.py").write_text("def main(): return 1\n", "utf-8")
    assert go(newer)["git"] == {"commit": second, "dirty": True}
    assert len(assembler.asked) == 2
