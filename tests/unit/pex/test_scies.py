"""The scies of a binary. A fake shell takes the place of pex, which makes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions import pex_file, scie_file
from nox_pex.errors import NoxPexError
from nox_pex.pex import assemble, scies
from nox_pex.pex.builder import Builder
from nox_pex.pex.target import Target
from nox_pex.system import files
from nox_pex.tools import pinned
from tests.support.fake_environment import FakeEnvironment
from tests.support.small_scie import PYTHON
from tests.unit.pex.conftest import Act, MakeProvisioner, MakeTarget, write_pex, write_scies
from tests.unit.pex.test_builder import FakeAssembler

Build = Callable[..., list[tuple[str, ...]]]
NAME = "shop-linux-x86_64"


@pytest.fixture
def assembler(monkeypatch: pytest.MonkeyPatch) -> FakeAssembler:
    fake = FakeAssembler()
    monkeypatch.setattr(assemble, "Assembler", fake)
    monkeypatch.setattr(pinned, "provide_pex", lambda *_args, **_options: Path("/tools/python"))
    return fake


@pytest.fixture
def shop(make_target: MakeTarget) -> Callable[..., Target]:
    """A binary with a scie, or with other keys."""

    def make(**table: Any) -> Target:
        target = make_target(**table)
        (target.project.root / "main.py").write_text("def main(): ...\n", "utf-8")
        return target

    return make


@pytest.fixture
def build(make_provisioner: MakeProvisioner, environment: FakeEnvironment, assembler: FakeAssembler) -> Build:
    """Build a target as a new process does, and return the command lines that made scies."""
    assert assembler.asked == []

    def go(target: Target, *, act: Act = write_pex, force: bool = False) -> list[tuple[str, ...]]:
        ran: list[tuple[str, ...]] = []
        Builder(provisioner=make_provisioner(act, ran), force=force).build(target, environment.installed())
        return [argv for argv in ran if "create" in argv]

    return go


def recorded(target: Target) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(target.record.read_text("utf-8")).get("scies", [])
    return found


def test_a_scie_is_built_with_its_record(build: Build, shop: Callable[..., Target], shown: list[str]) -> None:
    target = shop(scie="eager")
    assert len(build(target)) == 1
    path = target.directory / NAME
    (entry,) = recorded(target)
    assert entry == {
        "file": NAME,
        "platform": "linux-x86_64",
        "sha256": files.digest(path),
        "size": path.stat().st_size,
        "python": PYTHON,
    }
    pex = scie_file.read(path).pex
    assert pex is not None
    assert pex.sha256 == pex_file.digest(target.output)
    assert f"pex: scie {NAME}, 0.0 MB, {PYTHON} (dist/{NAME})" in shown
    assert build(target) == []
    assert shown[-1].startswith("pex: shop unchanged")
    assert sorted(path.name for path in target.directory.iterdir()) == [
        *(NAME, f"{NAME}.sha256"),
        *("shop.pex", "shop.pex.json", "shop.pex.sha256"),
    ]


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_only_the_scie_is_made_again_if_only_it_is_damaged(
    build: Build, shop: Callable[..., Target], assembler: FakeAssembler, shown: list[str], damage: str
) -> None:
    target = shop(scie="eager")
    build(target)
    path = target.directory / NAME
    before = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"another file")
    assert len(build(target)) == 1
    assert path.read_bytes() == before
    assert len(assembler.asked) == 1
    assert "pex: shop unchanged, but not its scie: " in "\n".join(shown)
    assert build(target) == []


def test_a_record_whose_scies_were_edited_is_not_believed(
    build: Build, shop: Callable[..., Target], assembler: FakeAssembler, shown: list[str]
) -> None:
    target = shop(scie="eager")
    build(target)
    record = json.loads(target.record.read_text("utf-8"))
    for scies_in_record in ([], [{"file": "../../x"}, "nonsense"], None, [{**record["scies"][0], "sha256": "0" * 64}]):
        target.record.write_text(json.dumps({**record, "scies": scies_in_record}), "utf-8")
        assert len(build(target)) == 1
        assert recorded(target) == record["scies"]
        assert build(target) == []
    assert len(assembler.asked) == 5
    assert "pex: rebuilding shop: its build record was changed after it was built" in shown
    assert "pex: rebuilding shop: no build record next to it" in shown  # it has another form


def test_a_change_of_its_settings_alone_leaves_the_pex(
    build: Build, shop: Callable[..., Target], assembler: FakeAssembler
) -> None:
    build(shop(scie="eager"))
    build(shop(scie="lazy"))
    target = shop(scie="lazy", pex_args=["--scie-platform=linux-aarch64", "--scie-platform=linux-s390x"])
    build(target)
    assert [entry["platform"] for entry in recorded(target)] == ["linux-aarch64", "linux-s390x"]
    assert not (target.directory / NAME).exists()
    assert len(assembler.asked) == 1


def test_a_program_that_an_option_names_is_an_input(build: Build, shop: Callable[..., Target]) -> None:
    target = shop(scie="eager", pex_args=["--scie-science-binary", "tools/science"])
    program = target.project.root / "tools" / "science"
    program.parent.mkdir()
    program.write_text("one", "utf-8")
    (argv,) = build(target)
    assert f"--scie-science-binary={program}" in argv
    assert build(target) == []
    program.write_text("two", "utf-8")
    assert len(build(target)) == 1


def test_an_edit_of_the_sources_is_incremental_and_reaches_the_scie(
    build: Build, shop: Callable[..., Target], assembler: FakeAssembler
) -> None:
    target = shop(scie="eager")
    build(target)
    (target.project.root / "main.py").write_text("def main(): return 1\n", "utf-8")
    (target.directory / NAME).unlink()
    assert len(build(target)) == 1
    assert [asked["previous"] for asked in assembler.asked] == [None, target.output]


def test_without_the_setting_the_scie_is_removed_unless_it_was_changed(
    build: Build, shop: Callable[..., Target], assembler: FakeAssembler, shown: list[str]
) -> None:
    platforms = ("linux-aarch64", "linux-s390x", "linux-riscv64")
    build(shop(scie="eager", pex_args=[f"--scie-platform={each}" for each in platforms]))
    target = shop()
    (target.directory / "shop-linux-riscv64").unlink()
    kept = target.directory / "shop-linux-s390x"
    kept.write_bytes(b"another file")
    assert build(target) == []
    assert "pex: removed shop-linux-aarch64, which the settings no longer ask for" in shown
    assert not (target.directory / "shop-linux-aarch64").exists()
    assert kept.exists()
    assert [path.name for path in sorted(target.directory.glob("*.sha256"))] == ["shop.pex.sha256"]
    assert "scies" not in json.loads(target.record.read_text("utf-8"))
    assert len(assembler.asked) == 1
    assert build(target) == []


@pytest.mark.parametrize("first", [True, False])
def test_a_scie_that_cannot_be_made_leaves_everything_as_it_was(
    build: Build, shop: Callable[..., Target], *, first: bool
) -> None:
    target = shop(scie="eager")
    if not first:
        build(target)
        (target.project.root / "main.py").write_text("def main(): return 1\n", "utf-8")
    before = {path.name: files.digest(path) for path in sorted(target.directory.glob("*"))}

    def refuse(argv: list[str]) -> None:
        if "create" in argv:
            write_scies(argv)
            msg = "no space for the second one"
            raise OSError(msg)

    with pytest.raises(NoxPexError, match="no space for the second one") as caught:
        build(target, act=refuse)
    assert caught.value.code == "build-failed"
    assert {path.name: files.digest(path) for path in sorted(target.directory.glob("*"))} == before


def test_a_directory_in_its_place_is_an_error(build: Build, shop: Callable[..., Target]) -> None:
    target = shop(scie="eager")
    (target.directory / NAME / "of the user").mkdir(parents=True)
    with pytest.raises(NoxPexError, match="a directory with this name exists") as caught:
        build(target)
    assert caught.value.code == "os-error"
    assert (target.directory / NAME / "of the user").exists()
    assert not target.output.exists()


def test_a_record_cannot_name_files_elsewhere() -> None:
    entries = [{"file": name, "platform": "linux-x86_64", "sha256": "0" * 64} for name in ("../x", "/etc/passwd", NAME)]
    assert [each.file for each in scies.recorded({"scies": entries}, stem="shop")] == [NAME]
    for nonsense in (None, 1, "text", [1, None], {"file": NAME}):
        assert scies.recorded({"scies": nonsense}, stem="shop") == ()


def test_the_scie_for_this_machine_is_found() -> None:
    here = scie_file.this_platform()
    entries = [{"file": f"shop-{name}", "platform": "wrong", "sha256": "0" * 64} for name in ("windows-aarch64", here)]
    found = scies.recorded({"scies": entries}, stem="shop")
    chosen = scies.for_this_machine(found)
    assert chosen is not None
    assert chosen.file == f"shop-{here}"
    assert scies.for_this_machine(found[:1]) is None


def test_a_name_with_dots_keeps_them(make_target: MakeTarget, build: Build) -> None:
    target = make_target(suffix="-py3.11", scie="eager")
    build(target)
    assert (target.directory / "shop-py3.11-linux-x86_64").exists()


def test_a_binary_without_a_scie_has_no_inputs_for_one(make_target: MakeTarget) -> None:
    assert scies.inputs_of(make_target()) == {}
