"""Object references: a Python that runs a launcher's code, and one that runs pex's, start the same function."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from nox_pex.distributions.launcher import Directory, startable

_LAUNCHER = "from {module} import {first}\nprint({attributes}())"
"""The code of the launchers that distlib, installer and uv write (pip, Poetry, uv)."""

_PEX = """\
import functools, importlib
print(functools.reduce(getattr, {attributes!r}.split("."), importlib.import_module({module!r}))())
"""
"""The code of pex 2.105 for an entry point, in all its forms."""

FUNCTION = (
    "def start():\n    return __name__\n\n\nclass Tool:\n    @staticmethod\n    def run():\n        return 'tool'\n"
)
OBJECT = "class cli:\n    @staticmethod\n    def start():\n        return 'object'\n"


def start(code: str, reference: str, root: Path) -> str:
    """Start what a normalized reference names, with a Python that sees the modules in `root`; return what it prints."""
    module, _, attributes = reference.partition(":")
    code = code.format(module=module, first=attributes.partition(".")[0], attributes=attributes)
    path = f"import sys; sys.path.insert(0, {str(root)!r})\n"
    done = subprocess.run([sys.executable, "-IS", "-c", path + code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("reference", "files", "expected"),
    [
        ("pack:cli.start", {"__init__.py": "", "cli.py": FUNCTION}, "pack.cli:start"),
        ("pack:cli.Tool.run", {"__init__.py": "", "cli.py": FUNCTION}, "pack.cli:Tool.run"),
        ("pack:cli.start", {"__init__.py": "", "cli/__init__.py": FUNCTION}, "pack.cli:start"),
        ("pack:cli.start", {"cli.py": FUNCTION}, "pack.cli:start"),
        ("pack.inner:cli.start", {"inner/cli.py": FUNCTION}, "pack.inner.cli:start"),
        ("pack:Tool.run", {"__init__.py": FUNCTION}, "pack:Tool.run"),
        ("pack.cli:Tool.run", {"__init__.py": "", "cli.py": FUNCTION}, "pack.cli:Tool.run"),
        ("pack:cli.start", {"__init__.py": OBJECT, "cli.py": ""}, "pack:cli.start"),
        ("pack:cli.start", {"__init__.py": "from .cli import cli\n", "cli.py": OBJECT}, "pack:cli.start"),
        ("pack:cli.start", {"__init__.py": "from .cli import *\n", "cli.py": OBJECT}, "pack:cli.start"),
        ("pack:cli.start", {"__init__.py": "from .cli import *\n", "cli.py": FUNCTION}, "pack.cli:start"),
        ("pack:cli.start", {"__init__.py": "from . import cli\n", "cli.py": FUNCTION}, "pack.cli:start"),
        ("pack:cli.start", {"__init__.py": "from pack import cli\n", "cli.py": FUNCTION}, "pack.cli:start"),
        ("pack:cli.start", {"__init__.py": "from .a import x as cli\n", "a.py": f"{OBJECT}x = cli\n", "cli.py": ""},
         "pack:cli.start"),
        ("pack:cli.start", {"__init__.py": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    from .a import cli\n",
                            "a.py": OBJECT, "cli.py": ""}, "pack:cli.start"),
        ("pack:cli.start", {"__init__.py": "if True:\n    with open(__file__):\n        from .a import cli\n",
                            "a.py": OBJECT, "cli.py": ""}, "pack:cli.start"),
        ("pack:cli.start", {"__init__.py": "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from .cli import cli\n",
                            "cli.py": FUNCTION}, "pack.cli:start"),
        ("pack:cli.start", {"__init__.py": "def f():\n    cli = 1\n", "cli.py": FUNCTION}, "pack.cli:start"),
        ("pack:cli.start", {"__init__.py": "def __getattr__(name):\n    raise AttributeError(name)\n",
                            "cli.py": FUNCTION}, "pack.cli:start"),
        ("pack:cli.start", {"__init__.py": "def __getattr__(name):\n    from .a import x\n    return x\n",
                            "a.py": f"{OBJECT}x = cli\n", "cli.py": ""}, "pack:cli.start"),
        ("pack:cli.start", {"__init__.py": "", "cli.py": "from .deep import *\n", "deep.py": FUNCTION},
         "pack.cli:start"),
        ("pack:cli.start", {"__init__.py": "for cli in [type('C', (), {'start': staticmethod(dict)})]:\n    pass\n",
                            "cli.py": FUNCTION}, "pack:cli.start"),
    ],
)  # fmt: skip
def test_pex_starts_what_a_launcher_starts(
    tmp_path: Path, reference: str, files: Mapping[str, str], expected: str
) -> None:
    for name, text in files.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    found = startable(reference, [Directory(tmp_path / "empty"), Directory(tmp_path)])
    assert found == expected
    by_launcher = start(_LAUNCHER, reference, tmp_path)
    assert "Error" not in by_launcher
    assert start(_PEX, found, tmp_path) == by_launcher


@pytest.mark.parametrize(
    ("reference", "normalized"),
    [
        ("pack:main", "pack:main"),
        (" pack.cli : main [extra, other] ", "pack.cli:main"),
        ("pack", "pack"),
        ("pack:nowhere.main", "pack:nowhere.main"),
        ("pack:data.main", "pack:data.main"),
        ("single:cli.main", "single:cli.main"),
        ("nobody:cli.main", "nobody:cli.main"),
    ],
)
def test_another_reference_is_normalized(tmp_path: Path, reference: str, normalized: str) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_bytes(b"")
    (tmp_path / "pack" / "data.json").write_bytes(b"")
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "cli.py").write_bytes(b"")
    (tmp_path / "single.py").write_bytes(b"")
    assert startable(reference, [Directory(tmp_path)]) == normalized


def test_a_source_that_this_python_cannot_parse_is_taken_for_one_that_does_not_bind_the_name(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("syntax of a later Python\n", "utf-8")
    (tmp_path / "pack" / "cli.py").write_text(FUNCTION, "utf-8")
    assert startable("pack:cli.start", [Directory(tmp_path)]) == "pack.cli:start"
    assert startable("pack:cli.other", [Directory(tmp_path)]) == "pack:cli.other"
