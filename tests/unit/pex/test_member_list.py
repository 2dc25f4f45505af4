from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from nox_pex.pex import checksums, member_list
from nox_pex.pex.member_list import CURRENT, PREVIOUS, PREVIOUS_SMOKE
from nox_pex.pex.target import Target
from nox_pex.system import files
from nox_pex.system.secrets import Secrets
from tests.support import pex_files
from tests.support.small_pex import SmallPex
from tests.unit.pex.conftest import MakeTarget

WHEEL = "redis-6.0-py3-none-any.whl"


def record(sha256: str, **values: Any) -> dict[str, Any]:
    return {"sha256": sha256 * 64, "size": 7, "version": "1.0", **values}


def build(target: Target, sha256: str, pex: SmallPex | None = None) -> None:
    """Do what a build does with the list of its binary."""
    path = (pex or SmallPex()).write(target.directory / "built")
    found = member_list.of_binary(path, known=target.state_file(CURRENT))
    member_list.keep(target, found, record(sha256), secrets=Secrets())


def kept(target: Target, ending: str) -> str | None:
    """The first character of the SHA-256 of a list that is kept."""
    header = member_list.read_header(target.state_file(ending))
    return None if header is None else header.sha256[0]


@pytest.fixture
def target(make_target: MakeTarget) -> Target:
    target = make_target()
    target.directory.mkdir(parents=True)
    return target


def test_the_list_of_a_file_is_its_central_directory(target: Target) -> None:
    pex = SmallPex(sources={"main.py": b"print()\n"})
    build(target, "a", pex)

    found = member_list.read(target.state_file(CURRENT))
    assert found is not None
    header, members = found
    assert (header.sha256, header.size, header.file, header.version) == ("a" * 64, 7, "shop.pex", "1.0")
    (archive, directory), (info, text) = members.blobs
    assert (archive.name, archive.kind, info.kind) == ("", "archive", "info")
    assert json.loads(text) == pex.info()
    listed = {name: (fields.size, fields.crc) for name, fields in member_list.members_in(directory)}
    with zipfile.ZipFile(target.directory / "built") as written:
        wanted = {each.filename: (each.file_size, each.CRC) for each in written.infolist() if not each.is_dir()}
    assert listed == wanted


def test_the_last_build_becomes_the_previous_one(target: Target) -> None:
    build(target, "a")
    assert (kept(target, CURRENT), kept(target, PREVIOUS)) == ("a", None)
    build(target, "b")
    assert (kept(target, CURRENT), kept(target, PREVIOUS)) == ("b", "a")
    build(target, "b")  # `--force`, and the same bytes
    assert (kept(target, CURRENT), kept(target, PREVIOUS)) == ("b", "a")
    build(target, "a")
    assert (kept(target, CURRENT), kept(target, PREVIOUS)) == ("a", "b")


