"""A binary in two: what only the lock decides, and what an edit changes. Each becomes a layer of an image.

pex's own `venv --scope=deps` counts the project's wheel among the dependencies, and it needs the whole binary, so that
an engine would unpack and compile everything again after each edit.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

_RUNTIME: Final = (".bootstrap/", "__pex__/", "__main__.py")


_DISTRIBUTIONS: Final = ".deps/"


_INFO: Final = "PEX-INFO"


_DATE: Final = (1980, 1, 1, 0, 0, 0)


_SHEBANG: Final = b"#!/usr/bin/env python3\n"
"""pex takes no file without one for a PEX; the halves are run by an interpreter that is named."""


_PIECE: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SplitPex:
    """The two files: a PEX of the `dependencies`, and one of the project's `own` code, which starts the program."""

    dependencies: Path
    own: Path


def split_paths(binary: Path) -> SplitPex:
    """Where the halves of `binary` are: beside it."""
    return SplitPex(dependencies=binary.with_suffix(".deps.pex"), own=binary.with_suffix(".own.pex"))


def split(binary: Path, *, project: str | None, into: SplitPex) -> None:
    """Write both halves of the PEX file `binary`: the same bytes for the same lock, and for the same code.

    `project` is the name of the project's distribution, where it is one. A half that is there already is left.
    """
    with zipfile.ZipFile(binary) as archive:
        info = json.loads(archive.read(_INFO))
        theirs = _dependencies(info, project)
        _write(archive, theirs, into.dependencies, code=False)
        _write(archive, _own(info, theirs), into.own, code=True)


def _dependencies(info: Mapping[str, Any], project: str | None) -> dict[str, Any]:
    """A PEX-INFO of the dependencies alone: no trace of the code, so that it is the same after an edit."""
    name = canonicalize_name(project or "")
    wheels = {wheel: digest for wheel, digest in info["distributions"].items() if _pin(wheel)[0] != name}
    of_the_code = ("entry_point", "script", "inject_env", "inject_args", "inject_python_args")
    rest = {key: value for key, value in info.items() if key not in of_the_code}
    return _half({**rest, "code_hash": "0" * 40}, wheels)


def _own(info: Mapping[str, Any], dependencies: Mapping[str, Any]) -> dict[str, Any]:
    """A PEX-INFO of the rest."""
    theirs = dependencies["distributions"]
    return _half(info, {wheel: digest for wheel, digest in info["distributions"].items() if wheel not in theirs})


def _half(info: Mapping[str, Any], wheels: Mapping[str, str]) -> dict[str, Any]:
    """A PEX-INFO that asks for just these `wheels`, and does not insist on what they need from the other half."""
    pins = sorted(f"{name}=={version}" for name, version in map(_pin, wheels))
    return _hashed({**info, "distributions": dict(wheels), "requirements": pins, "ignore_errors": True})


def _hashed(info: Mapping[str, Any]) -> dict[str, Any]:
    """With the hash by which pex tells binaries apart in its cache."""
    rest = {key: value for key, value in info.items() if key != "pex_hash"}
    digest = hashlib.sha1(json.dumps(rest, sort_keys=True).encode(), usedforsecurity=False)
    return {**rest, "pex_hash": digest.hexdigest()}


def _write(archive: zipfile.ZipFile, info: Mapping[str, Any], into: Path, *, code: bool) -> None:
    text = json.dumps(info, sort_keys=True).encode()
    if _info(into) == text:
        return
    aside = into.with_name(f".{into.name}.new")
    with aside.open("wb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as written:
            _copy(archive, _kept(archive, info["distributions"], code=code), written)
            written.writestr(_entry(_INFO), text)
    aside.chmod(0o755)
    aside.replace(into)


def _copy(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo], written: zipfile.ZipFile) -> None:
    for entry in entries:
        fresh = _entry(entry.filename)
        fresh.external_attr, fresh.file_size = entry.external_attr, entry.file_size
        with archive.open(entry) as source, written.open(fresh, "w") as target:
            while piece := source.read(_PIECE):
                target.write(piece)


def _kept(archive: zipfile.ZipFile, wheels: Mapping[str, str], *, code: bool) -> Iterator[zipfile.ZipInfo]:
    for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
        name = entry.filename
        if name.startswith(_DISTRIBUTIONS):
            wheel = name.removeprefix(_DISTRIBUTIONS).partition("/")[0]
            wanted = not wheel or wheel in wheels  # directories too: pex finds distributions by them
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


def _info(file: Path) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.read(_INFO)
    except (OSError, KeyError, zipfile.BadZipFile):
        return b""


def _pin(wheel: str) -> tuple[str, str]:
    """The normalized name, and the version, of a wheel by its file name."""
    name, version, *_ = wheel.split("-")
    return canonicalize_name(name), version


if __name__ == "__main__":
    split(Path(sys.argv[1]), project=sys.argv[2] if sys.argv[2:] else None, into=split_paths(Path(sys.argv[1])))
