"""Splits a binary in two, each of which becomes a layer of an image: one that only the lock decides, and the rest.

pex's own `venv --scope=deps` counts the project's wheel among the dependencies. It also needs the complete binary, so
an engine would unpack and compile everything again after each edit.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from packaging.utils import canonicalize_name

from nox_pex.distributions import pex_file
from nox_pex.system import files

_RUNTIME: Final = (".bootstrap/", "__pex__/", "__main__.py")


_DISTRIBUTIONS: Final = ".deps/"


_INFO: Final = "PEX-INFO"


_DATE: Final = (1980, 1, 1, 0, 0, 0)


_SHEBANG: Final = b"#!/usr/bin/env python3\n"
"""pex requires one, although both files are run by an interpreter that the command line names."""


_PIECE: Final = 1 << 20
"""Bytes that are copied at a time."""


class SplitPex(Struct, frozen=True, kw_only=True):
    """The paths of the two files: a PEX of the `dependencies`, and one of the project's `own` code, which starts."""

    dependencies: Path
    own: Path


def split_paths(binary: Path) -> SplitPex:
    """Return the paths of the two files, next to `binary`."""
    return SplitPex(dependencies=binary.with_suffix(".deps.pex"), own=binary.with_suffix(".own.pex"))


def split(binary: Path, *, project: str | None, into: SplitPex) -> None:
    """Write both parts of the PEX file `binary`: the same lock gives the same bytes, and so does the same code.

    `project` is the name of the project's distribution, or None if it ships as loose files. A part that exists already
    is written again: somebody may have changed it. Raises `PexError` if the binary is not a PEX file.
    """
    info = pex_file.info(binary).values
    with pex_file.reporting_damage(), zipfile.ZipFile(binary) as archive:
        dependencies = _info_of_dependencies(info, project)
        _write(archive, dependencies, into.dependencies, code=False)
        _write(archive, _info_of_rest(info, dependencies), into.own, code=True)


def _info_of_dependencies(info: Mapping[str, Any], project: str | None) -> dict[str, Any]:
    """Return a PEX-INFO of the dependencies, which is the same after an edit because it has no trace of the code."""
    name = canonicalize_name(project or "")
    wheels = {wheel: digest for wheel, digest in info["distributions"].items() if _pin(wheel)[0] != name}
    of_the_code = ("entry_point", "script", "inject_env", "inject_args", "inject_python_args")
    rest = {key: value for key, value in info.items() if key not in of_the_code}
    return _info_of_part({**rest, "code_hash": "0" * 40}, wheels)


def _info_of_rest(info: Mapping[str, Any], dependencies: Mapping[str, Any]) -> dict[str, Any]:
    """Return a PEX-INFO of everything that is not in `dependencies`, the PEX-INFO of the other part."""
    theirs = dependencies["distributions"]
    return _info_of_part(
        info, {wheel: digest for wheel, digest in info["distributions"].items() if wheel not in theirs}
    )


def _info_of_part(info: Mapping[str, Any], wheels: Mapping[str, str]) -> dict[str, Any]:
    """Return a PEX-INFO that requires exactly `wheels`, and ignores dependencies that are in the other part."""
    pins = sorted(f"{name}=={version}" for name, version in map(_pin, wheels))
    return _with_hash({**info, "distributions": dict(wheels), "requirements": pins, "ignore_errors": True})


def _with_hash(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return `info` with the hash by which pex distinguishes binaries in its cache."""
    rest = {key: value for key, value in info.items() if key != "pex_hash"}
    digest = hashlib.sha1(json.dumps(rest, sort_keys=True).encode(), usedforsecurity=False)
    return {**rest, "pex_hash": digest.hexdigest()}


def _write(archive: zipfile.ZipFile, info: Mapping[str, Any], into: Path, *, code: bool) -> None:
    text = json.dumps(info, sort_keys=True).encode()
    files.require_replaceable(into)
    unfinished = into.with_name(f".{into.name}.new")
    unfinished.unlink(missing_ok=True)
    with _removed_on_failure(unfinished), unfinished.open("xb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as written:
            _copy(archive, _entries_of_part(archive, info["distributions"], code=code), written)
            written.writestr(_entry(_INFO), text)
    unfinished.chmod(0o755)
    unfinished.replace(into)


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _copy(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo], written: zipfile.ZipFile) -> None:
    for entry in entries:
        copy = _entry(entry.filename)
        copy.external_attr, copy.file_size = entry.external_attr, entry.file_size
        with archive.open(entry) as source, written.open(copy, "w") as target:
            while piece := source.read(_PIECE):
                target.write(piece)


def _entries_of_part(archive: zipfile.ZipFile, wheels: Mapping[str, str], *, code: bool) -> Iterator[zipfile.ZipInfo]:
    """Yield the entries of a part, sorted: those of `wheels`, pex's runtime and, if `code`, all loose files."""
    for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
        name = entry.filename
        if name.startswith(_DISTRIBUTIONS):
            wheel = name.removeprefix(_DISTRIBUTIONS).partition("/")[0]
            wanted = not wheel or wheel in wheels  # including directories, by which pex finds distributions
        elif name == _INFO:
            wanted = False
        else:
            wanted = code or name.startswith(_RUNTIME)
        if wanted:
            yield entry


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_DATE)
    entry.external_attr = 0o100644 << 16
    return entry


def _pin(wheel: str) -> tuple[str, str]:
    """Return the normalized name and the version in a wheel's file name."""
    name, version, *_ = wheel.split("-")
    return canonicalize_name(name), version


if __name__ == "__main__":
    split(Path(sys.argv[1]), project=sys.argv[2] if sys.argv[2:] else None, into=split_paths(Path(sys.argv[1])))
