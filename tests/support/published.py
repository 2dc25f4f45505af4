"""The distributions of nox-pex as they are published, and where their checks find packages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uv
from msgspec import Struct

from nox_pex.tools import index
from tests.support.commands import run
from tests.support.nox_project import CHECKOUT


class Published(Struct, frozen=True, kw_only=True):
    """An sdist of this checkout, and the wheel that was built from it, without this checkout."""

    sdist: Path
    wheel: Path

    @property
    def files(self) -> list[str]:
        """Both paths, as arguments."""
        return [str(self.sdist), str(self.wheel)]


def index_environ() -> dict[str, str]:
    """The variables by which uv finds the package index of pip."""
    return index.uv_index_environ(os.environ, prefix=Path(sys.prefix))


def build(directory: Path, *options: str) -> None:
    """Build distributions of this checkout into a directory; by default the sdist, and the wheel from it."""
    uv_directory = Path(uv.find_uv_bin()).parent
    path = os.pathsep.join([str(uv_directory), os.environ["PATH"]])
    argv = [sys.executable, "-m", "build", "--installer=uv", f"--outdir={directory}", *options, str(CHECKOUT)]
    result = run(argv, cwd=directory, env={**os.environ, **index_environ(), "PATH": path})
    assert result.status == 0, result.output


def published(directory: Path) -> Published:
    """Build both distributions into a new directory."""
    directory.mkdir(parents=True)
    build(directory)
    (sdist,), (wheel,) = directory.glob("*.tar.gz"), directory.glob("*.whl")
    return Published(sdist=sdist, wheel=wheel)
