"""Small binaries in two versions: a distribution is bumped, one is added, own code is edited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.contents import read
from nox_pex.contents.compare import compare
from nox_pex.contents.difference import Difference
from tests.support.small_pex import SmallPex


def wheel_files(name: str, version: str, **modules: bytes) -> dict[str, bytes]:
    """The files of an installed wheel with a package of its name."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    return {f"{info}/METADATA": metadata, **{f"{name}/{module}.py": text for module, text in modules.items()}}


OLD = SmallPex(
    sources={"main.py": b"print(1)\n", "gone.py": b"gone = 1\n"},
    wheels={
        "celery-5.4.0-py3-none-any.whl": wheel_files("celery", "5.4.0", app=b"app = 1\n" * 10),
        "kombu-5.3-py3-none-any.whl": wheel_files("kombu", "5.3", transport=b"x = 1\n"),
    },
    values={"interpreter_constraints": ["CPython==3.11.*"], "inject_env": {}},
)
NEW = SmallPex(
    sources={"main.py": b"print(12)\n", "shop/new.py": b"new = 1\n"},
    wheels={
        "celery-5.5.0-py3-none-any.whl": wheel_files("celery", "5.5.0", app=b"app = 2\n" * 20),
        "redis-6.0-py3-none-any.whl": wheel_files("redis", "6.0", client=b"client = 1\n" * 400),
    },
    values={"interpreter_constraints": ["CPython==3.12.*"], "inject_env": {"MODE": "fast"}},
    entry_point="shop.new:main",
)

Differ = Callable[..., Difference]


@pytest.fixture
def differ(tmp_path: Path) -> Differ:
    """The difference between two small PEX files, `old.pex` and `new.pex` in `tmp_path`."""

    def differ(old: SmallPex = OLD, new: SmallPex = NEW, **options: Any) -> Difference:
        paths = old.write(tmp_path / "old.pex"), new.write(tmp_path / "new.pex")
        return compare(*map(read.read, paths), **options)

    return differ
