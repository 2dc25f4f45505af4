from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from nox_pex.smoke.process.program import UnavailableError
from nox_pex.smoke.process.without_python import path_without_python


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", "utf-8")
    path.chmod(0o755)
    return path


def test_everything_but_python_stays_on_path(tmp_path: Path) -> None:
    python, tool = program(tmp_path / "usr" / "python3.11"), program(tmp_path / "usr" / "tool")
    (tmp_path / "usr" / "python3").symlink_to(python)
    (tmp_path / "usr" / "interpreter").symlink_to("python3")
    program(tmp_path / "pypy" / "pypy3")
    other = program(tmp_path / "other" / "git")
    before = os.pathsep.join(str(tmp_path / name) for name in ("usr", "pypy", "missing", "other", "usr"))
    path = path_without_python(before, tmp_path / "links")
    for name in ("python3.11", "python3", "interpreter", "pypy3"):
        assert shutil.which(name, path=path) is None
    found = shutil.which("tool", path=path)
    assert found is not None
    assert Path(found).samefile(tool)
    assert shutil.which("git", path=path) == str(other)
    assert path_without_python(before, tmp_path / "links") == path  # the second program of a boot has the same


def test_the_path_of_this_machine_has_a_shell_and_no_python(tmp_path: Path) -> None:
    path = path_without_python(os.environ["PATH"], tmp_path / "links")
    assert shutil.which("sh", path=path)
    assert not [name for name in ("python", "python3", "pypy3") if shutil.which(name, path=path)]


def test_a_python_that_remains_is_an_error(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "python3")
    (tmp_path / "links" / "0").mkdir(parents=True)
    program(tmp_path / "links" / "0" / "python3")
    with pytest.raises(UnavailableError, match="on PATH has python3"):
        path_without_python(str(tmp_path / "bin"), tmp_path / "links")
