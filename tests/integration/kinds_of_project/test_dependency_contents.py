"""Data files, console scripts, namespace packages and `.pth` files of dependencies work in a PEX."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.distribution_files import write_wheel
from tests.support.locker import Locker
from tests.support.nox_project import Project

PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"

MAIN = """\
import json
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from importlib.resources import files

import modern.one
import modern.two
import old.one
import old.two


def main() -> None:
    called = shutil.which("speak")
    print(json.dumps({
        "modern": [modern.one.NAME, modern.two.NAME],
        "old": [old.one.NAME, old.two.NAME],
        "data": (files("stuffed") / "deep" / "data ü.bin").read_text("utf-8"),
        "pth": sorted(name for name in ("line_ran", "on_path") if name in sys.modules or _found(name)),
        "spoken": subprocess.run([called], capture_output=True, text=True).stdout.strip() if called else None,
        "distributions": sorted(found.metadata["Name"] for found in distributions()),
    }))


def _found(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None
"""


@pytest.mark.parametrize("mode", ["venv", "zipapp"])
def test_data_scripts_namespace_packages_and_pth_files_of_dependencies_work(
    write_project: Callable[..., Project], lock: Locker, home: Path, mode: str
) -> None:
    files = {
        "modern_one": {"modern/one.py": "NAME = 'one'\n"},
        "modern_two": {"modern/two.py": "NAME = 'two'\n"},
        "old_one": {"old/__init__.py": PKGUTIL, "old/one.py": "NAME = 'one'\n"},
        "old_two": {"old/__init__.py": PKGUTIL, "old/two.py": "NAME = 'two'\n"},
        "stuffed": {"stuffed/__init__.py": "", "stuffed/deep/data ü.bin": "ünï"},
        "paths": {
            "paths.pth": "import line_ran\nbehind_a_path\n",
            "line_ran.py": "",
            "behind_a_path/on_path.py": "",
        },
        "speaker": {"speaker.py": "def main():\n    print('spoken')\n"},
    }

    app = write_project(
        "app",
        {
            "main.py": MAIN,
            "pyproject.toml": (
                '[tool.poetry]\nname = "app"\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = ">=3.10"\n'
                + "".join(f'{name} = {{ path = "wheels/{name}-1.0-py3-none-any.whl" }}\n' for name in files)
                + f'\n[tool.nox-pex.binary.app]\nentry-point = "main:main"\nexecution-mode = "{mode}"\n'
                + ('venv-bin-path = "prepend"\n' if mode == "venv" else "")
            ),
        },
    )
    for name, contents in files.items():
        write_wheel(
            app.root / "wheels", name, contents, scripts={"speak": "speaker:main"} if name == "speaker" else None
        )
    lock(app)
    app.nox("-s", "pex")
    result = launch(app.binary("app"), home=home)
    assert result.status == 0, result.output
    assert json.loads(result.output.splitlines()[-1]) == {
        "modern": ["one", "two"],
        "old": ["one", "two"],
        "data": "ünï",
        "pth": ["line_ran", "on_path"],
        "spoken": "spoken" if mode == "venv" else None,
        "distributions": sorted(files),
    }
