from __future__ import annotations

import grp
import os
import pwd
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.tools import safe_directory
from tests.support.mounts import read_only

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")


def refusal(directory: Path) -> str:
    with pytest.raises(NoxPexError) as caught:
        safe_directory.check(directory)
    assert caught.value.code == "cache-unsafe"
    assert not safe_directory.is_safe(directory)
    return str(caught.value)


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o777])
def test_a_new_directory_is_the_users_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = safe_directory.make(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (made, made.parent)] == [0o700, 0o700]
    safe_directory.check(made)


def test_a_directory_that_does_not_exist_is_not_safe(tmp_path: Path) -> None:
    assert not safe_directory.is_safe(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        safe_directory.check(tmp_path / "a")


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o757])
def test_a_directory_that_others_may_write_to_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    line = refusal(tmp_path)
    assert f"{tmp_path} may be written to by others" in line
    assert "chmod -R go-w" in line
    assert "NOX_PEX_CACHE_DIR" in line
    with pytest.raises(NoxPexError):
        safe_directory.make(tmp_path)


def test_a_directory_for_everybody_as_tmp_is_not_made_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    line = refusal(tmp_path)
    assert "chmod" not in line
    assert "set NOX_PEX_CACHE_DIR to a directory of your own" in line


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o555, 0o1755])
def test_a_directory_that_others_may_read_is_safe(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    safe_directory.check(tmp_path)


def test_a_private_group_may_write_and_a_shared_one_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o775)
    number = tmp_path.stat().st_gid
    user = SimpleNamespace(pw_name="joe", pw_gid=number)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: user)

    def group(name: str, *members: str) -> None:
        monkeypatch.setattr(grp, "getgrgid", lambda _: SimpleNamespace(gr_name=name, gr_mem=[*members]))

    group("joe")
    safe_directory.check(tmp_path)
    group("joe", "joe")
    safe_directory.check(tmp_path)
    group("joe", "eve")
    refusal(tmp_path)
    group("users")  # its members are those whose primary group it is
    refusal(tmp_path)
    group("joe")
    user.pw_gid = number + 1
    refusal(tmp_path)


def test_a_group_without_a_name_may_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    tmp_path.chmod(0o775)
    monkeypatch.setattr(grp, "getgrgid", unknown)
    refusal(tmp_path)


@ROOT_ONLY
def test_a_directory_of_another_user_is_refused_with_the_remedy(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1234)
    line = refusal(tmp_path)
    assert f"{tmp_path} belongs to user 1234, and nox-pex runs as root" in line
    assert f"chown -R root {tmp_path}" in line


def test_a_link_is_as_safe_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert safe_directory.make(tmp_path / "link") == tmp_path / "link"
    (tmp_path / "target").chmod(0o777)
    refusal(tmp_path / "link")
    (tmp_path / "target").rmdir()
    with pytest.raises(NoxPexError, match=r"is a link to .*/target, which does not exist"):
        safe_directory.make(tmp_path / "link")


def test_a_file_or_a_fifo_in_the_place_of_a_directory_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    for name in ("file", "fifo"):
        assert f"{name} is not a directory; remove it, or " in refusal(tmp_path / name)
    assert "Not a directory" in refusal(tmp_path / "file" / "below")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has this place")
def test_a_place_in_which_no_directory_can_be_is_refused() -> None:
    with pytest.raises(NoxPexError, match="cannot be used") as caught:
        safe_directory.make(Path("/proc/nowhere/cache"))
    assert caught.value.code == "cache-unsafe"


@ROOT_ONLY
def test_a_read_only_cache_may_be_incomplete(tmp_path: Path) -> None:
    with read_only(tmp_path):
        assert safe_directory.make(tmp_path / "tools") == tmp_path / "tools"
