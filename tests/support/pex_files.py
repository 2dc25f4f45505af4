"""PEX files that tests write by hand, and ways to change those that pex built."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nox_pex.verify.archive import open_pex

Members = Mapping[str, bytes | str]
_DATE: Final = (1980, 1, 1, 0, 0, 0)


def archive(path: Path, members: Members, *, head: bytes = b"", compression: int = 8) -> Path:
    """A ZIP archive with `members`, all of one date, after the bytes `head`."""
    path.write_bytes(head)
    with zipfile.ZipFile(path, "a", compression) as file:
        _write(file, members)
    return path


def wheel(members: Members) -> bytes:
    """The bytes of a ZIP archive with `members`, all of one date."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        _write(file, members)
    return stream.getvalue()


def _write(file: zipfile.ZipFile, members: Members) -> None:
    for name, content in members.items():
        entry = zipfile.ZipInfo(name, _DATE)
        entry.external_attr = 0o600 << 16
        file.writestr(entry, content, compress_type=file.compression)


def recorded(name: str, version: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The members of a distribution with `files`: those, its METADATA, and a RECORD of all of them."""
    dist_info = f"{name}-{version}.dist-info"
    members = {**files, f"{dist_info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()}
    record = f"{dist_info}/RECORD,,\n".encode()
    for path, content in members.items():
        record = with_row(record, path, content)
    return {**members, f"{dist_info}/RECORD": record}


def zipapp(
    path: Path, distributions: Mapping[str, Mapping[str, bytes]], *, loose: Mapping[str, bytes] | None = None
) -> Path:
    """A PEX whose `.deps` have `distributions`, installed, by the names of their wheels; all digests are right.

    `loose` are the project's loose files.
    """
    code = loose or {}
    info: dict[str, Any] = {
        "distributions": {wheel: _digest(members, hashlib.sha256()) for wheel, members in distributions.items()},
        "code_hash": _digest(code, hashlib.sha1(usedforsecurity=False)),
    }
    deps = {
        f".deps/{wheel}/{name}": content for wheel, files in distributions.items() for name, content in files.items()
    }
    return archive(path, {".bootstrap/pex/__init__.py": "", **deps, "PEX-INFO": json.dumps(info), **code})


def _digest(members: Mapping[str, bytes], hasher: Any) -> str:
    """pex's digest of files except bytecode: over all names, then over all content."""
    names = sorted(name for name in members if not name.endswith(".pyc"))
    hasher.update("".join(names).encode())
    for name in names:
        hasher.update(members[name])
    digest: str = hasher.hexdigest()
    return digest


def spoiled(source: Path, target: Path, changes: Mapping[str, bytes | None]) -> Path:
    """A copy of a zipapp, or of a PEX directory, with different content (None: without it) for members in `changes`."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
        for name, content in changes.items():
            path = target / name
            path.unlink(missing_ok=True)
            if content is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        return target
    with open_pex(source) as pex:
        target.write_bytes(pex.head())
    remaining = dict(changes)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "a") as new:
        for info in old.infolist():
            content = remaining.pop(info.filename, old.read(info))
            if content is not None:
                new.writestr(info, content, compress_type=info.compress_type)
        for name, content in remaining.items():
            if content is not None:
                new.writestr(name, content)
    target.chmod(target.stat().st_mode | stat.S_IXUSR)
    return target


def member(binary: Path, ending: str) -> tuple[str, bytes]:
    """The one member of a zipapp whose name ends with `ending`, and its content."""
    with zipfile.ZipFile(binary) as file:
        (name,) = [name for name in file.namelist() if name.endswith(ending)]
        return name, file.read(name)


def with_row(record: bytes, path: str, content: bytes) -> bytes:
    """A RECORD whose row for `path` fits `content`."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    rows = [row for row in record.decode().splitlines() if not row.startswith(f"{path},")]
    return "\n".join([*rows, f"{path},sha256={digest},{len(content)}", ""]).encode()
