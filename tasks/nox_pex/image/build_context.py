"""The directory that an engine builds from: it has what the Dockerfile copies, and nothing else."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from nox_pex.distributions import pex_file
from nox_pex.pex.inputs import collect_project_files
from nox_pex.pex.target import Target
from nox_pex.system import files
from nox_pex.system.environ import EPOCH
from nox_pex.tools import index

_DATE: Final = int(EPOCH)
"""Seconds since 1970. The date of all files in the context."""


_NEVER_COPIED: Final = (".env", ".env.*", ".netrc", ".pypirc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.pex")


_HARMLESS: Final = (".env.example", ".env.sample", ".env.template", ".env.dist")


_IGNORE_FILES: Final = (".dockerignore", ".containerignore")
"""Files that are left out of the context: they could exclude the binary from it."""


_INDEX_VARIABLES: Final = ("POETRY_HTTP_BASIC_", "POETRY_PYPI_TOKEN_", "POETRY_PYPI_MIRROR_URL", "POETRY_REPOSITORIES_")
"""Prefixes of the variables with which Poetry reaches private sources."""


def copy_binary(file: Path, into: Path, *, name: str) -> None:
    """Copy a file, or a directory, into the context as `name`, with modes and dates that are the same everywhere.

    A file becomes executable, because a container starts it. Raises `PexError`, and `NoxPexError` `disk-full`.
    """
    pex_file.copy(file, into / name, date=_DATE)
    (into / name).chmod(0o755)


def copy_sources(target: Target, *, into: Path) -> None:
    """Copy the files that Git would commit, and those that ship, into the context.

    Never copied are `.env`, keys and finished binaries. Raises `NoxPexError`: `git`, `source-missing`, `config`.
    """
    found = collect_project_files(target)
    for name in _allowed(found.digests if found.selection is None else found.selection.checkout):
        original, copy = target.project.root / name, into / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
        copy.chmod(0o755 if original.stat().st_mode & 0o100 else 0o644)
    for path in files.paths(into):
        _normalize(path)


def write_secrets(environ: Mapping[str, str], *, prefix: Path, into: Path) -> Mapping[str, Path]:
    """Write what a build needs to reach this machine's index into files in the directory `into`.

    Returns the files by the ids of their mounts: `pip.conf` names the index that replaces the default one, `ca.pem` has
    its certificate authorities, and `environment` has the variables with which Poetry reaches private sources. `prefix`
    is as for `index.pip_index`.
    """
    pip = index.pip_index(environ, prefix=prefix)
    lines = ["[global]"]
    texts: dict[str, str] = {}
    if pip.url:
        lines.append(f"index-url = {pip.url}")
    if pip.cert and Path(pip.cert).is_file():
        lines.append("cert = /run/secrets/ca.pem")
        texts["ca.pem"] = Path(pip.cert).read_text("utf-8", "surrogateescape")
    if len(lines) > 1:
        texts["pip.conf"] = "\n".join(lines) + "\n"
    variables = {name: value for name, value in environ.items() if name.startswith(_INDEX_VARIABLES)}
    if variables:
        texts["environment"] = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
    for name, text in texts.items():
        (into / name).touch(mode=0o600)
        (into / name).write_text(text, "utf-8", "surrogateescape")
    return {name: into / name for name in texts}


def _allowed(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        last = name.rpartition("/")[2]
        forbidden = any(fnmatchcase(last, pattern) for pattern in _NEVER_COPIED) and last not in _HARMLESS
        if not forbidden and name not in _IGNORE_FILES:
            yield name


def _normalize(path: Path) -> None:
    if not path.is_symlink():
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
    os.utime(path, (_DATE, _DATE), follow_symlinks=False)
