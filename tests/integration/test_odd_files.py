"""Distributions and programs that write files where nobody expects them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from nox_pex.system import files
from tests.support.distribution_files import write_wheel
from tests.support.locker import Locker
from tests.support.nox_project import Project

PYPROJECT = """\
[tool.poetry]
name = "app"
package-mode = false

[tool.poetry.dependencies]
python = ">=3.10"
wares = { path = "wheels/wares-1.0-py3-none-any.whl" }

[tool.nox-pex.binary.app]
entry-point = "main:main"

[tool.nox-pex.binary.app.smoke]
conditions = ["cold"]

[[tool.nox-pex.binary.app.smoke.command]]
stdout-matches = "^done$"
"""

MAIN = """\
import os
import wares

def main():
    os.chdir(os.environ["TMPDIR"])
    for _ in range(1200):
        os.mkdir("deep-directory")
        os.chdir("deep-directory")
    print("done")
"""


def write_wares(app: Project, path: str) -> None:
    write_wheel(app.root / "wheels", "wares", {"wares.py": "", f"wares-1.0.data/data/{path}": '{"inputs": 1}'})


def test_files_at_the_root_of_an_environment_and_deep_trees_break_nothing(
    write_project: Callable[..., Project], lock: Locker, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    app = write_project("app", {"main.py": MAIN, "pyproject.toml": PYPROJECT})
    app.environ["TMPDIR"] = str(temporary)
    write_wares(app, "nox-pex.json")
    lock(app)
    app.nox("-s", "smoke")
    assert (app.environment() / "nox-pex.json").read_text("utf-8") == '{"inputs": 1}'
    again = app.nox("-s", "smoke")
    assert again.said("install: unchanged")
    assert again.said("pex: app unchanged")
    assert not list(temporary.glob("nox-pex-run-*"))

    state = app.environment().with_name(f".{app.environment().name}.json")
    files.write_json(state, {**files.read_json(state), "inputs": []})
    assert app.nox("-s", "install").said("the last install did not finish")

    (app.site_packages() / "evil.pth").write_text("import os\n", "utf-8")
    assert app.nox("-s", "install").said("it was changed after Poetry installed it")
    assert not (app.site_packages() / "evil.pth").exists()

    (app.root / "loop.py").symlink_to("loop.py")
    (app.root / "dist" / "app.pex.json").unlink()
    (app.root / "dist" / "app.pex.json").mkdir()
    assert "error[" in app.refused("os-error", "-s", "pex", "--", "--force")
    (app.root / "dist" / "app.pex.json").rmdir()

    os.mkfifo(app.root / "dist" / ".app.pex.abcdefgh")
    (app.root / "dist" / "app.Dockerfile").symlink_to("app.Dockerfile")
    app.nox("-s", "clean")
    assert not (app.root / "dist" / ".app.pex.abcdefgh").exists()

    write_wares(app, "pyvenv.cfg")
    (app.root / "poetry.lock").unlink()
    lock(app)
    assert "wares 1.0 installs pyvenv.cfg" in app.refused("install-failed", "-s", "install")