def test_a_build_that_is_killed_between_two_steps_is_made_up_for_by_the_next(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(target, "a")
    with monkeypatch.context() as killed:
        killed.setattr(files, "write_pieces", _fail)
        with pytest.raises(KeyboardInterrupt):
            build(target, "b")
    assert (kept(target, CURRENT), kept(target, PREVIOUS)) == (None, "a")
    build(target, "b")
    assert (kept(target, CURRENT), kept(target, PREVIOUS)) == ("b", "a")


def _fail(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("damage", [b"", b"{}", b"\x00" * 100, b"[" * 100_000, b'{"format": 99}\n', b'{"format": 1}\n'])
def test_a_damaged_list_is_replaced(target: Target, damage: bytes) -> None:
    build(target, "a")
    for ending in (CURRENT, PREVIOUS):
        target.state_file(ending).write_bytes(damage)
        assert member_list.read(target.state_file(ending)) is None
        assert member_list.read_header(target.state_file(ending)) is None
    build(target, "b")
    assert (kept(target, CURRENT), kept(target, PREVIOUS)) == ("b", None)


def test_a_list_that_is_cut_off_is_no_list(target: Target) -> None:
    build(target, "a")
    file = target.state_file(CURRENT)
    file.write_bytes(file.read_bytes()[:-1])
    assert member_list.read(file) is None


@pytest.mark.parametrize("damage", [b"PK\x01\x02", b"PK\x01\x02" + b"\xff" * 42, b"x" * 46])
def test_a_damaged_central_directory_is_a_value_error(damage: bytes) -> None:
    with pytest.raises(ValueError, match="central directory is"):
        member_list.members_in(damage)


def test_wheels_in_the_file_have_lists_and_an_unchanged_one_is_not_unpacked_again(target: Target) -> None:
    wheel = pex_files.wheel({"redis/client.py": "client = 1\n"})
    pex = SmallPex(library=False, stored={WHEEL: wheel}, values={"deps_are_wheel_files": True})
    build(target, "a", pex)
    found = member_list.read(target.state_file(CURRENT))
    assert found is not None
    blob, directory = found[1].blobs[-1]
    assert (blob.name, blob.crc) == (f".deps/{WHEEL}", zlib.crc32(wheel))
    assert [name for name, _ in member_list.members_in(directory)] == ["redis/client.py"]

    path = pex.write(target.directory / "again")
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(f".deps/{WHEEL}").header_offset
    with path.open("r+b") as file:
        file.seek(start + 80)
        file.write(b"\xff" * 20)  # it cannot be unpacked
    again = member_list.of_binary(path, known=target.state_file(CURRENT))
    assert again is not None
    assert again.blobs[-1] == (blob, directory)


def test_a_directory_has_the_sizes_and_the_checksums_of_its_files(target: Target) -> None:
    SmallPex(sources={"main.py": b"print()\n"}).write(target.directory / "zipped")
    with zipfile.ZipFile(target.directory / "zipped") as archive:
        archive.extractall(target.output)
    (target.output / "pex").symlink_to("__main__.py")
    checksums.of_file(target.output).write_text(checksums.text(target.output, ""), "utf-8")

    members = member_list.of_binary(target.output, known=target.state_file(CURRENT))
    assert members is not None
    assert members.sizes["main.py"] == len(b"print()\n")
    assert "pex" not in members.sizes
    member_list.keep(target, members, record("a"), secrets=Secrets())
    found = member_list.read(target.state_file(CURRENT))
    assert found is not None
    assert [blob.kind for blob, _ in found[1].blobs] == ["info", "checksums"]
    assert found[1].sizes == members.sizes
    assert found[1].links == {"pex": "__main__.py"}


def test_an_archive_with_more_than_65_535_members_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "large.pex"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PEX-INFO", "{}")
        for number in range(65_600):
            archive.writestr(str(number), b"")
    found = member_list.of_binary(path, known=tmp_path / "none")
    assert found is not None
    assert len(member_list.members_in(found.blobs[0][1])) == 65_601


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, 9, 9, 0)])
def test_a_file_of_another_form_has_no_list_and_the_old_one_goes(target: Target, content: bytes) -> None:
    build(target, "a")
    (target.directory / "odd").write_bytes(content)
    found = member_list.of_binary(target.directory / "odd", known=target.state_file(CURRENT))
    assert found is None
    member_list.keep(target, found, record("b"), secrets=Secrets())
    assert (kept(target, CURRENT), kept(target, PREVIOUS)) == (None, "a")


def test_the_smoke_result_of_the_replaced_binary_is_kept(target: Target) -> None:
    build(target, "a")
    target.file("smoke.json").write_text('{"of": "a"}', "utf-8")
    build(target, "a")
    assert not target.state_file(PREVIOUS_SMOKE).exists()
    build(target, "b")
    assert target.state_file(PREVIOUS_SMOKE).read_text("utf-8") == '{"of": "a"}'
    target.file("smoke.json").unlink()
    target.file("smoke.json").mkdir()
    build(target, "c")  # whatever is in its place
    assert kept(target, CURRENT) == "c"
