from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from nox_pex.system import toml_file


def refused(file: Path) -> str:
    try:
        tomllib.loads(toml_file.read_text(file))
    except toml_file.UNREADABLE as error:
        return str(toml_file.refusal(file, error)).replace(str(file), "FILE")
    return ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = 1\nb c", "cannot read FILE:2: "),
        (b"\xff", "cannot read FILE: "),
        (b"a = " + b"9" * 5000, "cannot read FILE: "),
        (b"a = " + b"[" * 5000, "cannot read FILE: "),
    ],
)
def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    assert refused(tmp_path / "x.toml").startswith(f"error[config]: {said}")


def test_the_line_that_is_wrong_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('a = 1\n  script = "uvicorn\n')
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(toml_file.read_text(file))
    error = toml_file.refusal(file, caught.value)
    assert error.problem.startswith(f"cannot read {file}:2: ")
    assert "at line 2" not in error.problem, "it is said once"
    assert error.rows == (("line", 'script = "uvicorn'),)


def test_what_is_not_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for file in (tmp_path, tmp_path / "fifo", tmp_path / "loop", tmp_path / "zero", tmp_path / ("x" * 300)):
        assert refused(file).startswith("error[config]: cannot read FILE: ")
    assert refused(tmp_path / "a\0b").startswith("error[config]: cannot read ")
