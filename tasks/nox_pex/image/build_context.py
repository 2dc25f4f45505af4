"""The directory that an engine builds from: what the Dockerfile copies, and nothing else."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from nox_pex.project import sources
from nox_pex.project.pyproject import Project
from nox_pex.tools import index

_EPOCH: Final = 315_532_800
"""1980-01-01, the earliest date that a ZIP file knows: what pex gives its members."""


_NEVER: Final = (".env", ".env.*", ".netrc", ".pypirc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.pex")


_ALL_THE_SAME: Final = (".env.example", ".env.sample", ".env.template", ".env.dist")


_IGNORES: Final = (".dockerignore", ".containerignore")
"""What is in the context is decided here: such a file could take the binary out of it again."""


_FOR_INDEXES: Final = ("POETRY_HTTP_BASIC_", "POETRY_PYPI_TOKEN_", "POETRY_PYPI_MIRROR_URL", "POETRY_REPOSITORIES_")
"""Prefixes of the variables by which Poetry reaches private sources."""


def copy_binary(file: Path, into: Path, *, name: str) -> None:
    """Put a file, or a directory, into the context as `name`, with modes and dates that are the same everywhere."""
    target = into / name
    if file.is_dir():
        shutil.copytree(file, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(file, target)
    for path in (target, *target.rglob("*")):
        _plain(path)


def copy_sources(project: Project, *, output_dir: Path, into: Path) -> None:
    """Put the project's files into the context, as Git would commit them: no `.git`, `.env`, keys, environments."""
    listed = sources.project_files(project.root, output_dir=output_dir, extra=project.includes)
    for name in _allowed(listed):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.root / name, target)
        target.chmod(0o755 if (project.root / name).stat().st_mode & 0o100 else 0o644)
    for path in into.rglob("*"):
        _plain(path)


def write_secrets(environ: Mapping[str, str], *, prefix: Path, into: Path) -> Mapping[str, Path]:
    """Files in the directory `into` for a build that needs the index of this machine, by the ids of their mounts.

    `pip.conf` has the index that stands for the default one, `ca.pem` its authorities, `environment` the variables by
    which Poetry reaches private sources. `prefix` is as for `index.pip_index`.
    """
    pip = index.pip_index(environ, prefix=prefix)
    lines = ["[global]"]
    found: dict[str, str] = {}
    if pip.url:
        lines.append(f"index-url = {pip.url}")
    if pip.cert and Path(pip.cert).is_file():
        lines.append("cert = /run/secrets/ca.pem")
        found["ca.pem"] = Path(pip.cert).read_text("utf-8", "surrogateescape")
    if len(lines) > 1:
        found["pip.conf"] = "\n".join(lines) + "\n"
    variables = {name: value for name, value in environ.items() if name.startswith(_FOR_INDEXES)}
    if variables:
        found["environment"] = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
    for name, text in found.items():
        (into / name).touch(mode=0o600)
        (into / name).write_text(text, "utf-8", "surrogateescape")
    return {name: into / name for name in found}


def _allowed(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        last = name.rpartition("/")[2]
        forbidden = any(fnmatchcase(last, pattern) for pattern in _NEVER) and last not in _ALL_THE_SAME
        if not forbidden and name not in _IGNORES:
            yield name


def _plain(path: Path) -> None:
    if not path.is_symlink():
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
    os.utime(path, (_EPOCH, _EPOCH), follow_symlinks=False)
