from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.verify.archive import Directory, open_pex, reporting_damage
from nox_pex.verify.container import chunks, read_text
from nox_pex.verify.zip_file import Zip
from tests.support.pex_files import archive, wheel

INFO = json.dumps({"deps_are_wheel_files": True, "distributions": {}})


def refused(path: Path) -> NoxPexError:
    with pytest.raises(NoxPexError) as caught, open_pex(path):
        pass
    return caught.value


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.pex").code == "usage"


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\necho hello\n", b"PK\x03\x04 cut off", b"\x00" * 5000])
def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pex").write_bytes(content)
    error = refused(tmp_path / "x.pex")
    assert error.code == "integrity"
    assert "x.pex is not a PEX, or is damaged: it is no ZIP archive, or is truncated" in error.problem


def test_a_truncated_pex_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pex", {"PEX-INFO": INFO, "main.py": "x = 1\n" * 1000})
    path.write_bytes(path.read_bytes()[:-30])
    assert refused(path).code == "integrity"


@pytest.mark.parametrize("info", [None, "", "not json", "[]"])
def test_an_archive_without_a_valid_pex_info_is_refused(tmp_path: Path, info: str | None) -> None:
    members: dict[str, bytes | str] = {"main.py": "x = 1"} if info is None else {"PEX-INFO": info}
    error = refused(archive(tmp_path / "x.pex", members))
    assert error.code == "integrity"
    assert "PEX-INFO" in error.problem


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path).code == "integrity"


def test_damage_shows_when_a_member_is_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pex", {"PEX-INFO": INFO, "main.py": b"x" * 100}, compression=0)
    path.write_bytes(path.read_bytes().replace(b"x" * 100, b"y" * 100))
    with pytest.raises(NoxPexError) as caught, open_pex(path) as pex, reporting_damage(str(path)):
        read_text(pex.container, "main.py")
    assert caught.value.code == "integrity"
    assert "main.py has another CRC" in caught.value.problem


@pytest.mark.parametrize("compression", [0, 8])
def test_a_zipapp_may_begin_with_a_shell_script(tmp_path: Path, compression: int) -> None:
    inner = wheel({"x/__init__.py": "deep = True\n", "x-1.dist-info/METADATA": "Name: x\n"})
    members: dict[str, bytes | str] = {
        ".bootstrap/pex/__init__.py": "",
        ".deps/x-1-py3-none-any.whl": inner,
        "PEX-INFO": INFO,
        "main.py": "",
    }
    path = archive(tmp_path / "x.pex", members, head=b"#!/bin/sh\nexec python\n", compression=compression)
    with open_pex(path) as pex:
        assert pex.head() == b"#!/bin/sh\nexec python\n"
        assert [member.name for member in pex.project_members()] == ["PEX-INFO", "main.py"]
        (found,) = pex.wheels
        assert list(found.content.members) == ["x/__init__.py", "x-1.dist-info/METADATA"]
        assert read_text(found.content, "x/__init__.py") == "deep = True\n"
        assert list(pex.bootstrap.members) == ["pex/__init__.py"]


def test_a_pex_directory_may_hold_archives_and_links(tmp_path: Path) -> None:
    (tmp_path / ".deps").mkdir()
    (tmp_path / ".deps" / "x-1-py3-none-any.whl").write_bytes(wheel({"x.py": "deep = True\n"}))
    (tmp_path / ".bootstrap").write_bytes(wheel({"pex/__init__.py": ""}))
    (tmp_path / "PEX-INFO").write_text(INFO)
    (tmp_path / "pex").symlink_to("__main__.py")
    (tmp_path / "elsewhere").symlink_to("/etc")
    with open_pex(tmp_path) as pex:
        assert pex.head() == b""
        assert read_text(pex.wheels[0].content, "x.py") == "deep = True\n"
        assert list(pex.bootstrap.members) == ["pex/__init__.py"]
        assert [member.name for member in pex.project_members()] == ["PEX-INFO", "elsewhere", "pex"]
        assert read_text(pex.container, "elsewhere") == "/etc"


def test_a_name_that_is_listed_twice_is_reported(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a", "2")
    with (tmp_path / "x.zip").open("rb") as stream:
        assert Zip(stream).duplicates == ("a",)


def test_content_is_read_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 3_000_000)
    with Directory(tmp_path).open("big") as stream:
        assert max(map(len, chunks(stream))) <= 1 << 20


def test_an_archive_that_python_cannot_import_from_is_refused(tmp_path: Path) -> None:
    error = refused(archive(tmp_path / "x.pex", {"PEX-INFO": INFO}, compression=zipfile.ZIP_BZIP2))
    assert error.code == "integrity"
    assert "PEX-INFO is encrypted, or compressed by a method that Python cannot import from" in error.problem


def test_the_members_of_a_directory_in_an_archive_have_its_duplicates(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.pex", {"PEX-INFO": INFO, ".deps/x-1-py3-none-any.whl/a.py": "1"})
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr(".deps/x-1-py3-none-any.whl/a.py", "2")
    with open_pex(path) as pex:
        (found,) = pex.wheels
        assert not found.installed
        assert (list(found.content.members), found.content.duplicates) == (["a.py"], ("a.py",))


def test_a_member_that_does_not_exist_has_no_text(tmp_path: Path) -> None:
    assert read_text(Directory(tmp_path), "none") == ""
    (tmp_path / "some").write_bytes(b"abc\xff")
    assert read_text(Directory(tmp_path), "some") == "abc\udcff"
    assert read_text(Directory(tmp_path), "some", limit=2) == "ab"
