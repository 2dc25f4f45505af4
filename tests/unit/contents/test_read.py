from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.contents import read
from nox_pex.contents.model import BinaryContents, Group
from nox_pex.errors import NoxPexError
from tests.support import pex_files
from tests.support.small_pex import LIBRARY, LIBRARY_FILES, SmallPex
from tests.support.small_scie import PYTHON, write_scie
from tests.unit.contents.conftest import NEW, OLD, wheel_files


def group(contents: BinaryContents, name: str) -> Group:
    (found,) = [each for each in contents.distributions if each.name == name]
    return found


def unpacked(pex: Path, into: Path) -> Path:
    """A PEX as a directory, as pex's layout `loose` has it."""
    with zipfile.ZipFile(pex) as archive:
        archive.extractall(into)
    (into / "pex").symlink_to("__main__.py")
    return into


def packed(pex: Path, into: Path) -> Path:
    """A PEX as a directory with an archive for each distribution, and one for the bootstrap."""
    unpacked(pex, into)
    for directory in (into / ".bootstrap", *(into / ".deps").iterdir()):
        files = {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}
        moved = directory.rename(into.parent / "moved")
        pex_files.archive(directory, files)
        moved.rename(into.parent / f"old-{directory.name}")
    return into


def test_the_files_of_a_zipapp_are_in_groups(tmp_path: Path) -> None:
    path = OLD.write(tmp_path / "shop.pex")
    found = read.read(path)

    assert (found.file, found.layout, found.is_scie, found.complete) == ("shop.pex", "zipapp", False, True)
    assert (found.sha256, found.size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    assert [(each.name, each.version) for each in found.distributions] == [
        ("celery", "5.4.0"),
        ("idna", "3.11"),
        ("kombu", "5.3"),
    ]
    assert [file.path for file in found.own.files] == ["gone.py", "main.py"]
    assert {file.path for file in found.runtime.files} > {"PEX-INFO", "__main__.py", "__pex__/__init__.py"}
    assert (found.entry_point, found.constraints, found.pex_version) == ("main:main", ("CPython==3.11.*",), "2.105.2")
    assert found.settings == {"inject_env": {}}
    assert found.overhead == found.size - sum(each.stored for each in found.groups)
    assert found.overhead > 0


def test_a_file_has_its_sizes_and_its_digests(tmp_path: Path) -> None:
    found = group(read.read(OLD.write(tmp_path / "shop.pex")), "idna")
    (core,) = [file for file in found.files if file.path == "idna/core.py"]

    content = LIBRARY_FILES["idna/core.py"]
    assert (core.size, core.crc) == (len(content), zlib.crc32(content))
    assert core.sha256 == hashlib.sha256(content).hexdigest()
    assert core.stored < core.size
    assert found.wheel == LIBRARY


def test_without_digests_no_content_is_read(tmp_path: Path) -> None:
    path = OLD.write(tmp_path / "shop.pex")
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(f".deps/{LIBRARY}/idna/core.py").header_offset
    with path.open("r+b") as file:
        file.seek(start + 100)
        file.write(b"\xff" * 4)

    found = read.read(path, digests=False)
    assert not found.complete
    assert {file.sha256 for each in found.groups for file in each.files} == {""}
    with pytest.raises(NoxPexError, match=r"idna/core\.py"):
        read.read(path)


@pytest.mark.parametrize("layout", ["loose", "packed"])
def test_a_directory_has_the_same_files_as_the_zipapp(tmp_path: Path, layout: str) -> None:
    whole = read.read(NEW.write(tmp_path / "shop.pex"))
    make = unpacked if layout == "loose" else packed
    found = read.read(make(tmp_path / "shop.pex", tmp_path / "directory.pex"))

    def digests(contents: BinaryContents) -> dict[tuple[str, str], str]:
        files = {(each.name, file.path): file.sha256 for each in contents.groups for file in each.files}
        return {key: digest for key, digest in files.items() if key != ("", "pex")}  # the link to the launcher

    assert found.layout == layout
    assert digests(found) == digests(whole)
    assert [(each.name, each.version) for each in found.distributions] == [
        (each.name, each.version) for each in whole.distributions
    ]


def test_wheels_that_are_stored_as_they_are_have_files(tmp_path: Path) -> None:
    wheel = pex_files.wheel(wheel_files("redis", "6.0", client=b"client = 1\n" * 400))
    pex = SmallPex(library=False, stored={"redis-6.0-py3-none-any.whl": wheel}, values={"deps_are_wheel_files": True})
    found = group(read.read(pex.write(tmp_path / "shop.pex")), "redis")

    assert [file.path for file in found.files] == ["redis-6.0.dist-info/METADATA", "redis/client.py"]
    assert all(file.sha256 for file in found.files)
    assert found.stored == len(wheel) > sum(file.stored for file in found.files)  # with the records of its archive


def test_a_scie_has_a_python_inside(tmp_path: Path) -> None:
    pex = OLD.write(tmp_path / "shop.pex")
    path = write_scie(tmp_path / "shop-linux-x86_64", pex.read_bytes())
    found = read.read(path)

    assert found.is_scie
    assert found.python is not None
    assert (found.python.file, found.python.included) == (PYTHON, True)
    assert (found.sha256, found.size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    assert [each.name for each in found.distributions] == ["celery", "idna", "kombu"]


def test_a_scie_without_a_pex_is_refused(tmp_path: Path) -> None:
    path = write_scie(tmp_path / "scie", OLD.write(tmp_path / "x").read_bytes(), changes={"name": "y", "key": "y"})
    with pytest.raises(NoxPexError, match="is a scie without a PEX") as caught:
        read.read(path)
    assert caught.value.code == "integrity"


def test_results_next_to_the_file_count_if_they_are_about_it(tmp_path: Path) -> None:
    path = OLD.write(tmp_path / "shop.pex")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    boots = [
        {"condition": "cold", "state": "passed", "ready-after": 2.5, "memory": 60_000_000, "checks": 1},
        {"condition": "offline", "state": "skipped", "ready-after": None, "memory": None},
        {"condition": "scie", "state": "passed", "ready-after": 0.5, "memory": 1},
    ]
    (tmp_path / "shop.smoke.json").write_text(json.dumps({"sha256": sha256, "conditions": boots}), "utf-8")
    record = {"sha256": sha256, "version": "1.4.0", "git": {"commit": "c" * 40, "dirty": True}}
    (tmp_path / "shop.pex.json").write_text(json.dumps(record), "utf-8")

    found = read.read(path)
    assert [(boot.condition, boot.ready_after, boot.memory) for boot in found.boots] == [
        ("cold", 2.5, 60_000_000),
        ("offline", None, None),
    ]
    assert (found.build.version, found.build.commit, found.build.dirty) == ("1.4.0", "c" * 40, True)

    replace(OLD, sources={"main.py": b"other"}).write(path)
    other = read.read(path)
    assert (other.boots, other.build.version) == ((), "")


def test_the_boot_of_a_scie_is_that_of_the_condition_scie(tmp_path: Path) -> None:
    path = write_scie(tmp_path / "shop-linux-x86_64", OLD.write(tmp_path / "shop.pex").read_bytes())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    boots = [{"condition": "cold", "state": "passed"}, {"condition": "scie", "state": "passed", "ready-after": 1.5}]
    smoke = {"sha256": "0" * 64, "scie": {"file": path.name, "sha256": sha256}, "conditions": boots}
    (tmp_path / "shop.smoke.json").write_text(json.dumps(smoke), "utf-8")

    found = read.read(path, smoke=tmp_path / "shop.smoke.json")
    assert [(boot.condition, boot.ready_after) for boot in found.boots] == [("scie", 1.5)]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "\x00",
        '{"sha256": 1}',
        '{"sha256": "SHA", "conditions": [{"condition": "cold", "state": "strange"}]}',
        '{"sha256": "SHA", "conditions": [{"condition": "cold", "state": "passed", "ready-after": -1}]}',
        '{"sha256": "SHA", "conditions": [{"condition": "cold", "state": "passed", "ready-after": NaN}]}',
        '{"sha256": "SHA", "conditions": [{"condition": "cold", "state": "passed", "memory": "much"}]}',
    ],
)
def test_a_result_in_another_form_is_no_result(tmp_path: Path, text: str) -> None:
    path = OLD.write(tmp_path / "shop.pex")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "shop.smoke.json").write_text(text.replace("SHA", sha256), "utf-8")
    assert read.read(path).boots == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is no ZIP archive"),
        (b"PK\x05\x06", "it is no ZIP archive"),
        (b"\x7fELF" + b"\0" * 10_000, "it is no ZIP archive"),
        (pex_files.wheel({"x.py": ""}), "it has no PEX-INFO"),
        (pex_files.wheel({"PEX-INFO": "[]"}), "its PEX-INFO cannot be read"),
        (pex_files.wheel({"PEX-INFO": '{"distributions": 1}'}), "its PEX-INFO cannot be read"),
        (pex_files.wheel({"PEX-INFO": "{}", "../x": ""}), "is no plain relative path"),
        (pex_files.wheel({"PEX-INFO": '{"a": ' + "[" * 100_000}), "its PEX-INFO cannot be read"),
    ],
)
def test_what_is_no_pex_is_one_error(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "any.pex"
    path.write_bytes(content)
    with pytest.raises(NoxPexError) as caught:
        read.read(path)
    assert (caught.value.code, reason in caught.value.problem) == ("integrity", True), caught.value.problem
    assert str(path) in caught.value.problem
    assert "--force" not in caught.value.remedy  # it may be a file that nobody can build again


def test_what_is_no_file_is_one_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, code in ((tmp_path / "fifo", "integrity"), (Path("/dev/zero"), "integrity"), (tmp_path, "integrity")):
        with pytest.raises(NoxPexError) as caught:
            read.read(path)
        assert caught.value.code == code
    with pytest.raises(NoxPexError) as caught:
        read.read(tmp_path / "nothing")
    assert caught.value.code == "usage"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pex"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("PEX-INFO", "{}")
        with archive.open("zeros", "w") as member:
            for _ in range(400):
                member.write(b"\0" * (1 << 20))
    for digests in (True, False):
        with pytest.raises(NoxPexError, match="which is too much for its size") as caught:
            read.read(path, digests=digests)
        assert caught.value.code == "integrity"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_damage(tmp_path: Path) -> None:
    path = OLD.write(tmp_path / "shop.pex")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("main.py", "print('other')\n")
    with pytest.raises(NoxPexError, match=r"'main\.py' twice"):
        read.read(path)


def test_names_and_values_of_an_attacker_are_only_text(tmp_path: Path) -> None:
    info = json.dumps({"entry_point": ["a"], "interpreter_constraints": [{"a": 1}, "x"], "inject_env": {"A": "B"}})
    path = pex_files.archive(tmp_path / "odd.pex", {"PEX-INFO": info, ".deps/no wheel/x": "", ".deps/a-b-1-c/y": ""})
    found = read.read(path)
    assert (found.entry_point, found.constraints) == ('["a"]', ('{"a": 1}', "x"))
    assert [(each.name, each.version) for each in found.distributions] == [("a-b", "1"), ("no wheel", "")]


@pytest.mark.parametrize(("key", "number"), [("ready-after", "1e400"), ("memory", "1" + "0" * 400)])
def test_a_smoke_result_with_a_number_that_nothing_can_show_counts_as_none(
    tmp_path: Path, key: str, number: str
) -> None:
    path = OLD.write(tmp_path / "shop.pex")
    boots = f'[{{"condition": "cold", "state": "passed", "{key}": {number}}}]'
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "shop.smoke.json").write_text(f'{{"sha256": "{sha256}", "conditions": {boots}}}', "utf-8")
    assert read.read(path).boots == ()
