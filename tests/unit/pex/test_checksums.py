"""The checksum files, as `sha256sum -c` reads them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.pex import build_record, checksums
from nox_pex.pex.build_record import LastBuild
from nox_pex.pex.target import Target
from tests.unit.pex.conftest import MakeTarget

Ship = Callable[..., dict[str, Any]]


@pytest.fixture
def target(make_target: MakeTarget) -> Target:
    target = make_target()
    target.directory.mkdir(parents=True, exist_ok=True)
    return target


def check(directory: Path, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sha256sum", "--strict", "-c", name], cwd=directory, capture_output=True, text=True, check=False
    )


def record_of(target: Target) -> dict[str, Any]:
    return {"sha256": pex_file.digest(target.output)}


def last(contents: dict[str, str]) -> LastBuild:
    return LastBuild(contents=contents, record="0" * 64, inputs={})


def test_the_checksum_is_what_sha256sum_takes(target: Target) -> None:
    target.output.write_bytes(b"a PEX")
    record = record_of(target)
    contents = checksums.write(target, record)
    checksum = checksums.of_file(target.output)
    assert checksum.name == f"{target.output.name}.sha256"
    assert checksum.read_text("utf-8") == f"{record['sha256']}  {target.output.name}\n"
    assert check(target.directory, checksum.name).returncode == 0
    assert checksums.are_current(target, record, last(contents))


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("x  y\n", "utf-8")])
def test_a_missing_or_changed_checksum_is_not_current(target: Target, damage: Callable[[Path], None]) -> None:
    target.output.write_bytes(b"a PEX")
    contents = checksums.write(target, record_of(target))
    damage(checksums.of_file(target.output))
    assert not checksums.are_current(target, record_of(target), last(contents))


def test_a_directory_has_a_line_for_each_file_in_it(target: Target) -> None:
    for name in ("__main__.py", ".deps/a b/module.py", ".deps/odd\nna\\me\r.py"):
        file = target.output / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, "utf-8")
    checksums.write(target, record_of(target))
    checksum = checksums.of_file(target.output)
    assert len(checksum.read_text("utf-8").splitlines()) == 3
    assert check(target.directory, checksum.name).returncode == 0
    (target.output / "__main__.py").write_text("changed", "utf-8")
    assert check(target.directory, checksum.name).returncode == 1


def test_a_scie_has_a_checksum_too(target: Target) -> None:
    scie = target.directory / f"{target.stem}-linux-x86_64"
    target.output.write_bytes(b"a PEX")
    scie.write_bytes(b"a scie")
    record = {**record_of(target), "scies": [{"file": scie.name, "sha256": pex_file.digest(scie)}]}
    contents = checksums.write(target, record)
    assert set(contents) == {f"{target.output.name}.sha256", f"{scie.name}.sha256"}
    assert check(target.directory, f"{scie.name}.sha256").returncode == 0
    checksums.of_file(scie).unlink()
    assert not checksums.are_current(target, record, last(contents))


def test_a_directory_in_the_place_of_a_checksum_is_an_error(target: Target) -> None:
    checksums.of_file(target.output).mkdir()
    with pytest.raises(NoxPexError) as caught:
        checksums.remove(target)
    assert caught.value.code == "os-error"
    assert build_record.read(target.record) == {}
