"""Files in `dist` and in the state that are not as nox-pex left them, and things that are no files at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from tests.unit.pex import test_builder
from tests.unit.pex.test_builder import MISSING, Build, FakeAssembler, _write, record

assembler, shop, build = test_builder.assembler, test_builder.shop, test_builder.build


@pytest.mark.parametrize("layout", ["zipapp", "loose"])
def test_a_binary_that_was_changed_together_with_its_record_is_built_again_from_scratch(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str], layout: str
) -> None:
    build(shop)
    original = shop.output.read_bytes()
    if layout == "loose":
        shop.output.unlink()
        shop.output.mkdir()
        _write(shop.output / "evil.py", "")
    else:
        shop.output.write_bytes(b"evil")
    changed = {"sha256": pex_file.digest(shop.output), "size": pex_file.size(shop.output)}
    shop.record.write_text(json.dumps({**record(shop), **changed}), "utf-8")
    _write(shop.project.root / "main.py", "def main(): return 1\n")
    build(shop)
    assert "pex: rebuilding shop: the file and its build record were changed after it was built" in shown
    assert assembler.asked[1]["previous"] is None
    _write(shop.project.root / "main.py", "def main(): ...\n")
    build(shop)
    assert assembler.asked[2]["previous"] == shop.output
    assert shop.output.read_bytes() == original


@pytest.mark.parametrize("key", ["disagreements", "distributions", "left-out", "seconds", "new"])
def test_nothing_that_was_written_into_the_record_survives(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str], key: str
) -> None:
    assembler.disagreements = (MISSING,)
    build(shop)
    original = record(shop)
    shop.record.write_text(json.dumps({**original, key: [] if key != "seconds" else {"pex": 0.0}}), "utf-8")
    _write(shop.project.root / "main.py", "def main(): return 1\n")
    build(shop)
    assert "pex: rebuilding shop: its build record was changed after it was built" in shown
    assert assembler.asked[1]["previous"] is None
    now = record(shop)
    assert now.keys() == original.keys()
    assert all(now[name] == original[name] for name in ("disagreements", "distributions", "left-out", "seconds"))


@pytest.mark.parametrize("state", ["missing", "nonsense", "of another binary"])
def test_a_binary_whose_last_build_is_not_known_is_built_again_from_scratch(
    build: Build, shop: Target, assembler: FakeAssembler, shown: list[str], state: str
) -> None:
    build(shop)
    file = shop.state_file("build.json")
    if state == "missing":
        file.unlink()
    elif state == "nonsense":
        file.write_bytes(b'{"binary": ' * 100_000)
    else:
        other = replace(shop, suffix="-py3.12")
        _write(shop.project.root / "more.py", "")
        build(other)
        (shop.project.root / "more.py").unlink()
        shutil.copy(other.state_file("build.json"), file)
    shown.clear()
    build(shop)
    assert assembler.asked[-1]["previous"] is None
    expected = "the file and its build record were changed after it was built"
    assert shown[0] == f"pex: rebuilding shop: {expected if state == 'of another binary' else LAST_UNKNOWN}"
    build(shop)
    assert shown[-1].startswith("pex: shop unchanged")


LAST_UNKNOWN = "its last build is not known here"


def _fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def _device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def _dangling(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("nowhere")


def _rubbish(path: Path) -> None:
    path.unlink(missing_ok=True)
    (path / "a" / "b").mkdir(parents=True)
    os.mkfifo(path / "a" / "fifo")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(17 << 30)


@pytest.mark.parametrize("put", [_fifo, _loop, _device, _dangling, _rubbish, _sparse])
def test_whatever_is_in_the_place_of_the_binary_is_replaced(
    build: Build, shop: Target, assembler: FakeAssembler, put: Callable[[Path], None]
) -> None:
    shop.directory.mkdir()
    put(shop.output)
    build(shop)
    original = shop.output.read_bytes()
    put(shop.output)
    build(shop)
    assert shop.output.read_bytes() == original
    assert not shop.output.is_symlink()
    assert len(assembler.asked) == 2


@pytest.mark.parametrize("put", [_fifo, _loop, _device, _dangling, _sparse])
@pytest.mark.parametrize("which", ["record", "state"])
@pytest.mark.usefixtures("assembler")
def test_whatever_is_in_the_place_of_the_record_or_the_state_is_replaced(
    build: Build, shop: Target, shown: list[str], put: Callable[[Path], None], which: str
) -> None:
    build(shop)
    original = record(shop)
    put(shop.record if which == "record" else shop.state_file("build.json"))
    build(shop)
    assert {**record(shop), "built": None} == {**original, "built": None}  # it was built again later
    build(shop)
    assert shown[-1].startswith("pex: shop unchanged")


def test_a_directory_in_the_place_of_the_record_is_an_error_before_the_build(
    build: Build, shop: Target, assembler: FakeAssembler
) -> None:
    _rubbish(shop.record)
    with pytest.raises(NoxPexError, match="a directory with this name exists; move the directory away"):
        build(shop)
    assert assembler.asked == []
