"""Small PEX files, wheels and dependency PEXes, written in the test as pex 2.105 writes them, without pex.

The hashes, the order of the members and what pex notes of a wheel are computed here a second time, from pex's source,
and not by nox-pex.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
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
    """A PEX file to write: the project's loose sources, a library, and the files of other installed wheels.

    `stored` are wheels that are not installed, by name. `values` are further values of PEX-INFO.
    """

    sources: Files = {}
    library: bool = True
    wheels: Mapping[str, Files] = {}
    stored: Mapping[str, bytes] = {}
    values: Mapping[str, Any] = {}
    compress: bool = True
    entry_point: str = "main:main"
    kind: int = 0o100000
    """The type of file in each member's mode; older versions of pex write none."""

    @property
    def distributions(self) -> Mapping[str, Files]:
        """The files of each wheel in it, by the wheel's name."""
        return {**({LIBRARY: LIBRARY_FILES} if self.library else {}), **self.wheels}

    def info(self) -> dict[str, Any]:
        """Return its PEX-INFO."""
        code = {n: file for n, file in self.sources.items() if not n.rpartition("/")[2].startswith(".")}
        info: dict[str, Any] = {
            "build_properties": {"pex_version": "2.105.2"},
            "code_hash": tree_hash("sha1", code),
            "distributions": {
                **{name: fingerprint(files) for name, files in self.distributions.items()},
                **{name: hashlib.sha256(content).hexdigest() for name, content in self.stored.items()},
            },
            "entry_point": self.entry_point,
            **self.values,
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
            **{f".deps/{name}": content for name, content in self.stored.items()},
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


def tree_hash(algorithm: str, files: Files) -> str:
    """Return pex's hash of a tree: all names, then all contents, both sorted by name."""
    text = "".join(sorted(files)).encode() + b"".join(_member(files[name]).content for name in sorted(files))
    return hashlib.new(algorithm, text).hexdigest()


def fingerprint(files: Files) -> str:
    """Return pex's fingerprint of an installed wheel."""
    return tree_hash("sha256", files)


def with_layout(files: Files) -> dict[str, bytes | Member]:
    """Return the files of an installed wheel with the one in which pex notes its layout."""
    (info, *_) = sorted(name.partition("/")[0] for name in files if ".dist-info/" in name)
    layout: dict[str, Any] = {
        "fingerprint": fingerprint(files),
        "record_relpath": f"{info}/RECORD",
        "root_is_purelib": b"\nRoot-Is-Purelib: true\n" in _member(files.get(f"{info}/WHEEL", b"")).content,
        "stash_dir": ".prefix",
        "sys_path_entries": ["."],
    }
    return {**files, ".layout.json": as_json(layout)}


def in_pex_order(names: Iterable[str]) -> list[str]:
    """Return names as pex orders them: by name; in an installed wheel, the files of a directory come first."""
    remaining = sorted(names)
    order: list[str] = []
    while remaining:
        root = re.match(r"\.deps/[^/]+/", remaining[0])
        together = [name for name in remaining if name.startswith(root[0])] if root is not None else remaining[:1]
        remaining = remaining[len(together) :]
        order += [f"{root[0]}{each}" for each in _walked([n[root.end() :] for n in together])] if root else together
    return order


def _walked(names: list[str]) -> list[str]:
    files = [name for name in names if "/" not in name]
    directories = sorted({name.partition("/")[0] for name in names if "/" in name})
    below = {each: [n[len(each) + 1 :] for n in names if n.startswith(f"{each}/")] for each in directories}
    return [*files, *(f"{each}/{name}" for each, inner in below.items() for name in _walked(inner))]


def write_zip(
    path: Path,
    files: Files,
    *,
    compress: bool = True,
    kind: int = 0o100000,
    header: bytes = b"",
    level: int | None = None,
) -> Path:
    """Write a ZIP archive in pex's order, each directory before the first file in it."""
    order: dict[str, None] = {}
    for name in in_pex_order(files):
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
                packed = compress and not re.fullmatch(r"\.deps/[^/]+\.whl", name)
                info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
                archive.writestr(info, member.content, compresslevel=level)
    path.chmod(0o755)
    return path


def write_wheel(path: Path, files: Files, *, date: tuple[int, int, int, int, int, int] = EPOCH) -> Path:
    """Write the wheel of a project as a build backend does, with a RECORD."""
    name, version, *_ = path.name.split("-")
    metadata = f"{name}-{version}.dist-info"
    fields = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    contents = {
        **{name: _member(file) for name, file in files.items()},
        f"{metadata}/METADATA": _member(files.get(f"{metadata}/METADATA", fields)),
        f"{metadata}/WHEEL": Member(b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    }
    contents[f"{metadata}/RECORD"] = Member(record({n: m.content for n, m in contents.items()}, f"{metadata}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in contents.items():
            info = zipfile.ZipInfo(name, date)
            info.external_attr = (0o100000 | member.mode) << 16
            archive.writestr(info, member.content)
    return path


def installed(wheel: Path) -> dict[str, bytes | Member]:
    """Return the files of a wheel without scripts and data as pex installs them into a PEX."""
    with zipfile.ZipFile(wheel) as archive:
        entries = archive.infolist()
        files: dict[str, bytes | Member] = {
            info.filename: Member(archive.read(info), 0o755 if info.external_attr >> 16 & 0o100 else 0o644)
            for info in entries
        }
    noted = [[info.filename, list(info.date_time), info.external_attr] for info in entries]
    (metadata,) = {name.partition("/")[0] for name in files if ".dist-info/" in name}
    original = f"{metadata.removesuffix('.dist-info')}.pex-info/original-whl-info.json"
    files[original] = as_json({"filename": wheel.name, "entries": noted})
    row = record({original: _member(files[original]).content}, "")
    files[f"{metadata}/RECORD"] = _member(files[f"{metadata}/RECORD"]).content + row.splitlines(keepends=True)[0]
    return files


def record(files: Mapping[str, bytes], path: str) -> bytes:
    """Return a RECORD of `files`, itself at `path`."""
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for name, content in files.items()
    ]
    return "\n".join([*rows, f"{path},,", ""]).encode()


PROBE: Final = "nox_pex_probe-1-py3-none-any.whl"


def installed_probe(wheel: Path) -> dict[str, bytes | Member]:
    """Return the files of the probe as pex installs them: it has everything that pex moves, rewrites or generates."""
    files = {name: _member(file) for name, file in installed(wheel).items()}
    info = "nox_pex_probe-1.dist-info"
    rows = files.pop(f"{info}/RECORD").content.decode().splitlines(keepends=True)
    moves = {
        "nox_pex_probe-1.data/scripts/": ".prefix/bin/",
        "nox_pex_probe-1.data/headers/": ".prefix/include/site/pythonX.Y/nox-pex-probe/",
        "nox_pex_probe-1.data/data/": ".prefix/data/",
    }
    for old, new in moves.items():
        files = {name.replace(old, new): file for name, file in files.items()}
        rows = [row.replace(old, new) for row in rows]
    generated = {".prefix/bin/probe": ("nox_pex_probe", "('main',)")}
    generated[".prefix/bin/probe-gui"] = ("nox_pex_probe.data", "('main', 'run')")
    for name, (module, attributes) in generated.items():
        files[name] = Member(_LAUNCHER.format(module=module, attributes=attributes).encode(), 0o755)
        rows.insert(-1, record({name: files[name].content}, "").decode().splitlines(keepends=True)[0])
    files[".prefix/bin/probe-script"] = Member(files[".prefix/bin/probe-script"].content)
    return {**files, f"{info}/RECORD": "".join(rows).encode()}


_LAUNCHER: Final = """\
#!python
# -*- coding: utf-8 -*-
import importlib
import sys

entry_point = importlib.import_module('{module}')
for attr in {attributes}:
    entry_point = getattr(entry_point, attr)

if __name__ == "__main__":
    import os
    pex_root_fallback = os.environ.get("_PEX_ROOT_FALLBACK")
    if pex_root_fallback:
        import atexit
        import shutil

        atexit.register(shutil.rmtree, pex_root_fallback, True)

    sys.exit(entry_point())
"""


def write_repository(path: Path, wheels: Mapping[str, Files], *, level: int | None = None) -> Path:
    """Write a dependency PEX: a directory with an archive for pex and one for each installed wheel."""
    (path / ".deps").mkdir(parents=True)
    write_zip(path / ".bootstrap", {name.removeprefix(".bootstrap/"): file for name, file in BOOTSTRAP.items()})
    for name, files in wheels.items():
        write_zip(path / ".deps" / name, with_layout(files), level=level)
    (path / "PEX-INFO").write_bytes(as_json({"distributions": {name: fingerprint(f) for name, f in wheels.items()}}))
    return path


def _member(file: bytes | Member) -> Member:
    return file if isinstance(file, Member) else Member(file)
