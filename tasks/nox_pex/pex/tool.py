"""The installed pex that builds a binary, in a directory in which pex can work."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex import cli
from nox_pex.system import files, plain_paths
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner

_UNUSABLE: Final = re.compile(r"[:*?\[]")
"""Characters that pex 2.105 misreads in the path of its code, its PEX_ROOT or an environment.

It passes its paths to its processes in PYTHONPATH, which is divided at `:`, and finds metadata with glob patterns.
"""


_DIRECTORIES: Final = ("TMPDIR", "HOME")
"""Variables that name a directory in which pex works, before it reads its options or after."""


class Pex(Struct, frozen=True, kw_only=True):
    """An installed pex: `python` runs it with `-m pex`, `root` is its PEX_ROOT, `environ` its environment variables."""

    python: Path
    version: str
    root: Path
    environ: Mapping[str, str]


@contextlib.contextmanager
def provide(provisioner: Provisioner, version: str | None, *, interpreter: Interpreter) -> Iterator[Pex]:
    """Yield pex with its caches. If it cannot work in nox-pex's cache, yield a temporary copy of it with empty caches.

    `version` and `interpreter` are as for `pinned.provide_pex`, and so are the errors.
    """
    python = pinned.provide_pex(provisioner, version, interpreter=interpreter)
    version = version or pinned.PEX
    root = provisioner.caches.pex_root / version
    environ = cli.pex_environ(provisioner.shell.environ)
    in_cache = works_in(python) and works_in(root) and plain_paths.allows_programs(provisioner.caches.root)
    replaced = [name for name in _DIRECTORIES if not works_in(Path(environ.get(name, "")))]
    if "TMPDIR" not in replaced and not plain_paths.allows_programs(
        Path(environ.get("TMPDIR") or tempfile.gettempdir())
    ):
        # There pex cannot see which files are executable (access(2)), and gives them other modes in the binary.
        replaced.append("TMPDIR")
    if in_cache and not replaced:
        yield Pex(python=python, version=version, root=root, environ=environ)
        return
    with plain_paths.plain_directory(provisioner.caches.root) as directory:
        for name in replaced:
            (directory / name).mkdir()
            environ[name] = str(directory / name)
        if not in_cache:
            say = provisioner.shell.say
            say(f"pex: works in a temporary directory, because it cannot work in {provisioner.caches.root}")
            environment, root = python.parent.parent, directory / "root"
            shutil.copytree(environment, directory / "tool", symlinks=True, copy_function=files.link)
            python = directory / "tool" / python.relative_to(environment)
        yield Pex(python=python, version=version, root=root, environ=environ)


def works_in(path: Path) -> bool:
    """Whether pex can work in a directory with this path."""
    return not _UNUSABLE.search(str(path))


@contextlib.contextmanager
def working_directory(scratch: Path) -> Iterator[Path]:
    """Yield `scratch`, or a temporary directory if pex cannot work in a directory with the path of `scratch`."""
    if works_in(scratch):
        yield scratch
        return
    with plain_paths.plain_directory() as directory:
        yield directory
