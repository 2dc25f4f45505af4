from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nox_pex.poetry import sync

POETRY = """\
import os, sys
with open(os.path.join(os.environ["VIRTUAL_ENV"], sys.argv[1]), sys.argv[2]) as file:
    file.write("written")
"""


@pytest.mark.parametrize(
    ("path", "mode", "allowed"),
    [
        ("bin/python", "w", False),
        ("bin/python", "r+", False),
        ("bin/python", "a", False),
        ("bin/activate", "w", True),
        ("new", "w", True),
        ("lib64/new", "w", True),
    ],
)
def test_poetry_never_writes_through_a_link_of_the_environment(
    tmp_path: Path, path: str, mode: str, *, allowed: bool
) -> None:
    for directory in ("environment/bin", "environment/lib", "modules/poetry"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "base").write_text("interpreter", "utf-8")
    (tmp_path / "environment/bin/activate").write_text("", "utf-8")
    (tmp_path / "environment/bin/python").symlink_to(tmp_path / "base")
    (tmp_path / "environment/lib64").symlink_to("lib")
    (tmp_path / "modules/poetry/__init__.py").write_text("", "utf-8")
    (tmp_path / "modules/poetry/__main__.py").write_text(POETRY, "utf-8")
    script = Path(sync.__file__).with_name("install_script.py")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}/modules", "VIRTUAL_ENV": f"{tmp_path}/environment"}
    done = subprocess.run(
        [sys.executable, script, path, mode], env=environ, capture_output=True, text=True, check=False
    )
    said = f"a distribution may not replace {path}, which belongs to the environment"
    assert (done.returncode == 0, said in done.stderr) == (allowed, not allowed)
    assert (tmp_path / "base").read_text("utf-8") == "interpreter"
