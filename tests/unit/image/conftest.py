from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def pex(tmp_path: Path) -> Callable[..., Path]:
    """Make a file with the members of a PEX of a packaged project."""

    def make(code: str = "one", module: bytes = b"\x7fELF GLIBC_2.4\0GLIBC_2.34\0GLIBC_PRIVATE") -> Path:
        wheels = ("own-1-py3-none-any.whl", "dep-2-cp311-cp311-linux_x86_64.whl")
        info = {
            "distributions": {wheel: f"{wheel}{code if wheel[:3] == 'own' else ''}" for wheel in wheels},
            "requirements": ["own==1"],
            "interpreter_constraints": ["CPython==3.11.*"],
            "code_hash": code,
            "pex_hash": code,
            "entry_point": "own:main",
        }
        file = tmp_path / "service.pex"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("PEX-INFO", json.dumps(info))
            archive.writestr("__main__.py", "")
            archive.writestr(".bootstrap/pex/__init__.py", "")
            archive.writestr(f".deps/{wheels[0]}/own/__init__.py", code)
            metadata = "Name: Dep\nVersion: 2\nRequires-Dist: idna; extra == 'x'\n\nText\n"
            archive.writestr(f".deps/{wheels[1]}/dep-2.dist-info/METADATA", metadata)
            archive.writestr(f".deps/{wheels[1]}/dep/_dep.cpython-311.so", module)
            archive.writestr("loose.py", code)
        return file

    return make
