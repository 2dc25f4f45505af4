from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.contents import difference as differences
from nox_pex.contents import previous, read
from nox_pex.contents.compare import compare
from nox_pex.contents.model import BinaryContents
from nox_pex.pex import checksums, member_list
from nox_pex.pex.target import Target
from nox_pex.system.secrets import Secrets
from tests.support import pex_files
from tests.support.small_pex import SmallPex
from tests.support.targets import target_of
from tests.unit.contents.conftest import NEW, OLD, wheel_files
from tests.unit.contents.test_read import packed, unpacked

Build = Callable[..., str]


@pytest.fixture
def target(tmp_path: Path) -> Target:
    found = target_of(tmp_path / "x", root=tmp_path / "project", name="shop")
    found.directory.mkdir(parents=True)
    return found


@pytest.fixture
def build(target: Target) -> Build:
    """Put a binary into `dist` and its list into the state, as a build does; return its SHA-256."""

    def build(write: Callable[[Path], object], **record: Any) -> str:
        write(target.output)
        checksums.of_file(target.output).write_text(checksums.text(target.output, ""), "utf-8")
        found = read.read(target.output)
        members = member_list.of_binary(target.output, known=target.state_file(member_list.CURRENT))
        assert members is not None
        member_list.keep(target, members, {"sha256": found.sha256, "size": found.size, **record}, secrets=Secrets())
        return found.sha256

    return build


def comparable(contents: BinaryContents) -> dict[str, list[tuple[str, int, int]]]:
    return {
        f"{group.kind} {group.name} {group.version} {group.stored}": sorted(
            (file.path, file.size, file.stored) for file in group.files
        )
        for group in contents.groups
    }


def test_the_list_has_what_the_file_had(target: Target, build: Build) -> None:
    build(OLD.write, version="1.0", git={"commit": "c", "dirty": True}, built={"finished": "2026-11-26T16:40:00Z"})
    before = read.read(target.output)
    build(NEW.write)

    found = previous.read(target, sha256=read.read(target.output).sha256)
    assert found is not None
    assert comparable(found) == comparable(before)
    assert (found.file, found.sha256, found.size, found.layout) == ("shop.pex", before.sha256, before.size, "zipapp")
    assert (found.entry_point, found.constraints, found.settings) == (
        before.entry_point,
        before.constraints,
        before.settings,
    )
    assert (found.build.version, found.build.commit, found.build.dirty) == ("1.0", "c", True)
    assert not found.complete


def test_a_file_compares_with_the_list_as_with_the_file(target: Target, build: Build, tmp_path: Path) -> None:
    build(OLD.write)
    sha256 = build(NEW.write)
    found = previous.read(target, sha256=sha256)
    assert found is not None
    new = read.read(target.output, digests=False)
    by_list, by_file = (
        compare(found, new),
        compare(read.read(OLD.write(tmp_path / "old.pex")), read.read(target.output)),
    )
    assert (by_list.by, by_file.by) == ("crc32", "sha256")
    assert by_list.distributions == by_file.distributions
    assert differences.own_code(by_list) == differences.own_code(by_file)
    assert by_list.settings == by_file.settings


@pytest.mark.parametrize("make", [unpacked, packed])
def test_the_list_of_a_directory_has_what_the_directory_had(
    target: Target, build: Build, tmp_path: Path, make: Callable[[Path, Path], Path]
) -> None:
    zipped = OLD.write(tmp_path / "zipped")
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr("odd\\name\nof a file.txt", "odd\n")
    build(lambda path: make(zipped, path))
    before = read.read(target.output)

    found = previous.read(target, sha256="0" * 64)
    assert found is not None
    assert comparable(found) == comparable(before)
    assert found.layout == before.layout
    difference = compare(found, before)
    assert list(difference.groups) == []
    assert difference.is_same


def test_wheels_in_the_file_are_compared_file_by_file(target: Target, build: Build) -> None:
    def pex(text: bytes) -> SmallPex:
        wheel = pex_files.wheel(wheel_files("redis", "6.0", client=text))
        values = {"deps_are_wheel_files": True}
        return SmallPex(library=False, stored={"redis-6.0-py3-none-any.whl": wheel}, values=values)

    build(pex(b"client = 1\n").write)
    before = read.read(target.output)
    sha256 = build(pex(b"client = 22\n").write)
    found = previous.read(target, sha256=sha256)
    assert found is not None
    assert comparable(found) == comparable(before)
    (changed,) = compare(found, read.read(target.output, digests=False)).distributions
    assert [file.path for file in changed.files] == ["redis/client.py"]


def test_it_is_the_last_build_with_other_bytes(target: Target, build: Build) -> None:
    first = build(OLD.write)
    assert previous.read(target, sha256=first) is None
    other = previous.read(target, sha256="0" * 64)  # of a file that was not built here
    assert other is not None
    assert other.sha256 == first
    second = build(NEW.write)
    found = previous.read(target, sha256=second)
    assert found is not None
    assert found.sha256 == first


def test_boots_of_the_previous_build_are_known_if_the_result_was_about_it(target: Target, build: Build) -> None:
    first = build(OLD.write)
    boots = [{"condition": "cold", "state": "passed", "ready-after": 2.5}]
    target.file("smoke.json").write_text(json.dumps({"sha256": first, "conditions": boots}), "utf-8")
    second = build(NEW.write)
    found = previous.read(target, sha256=second)
    assert found is not None
    assert [boot.ready_after for boot in found.boots] == [2.5]

    third = build(SmallPex().write)  # no smoke test of the second one: the result in `dist` is about the first
    found = previous.read(target, sha256=third)
    assert found is not None
    assert (found.sha256, found.boots) == (second, ())


@pytest.mark.parametrize("at", [0.05, 0.5, 0.9])
def test_a_list_with_damaged_bytes_is_none_or_another_list_and_never_an_error(
    target: Target, build: Build, at: float
) -> None:
    build(OLD.write)
    file = target.state_file(member_list.CURRENT)
    content = file.read_bytes()
    for byte in range(0, 256, 15):
        damaged = bytearray(content)
        for place in range(int(len(content) * at), len(content), 97):
            damaged[place] = byte
        file.write_bytes(damaged)
        found = previous.read(target, sha256=hashlib.sha256(damaged).hexdigest())
        assert found is None or found.file_count >= 0


@pytest.mark.parametrize("size", [10**400, -1])
def test_a_list_with_sizes_that_no_file_has_counts_as_none(target: Target, build: Build, size: int) -> None:
    build(OLD.write)
    file = target.state_file(member_list.CURRENT)
    header, _, rest = file.read_bytes().partition(b"\n")
    for changes in ({"size": size}, {"sizes": {"a": size}}):
        file.write_bytes(json.dumps({**json.loads(header), **changes}).encode() + b"\n" + rest)
        assert previous.read(target, sha256="0" * 64) is None


def test_no_list(target: Target) -> None:
    assert previous.read(target, sha256="0" * 64) is None
