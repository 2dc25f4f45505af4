"""The files of an environment, compared with the RECORDs of its distributions.

An environment is whole if every file that a RECORD lists is there with its digest, and if no other file is in
site-packages. Fact sources: "Recording installed projects" and "Binary distribution format" of PyPA. They allow rows
without a digest for the RECORD itself, its signatures and bytecode. Poetry records no bytecode.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nox_pex.distributions.environment import Distribution, Environment, installed_files
from nox_pex.distributions.record import encode_digest, record_digest
from nox_pex.errors import NoxPexError
from nox_pex.system import files
from nox_pex.system.lazy import pattern

_UNHASHED: Final = ("RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json")
"""The files of a `.dist-info` whose rows may have no digest. Poetry writes none for `direct_url.json`."""


_ALGORITHMS: Final = frozenset({"sha256", "sha384", "sha512"})
"""The algorithms of a digest: SHA-256 or better, as the specification requires."""


_CREATED: Final = frozenset({"_virtualenv.py", "_virtualenv.pth"})
"""The files that uv and virtualenv create in site-packages."""


_RESERVED: Final = pattern(r"pyvenv\.cfg|lib64|bin/(python|pypy|graalpy)[0-9.]*t?d?")
"""The files that make a directory an environment: no distribution may install them."""


def listed(distribution: Distribution, environment: Environment) -> dict[str, tuple[str, str]]:
    """Return path and digest in the RECORD of each file of a distribution, by path from the environment's directory.

    Raises `OSError` if there is no RECORD, or if it has a row without a strong digest, a second row for a file, or a
    row for a file outside of the environment.
    """
    found: dict[str, tuple[str, str]] = {}
    info = os.path.relpath(distribution.directory, environment.path)
    unhashed = {f"{info}/{name}" for name in _UNHASHED}
    for path, recorded_path, digest in installed_files(distribution, environment):
        algorithm, _, value = digest.partition("=")
        if path in found:
            raise OSError(0, f"{distribution.name} lists a file twice", path)
        if (digest or path not in unhashed) and not (algorithm in _ALGORITHMS and value):
            raise OSError(0, f"{distribution.name} has no SHA-256 of a file", path)
        found[path] = recorded_path, digest
    return found


def has_digest(content: bytes, digest: str) -> bool:
    """Whether a file of this content has the digest of its row; a row without one matches any content."""
    algorithm, _, value = digest.partition("=")
    return not digest or encode_digest(hashlib.new(algorithm, content).digest()) == value


def damaged(environment: Environment) -> Iterator[str]:
    """Yield what is not as it was installed, as `distribution: file`: also each file that no distribution installed.

    Scripts that start an environment, and the bytecode that Python writes, are not looked at.
    """
    known: set[str] = set()
    for distribution in environment.distributions():
        if distribution.record is None:
            yield f"{distribution.name}: no RECORD"
            continue
        try:
            rows = listed(distribution, environment)
        except OSError as error:
            yield f"{distribution.name}: {error.strerror} ({error.filename})"
            continue
        known.update(rows)
        for path, (_, digest) in rows.items():
            if not _is_as_listed(environment.path / path, digest):
                yield f"{distribution.name}: {_shown(path)}"
    yield from _of_no_distribution(environment, known)


def strays(environment: Environment) -> Iterator[str]:
    """Yield each file in site-packages that no distribution installed, as `damaged` does; only RECORDs are read."""
    known: set[str] = set()
    for distribution in environment.distributions():
        with contextlib.suppress(OSError):  # `damaged` reports the distribution
            known.update(path for path, _, _ in installed_files(distribution, environment))
    yield from _of_no_distribution(environment, known)


def _of_no_distribution(environment: Environment, known: set[str]) -> Iterator[str]:
    for root in environment.site_packages:
        for path in sorted(_unlisted(root, environment, known)):
            yield f"no distribution: {_shown(path)}"


def files_in(directory: Path) -> set[str] | None:
    """Return the paths of all files below a directory; None if there is anything but files and directories."""
    found: set[str] = set()
    start = len(os.fspath(directory)) + 1
    for entry in files.entries(directory):
        if entry.is_file(follow_symlinks=False):
            found.add(entry.path[start:])
        elif not entry.is_dir(follow_symlinks=False):
            return None
    return found


def check_places(environment: Environment) -> None:
    """Raise `NoxPexError` `install-failed` if a distribution replaced a file of the environment itself, or left it."""
    for distribution in environment.distributions():
        if distribution.record is None:
            continue
        try:
            places = [path for path, _, _ in installed_files(distribution, environment)]
            wrong = next(filter(_RESERVED.fullmatch, places), None)
        except OSError as error:
            problem = f"{distribution.name} {distribution.version}: {error.strerror} ({error.filename})"
        else:
            if wrong is None:
                continue
            problem = f"{distribution.name} {distribution.version} installs {wrong}, which belongs to the environment"
        remedy = f"lock another version of {distribution.name}, or remove it, and report it to its authors"
        raise NoxPexError("install-failed", problem, remedy)


def _shown(path: str) -> str:
    """Return a path in site-packages from there, and any other path from the environment's directory."""
    return path.rpartition("/site-packages/")[2]


def _is_as_listed(file: Path, digest: str) -> bool:
    algorithm, _, value = digest.partition("=")
    try:
        return record_digest(algorithm, file) == value if digest else file.is_file()
    except (OSError, ValueError):
        return False


def _unlisted(root: Path, environment: Environment, known: set[str]) -> Iterator[str]:
    # By length, because `os.path.relpath` takes longer than the system's calls.
    here, inside = len(f"{environment.path}/"), len(f"{root}/")
    for entry in files.entries(root):
        path = entry.path[here:]
        if path in known or entry.is_dir(follow_symlinks=False):
            continue
        above, name = os.path.split(entry.path[inside:])
        is_bytecode = name.endswith(".pyc") and Path(above).name == "__pycache__"
        if not is_bytecode and not (above == "" and name in _CREATED):
            yield path
