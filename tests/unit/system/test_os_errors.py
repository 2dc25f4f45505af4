from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.system import os_errors


def raised(number: int, path: object, *, place: Path) -> NoxPexError:
    with pytest.raises(NoxPexError) as caught, os_errors.one_line("pex", place=place):
        raise OSError(number, os.strerror(number), path)
    return caught.value


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_or_read_only_disk_is_disk_full_wherever_it_is(tmp_path: Path, number: int) -> None:
    error = raised(number, "/some/file", place=tmp_path)
    assert error.code == "disk-full"
    assert f"cannot write in {tmp_path}: {os.strerror(number)} (/some/file)" in error.problem


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_place_that_can_be_read_and_not_written_is_disk_full(tmp_path: Path, number: int) -> None:
    error = raised(number, str(tmp_path / "new" / "file"), place=tmp_path)
    assert (error.code, error.remedy.split(",")[0]) == ("disk-full", "make it writable")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_cannot_be_read_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch(mode=0)
    with pytest.raises(NoxPexError) as caught, os_errors.one_line("pex", place=tmp_path):
        (tmp_path / "main.py").read_bytes()
    assert caught.value.code == "os-error"


@pytest.mark.parametrize("number", [errno.ENOTDIR, errno.EEXIST])
def test_a_file_in_the_place_of_a_directory_is_disk_full_only_where_something_is_written(
    tmp_path: Path, number: int
) -> None:
    place = tmp_path / "dist"
    assert raised(number, str(place / "x"), place=place).code == "disk-full"
    assert raised(number, str(tmp_path), place=place).code == "disk-full"
    assert raised(number, str(tmp_path / "main.py" / "x"), place=place).code == "os-error"


@pytest.mark.parametrize(
    "number", [errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO, errno.ETXTBSY, errno.EMFILE, errno.EIO, errno.ENOENT, 0]
)
def test_any_other_error_is_one_line(tmp_path: Path, number: int) -> None:
    error = raised(number, str(tmp_path / ("x" * 3000)), place=tmp_path)
    assert error.code == "os-error"
    assert error.problem.startswith(f"pex cannot go on: {os.strerror(number)} (/")
    assert len(str(error)) < 400
    assert error.remedy


def test_an_error_without_a_file_names_none(tmp_path: Path) -> None:
    with pytest.raises(NoxPexError) as caught, os_errors.writing("dist/x.pex", place=tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.problem == "cannot write dist/x.pex: No space left on device"


def test_what_is_not_about_writing_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), os_errors.writing("dist/x.pex", place=tmp_path):
        raise FileNotFoundError(errno.ENOENT, "no such file")
    for error in (BrokenPipeError(errno.EPIPE, "closed"), OSError("an interpreter that Nox does not find")):
        with pytest.raises(type(error)), os_errors.one_line("pex", place=tmp_path):
            raise error
