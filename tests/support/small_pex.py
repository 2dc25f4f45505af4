"""Small PEX files, wheels and dependency PEXes, written in the test as pex 2.105 writes them, without pex.

The hashes and the order of the members are computed here a second time, from pex's source, and not by nox-pex.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

EPOCH: Final = (1980, 1, 1, 0, 0, 0)
BOOTSTRAP: Final = {
    ".bootstrap/pex/__init__.py": b"",
    ".bootstrap/pex/pex_bootstrapper.py": b"def bootstrap_pex(entry_point):\n    ...\n" * 500,
    ".bootstrap/pex/version.py": b'__version__ = "2.105.2"\n',
}
LIBRARY: Final = "idna-3.11-py3-none-any.whl"
LIBRARY_FILES: Final = {
    "idna/__init__.py": b"from .core import encode\n",
    "idna/core.py": b"def encode(text):\n    return text.encode('idna')\n" * 300,
    "idna-3.11.dist-info/METADATA": b"Metadata-Version: 2.1\nName: idna\nVersion: 3.11\n",
}


class Member(Struct, frozen=True):
    """The content of a file, and its permissions."""

    content: bytes
    mode: int = 0o644


Files = Mapping[str, bytes | Member]


class SmallPex(Struct, frozen=True, kw_only=True):
    """A PEX file to write: the project's loose sources, a library, and the files of other installed wheels."""

    sources: Files = {}
    wheels: Mapping[str, Mapping[str, bytes]] = {}
    compress: bool = True
    entry_point: str = "main:main"
    kind: int = 0o100000
    """The type of file in each member's mode; older versions of pex write none."""

    @property
    def distributions(self) -> Mapping[str, Mapping[str, bytes]]:
        """The files of each wheel in it, by the wheel's name."""
        return {LIBRARY: LIBRARY_FILES, **self.wheels}

    def info(self) -> dict[str, Any]:
        """Return its PEX-INFO."""
        code = {name: _member(file).content for name, file in self.sources.items() if "/." not in f"/{name}"}
        info: dict[str, Any] = {
            "build_properties": {"pex_version": "2.105.2"},
            "code_hash": tree_hash("sha1", code),
            "distributions": {name: fingerprint(files) for name, files in self.distributions.items()},
            "entry_point": self.entry_point,
        }
        return {**info, "pex_hash": hashlib.sha1(as_json(info)).hexdigest()}  # noqa: S324  # pex's choice

    def files(self) -> dict[str, bytes | Member]:
        """Return all of its files by name."""
        info = self.info()
        boot = f"PEX_HASH = '{info['pex_hash']}'\n".encode()
        found: dict[str, bytes | Member] = {
            **BOOTSTRAP,
            **self.sources,
            "PEX-INFO": as_json(info),
            "__main__.py": Member(boot + b"boot()\n", 0o755),
            "__pex__/__init__.py": boot,
        }
        for name, files in self.distributions.items():
            found.update({f".deps/{name}/{path}": content for path, content in with_layout(files).items()})
        return found

    def write(self, path: Path) -> Path:
        """Write it as an executable file that starts with a shell script."""
        script = f"#!/bin/sh\nexec python {self.info()['pex_hash']}\n".encode()
        return write_zip(path, self.files(), compress=self.compress, kind=self.kind, header=script)


def as_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def tree_hash(algorithm: str, files: Mapping[str, bytes]) -> str:
    """Return pex's hash of a tree: all names, then all contents, both sorted by name."""
    text = "".join(sorted(files)).encode() + b"".join(files[name] for name in sorted(files))
    return hashlib.new(algorithm, text).hexdigest()


def fingerprint(files: Mapping[str, bytes]) -> str:
    """Return pex's fingerprint of an installed wheel."""
    return tree_hash("sha256", files)


def with_layout(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of an installed wheel with the one in which pex notes its layout."""
    return {**files, ".layout.json": as_json({"fingerprint": fingerprint(files), "stash_dir": ".prefix"})}


def write_zip(
    path: Path,
    files: Files,
    *,
    compress: bool = True,
    kind: int = 0o100000,
    header: bytes = b"",
    level: int | None = None,
) -> Path:
    """Write a ZIP archive in pex's order: files by name, each directory before the first file in it."""
    order: dict[str, None] = {}
    for name in sorted(files):
        order.update(dict.fromkeys(f"{name[:end]}/" for end in range(len(name)) if name[end] == "/"))
        order[name] = None
    with path.open("wb") as file:
        file.write(header)
        with zipfile.ZipFile(file, "w", compresslevel=level) as archive:
            for name in order:
                info = zipfile.ZipInfo(name, EPOCH)
                if name.endswith("/"):
                    info.external_attr = (kind and 0o40000 | 0o755) << 16 | 0x10
                    if not kind:
                        info.external_attr |= 0o755 << 16
                    archive.writestr(info, b"")
                    continue
                member = _member(files[name])
                info.external_attr = (kind | member.mode) << 16
                info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
                archive.writestr(info, member.content, compresslevel=level)
    path.chmod(0o755)
    return path


def write_wheel(path: Path, files: Files, *, date: tuple[int, int, int, int, int, int] = EPOCH) -> Path:
    """Write the wheel of a project as a build backend does, with a RECORD."""
    metadata = "-".join(path.name.split("-")[:2]) + ".dist-info"
    contents = {
        **{name: _member(file) for name, file in files.items()},
        f"{metadata}/METADATA": _member(files.get(f"{metadata}/METADATA", b"Metadata-Version: 2.1\nName: shop\n")),
        f"{metadata}/WHEEL": Member(b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    }
    contents[f"{metadata}/RECORD"] = Member(record({n: m.content for n, m in contents.items()}, f"{metadata}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in contents.items():
            info = zipfile.ZipInfo(name, date)
            info.external_attr = (0o100000 | member.mode) << 16
            archive.writestr(info, member.content)
    return path


def installed(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel as pex installs them into a PEX."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
        entries = [[info.filename, list(info.date_time), info.external_attr] for info in archive.infolist()]
    (metadata,) = {name.partition("/")[0] for name in files if ".dist-info/" in name}
    files[f"{metadata}/pex-info/original-whl-info.json"] = as_json({"filename": wheel.name, "entries": entries})
    del files[f"{metadata}/RECORD"]
    files[f"{metadata}/RECORD"] = record(files, f"{metadata}/RECORD")
    return files


def record(files: Mapping[str, bytes], path: str) -> bytes:
    """Return a RECORD of `files`, itself at `path`."""
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for name, content in files.items()
    ]
    return "\n".join([*rows, f"{path},,", ""]).encode()


def write_repository(path: Path, wheels: Mapping[str, Mapping[str, bytes]], *, level: int | None = None) -> Path:
    """Write a dependency PEX: a directory with an archive for pex and one for each installed wheel."""
    (path / ".deps").mkdir(parents=True)
    write_zip(path / ".bootstrap", {name.removeprefix(".bootstrap/"): file for name, file in BOOTSTRAP.items()})
    for name, files in wheels.items():
        write_zip(path / ".deps" / name, with_layout(files), level=level)
    return path


def _member(file: bytes | Member) -> Member:
    return file if isinstance(file, Member) else Member(file)
