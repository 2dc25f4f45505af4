"""Small wheels with everything odd that a distribution may have, and an index that serves them."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.support.file_server import serve_files

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_PLATFORM: Final = sysconfig.get_platform().replace("-", "_").replace(".", "_")
_MINOR: Final = f"{sys.version_info.major}{sys.version_info.minor}"


class Odd(Struct, frozen=True, kw_only=True):
    """A distribution to write as a wheel, or as an sdist that builds this wheel.

    `files` are the members of the wheel, `executable` those with the execute permission, and `directories` its members
    for directories. `metadata` are further fields of METADATA, `entry_points` the text of `entry_points.txt`, and
    `info` further files of the `.dist-info`. `stem` is the beginning of the file name, if it is not the name.
    `variant` tells apart files of one name and version.
    """

    name: str
    version: str = "1.0"
    files: Mapping[str, str | bytes] = {}
    executable: frozenset[str] = frozenset()
    directories: tuple[str, ...] = ()
    metadata: str = ""
    encoding: str = "utf-8"
    entry_points: str = ""
    info: Mapping[str, str | bytes] = {}
    stem: str = ""
    tag: str = "py3-none-any"
    sdist: bool = False
    variant: str = ""

    @property
    def key(self) -> str:
        """The name by which indexes know it."""
        return self.name.replace("_", "-").replace(".", "-").lower()

    @property
    def file_name(self) -> str:
        """The name of the file on the index."""
        if self.sdist:
            return f"{self._stem}-{self.version}.tar.gz"
        return f"{self._stem}-{self.version}-{self.tag}.whl"

    def content(self) -> bytes:
        """Return the bytes of the file on the index, which are the same in every run."""
        return self._sdist() if self.sdist else self._wheel()

    @property
    def _stem(self) -> str:
        return self.stem or self.key.replace("-", "_")

    def _wheel(self) -> bytes:
        dist_info = f"{self._stem}-{self.version}.dist-info"
        fields = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n{self.metadata}"
        purelib = str("none-any" in self.tag).lower()
        contents = {name: _bytes(content) for name, content in self.files.items()}
        contents[f"{dist_info}/METADATA"] = fields.encode(self.encoding)
        contents[f"{dist_info}/WHEEL"] = (
            f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {purelib}\nTag: {self.tag}\n".encode()
        )
        if self.entry_points:
            contents[f"{dist_info}/entry_points.txt"] = self.entry_points.encode()
        contents |= {f"{dist_info}/{name}": _bytes(content) for name, content in self.info.items()}
        rows = [f"{_quoted(name)},{_digest(content)},{len(content)}" for name, content in contents.items()]
        contents[f"{dist_info}/RECORD"] = "\n".join([*rows, f"{dist_info}/RECORD,,", ""]).encode()
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in self.directories:
                info = zipfile.ZipInfo(f"{name}/", _EPOCH)
                info.external_attr = 0o40755 << 16 | 0x10
                archive.writestr(info, b"")
            for name, content in contents.items():
                info = zipfile.ZipInfo(name, _EPOCH)
                info.external_attr = (0o100755 if name in self.executable else 0o100644) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, content)
        return stream.getvalue()

    def _sdist(self) -> bytes:
        """An sdist with a build backend that needs nothing and copies the wheel from the sdist."""
        top = f"{self._stem}-{self.version}"
        wheel = f"{self._stem}-{self.version}-{self.tag}.whl"
        contents = {
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n".encode(),
            "pyproject.toml": _IN_TREE.encode(),
            "backend.py": _BACKEND.format(wheel=wheel).encode(),
            wheel: self._wheel(),
        }
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content in contents.items():
                entry = tarfile.TarInfo(f"{top}/{name}")
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
        return _gzip(stream.getvalue())


_IN_TREE: Final = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'

_BACKEND: Final = """\
import shutil


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    shutil.copy({wheel!r}, wheel_directory)
    return {wheel!r}
"""


def library(name: str, text: str) -> dict[str, str]:
    """Return the files of a package of one module, which is built without any build requirement."""
    return {
        "pyproject.toml": f'[project]\nname = "{name}"\nversion = "1.0"\n{_IN_TREE}',
        "backend.py": _LIBRARY_BACKEND.format(name=name),
        f"{name}.py": text,
    }


_LIBRARY_BACKEND: Final = """\
import base64
import hashlib
import os
import zipfile

METADATA = "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n"
WHEEL = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
INFO = "{name}-1.0.dist-info"


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write(directory, name, content):
    files = {{name: content, INFO + "/METADATA": METADATA, INFO + "/WHEEL": WHEEL}}
    rows = [path + ",sha256=" + digest(text) + "," + str(len(text)) for path, text in files.items()]
    files[INFO + "/RECORD"] = "\\n".join([*rows, INFO + "/RECORD,,", ""])
    with zipfile.ZipFile(os.path.join(directory, "{name}-1.0-py3-none-any.whl"), "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), text)
    return "{name}-1.0-py3-none-any.whl"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return write(wheel_directory, "{name}.py", open("{name}.py").read())


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write(wheel_directory, "{name}.pth", os.getcwd())
"""


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"') else name


def _digest(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def plain(version: str = "1.0", variant: str = "") -> Odd:
    """A package with data, subpackages, and its version in it."""
    return Odd(
        name="plain",
        version=version,
        variant=variant,
        files={
            "plain/__init__.py": f"VERSION = {version!r}  # {variant}\n",
            "plain/data.txt": "data\n" * 400,
            "plain/sub/__init__.py": "",
            "plain/sub/deep/module.py": "DEEP = 1\n" * 300,
            "plain.pyi": "VERSION: str\n",
        },
        metadata="Requires-Python: >=3.8\nSummary: plain\n\nA description.\n",
        info={"licenses/LICENSE": "free\n", "top_level.txt": "plain\n"},
    )


def tools(version: str = "1.0") -> Odd:
    """Console scripts, a script file, headers, data, purelib and platlib; the script's target moves in 1.1."""
    target = "tools.cli:main" if version == "1.0" else "tools.other:run"
    data = f"tools-{version}.data"
    return Odd(
        name="tools",
        version=version,
        files={
            "tools/__init__.py": "",
            "tools/cli.py": "def main():\n    print('cli')\n",
            "tools/other.py": "def run():\n    print('other')\n",
            f"{data}/scripts/rawtool": f"#!python\nprint({version!r})\n",
            f"{data}/scripts/shelltool": "#!/bin/sh\necho shell\n",
            f"{data}/data/share/tools/data.txt": "shared\n",
            f"{data}/data/etc/tools/tools.conf": f"version={version}\n",
            f"{data}/headers/tools.h": "int tools;\n",
            f"{data}/purelib/tools_pure.py": "PURE = 1\n",
            f"{data}/platlib/tools_plat.py": "PLAT = 1\n",
        },
        executable=frozenset({f"{data}/scripts/rawtool", f"{data}/scripts/shelltool"}),
        entry_points=f"[console_scripts]\nserve = {target}\n\n[gui_scripts]\nshow = {target}\n\n[other]\nx = tools\n",
    )


def execs(variant: str = "") -> Odd:
    """Executable files. In the variant `plain` the same files, with the same RECORD, without that permission."""
    names = ("execs/run.sh", "execs/tool.py")
    return Odd(
        name="execs",
        variant=variant,
        files={"execs/__init__.py": "", names[0]: "#!/bin/sh\n", names[1]: "#!/usr/bin/env python\n"},
        executable=frozenset() if variant else frozenset(names),
    )


def namespaced(part: str, version: str = "1.0") -> Odd:
    """A part of a namespace package (PEP 420)."""
    return Odd(
        name=f"Name.Space_{part}",
        version=version,
        stem=f"Name.Space_{part}" if version == "1.0" else "",
        files={f"namespaced/{part}/__init__.py": f"VERSION = {version!r}\n", f"namespaced/{part}_single.py": ""},
        info={"namespace_packages.txt": "namespaced\n"} if part == "two" else {},
    )


LAUNCH: Final = Odd(
    name="launch",
    files={"launch/other.py": ""},
    entry_points="[console_scripts]\nlaunch = launch:sub.main\n",
)
"""Its script is started differently if another distribution has the module `launch.sub`."""

LAUNCH_SUB: Final = Odd(name="launch-sub", files={"launch/sub.py": "def main():\n    print('sub')\n"})


def twin(letter: str, version: str = "1.0") -> Odd:
    """A distribution that installs a file which the other twin installs too, with another content."""
    return Odd(
        name=f"twin-{letter}",
        version=version,
        files={
            "twins/shared.py": f"TWIN = {letter!r}\n",
            "twins/same.py": "SAME = 1\n",
            f"twins/only_{letter}.py": f"VERSION = {version!r}\n",
        },
        entry_points=f"[console_scripts]\ntwin = twins.only_{letter}:main\n",
    )


def bad_metadata(version: str = "1.0") -> Odd:
    """Metadata that pex does not accept."""
    return Odd(
        name="bad-metadata",
        version=version,
        files={"bad_metadata.py": f"VERSION = {version!r}\n"},
        metadata=(
            "Author: Jos\xe9\nRequires-Python: >=3.6.*\nRequires-Dist: plain (>=1.0.*)\n"
            "Requires-Dist: absent (>dev) ; extra == 'more'\n"
        ),
        encoding="latin-1",
        entry_points="[console_scripts]\nbad = bad_metadata:main\n\n[strange]\nodd = a = b\n",
    )


def demanding(requirement: str, name: str = "demanding") -> Odd:
    """A distribution with a requirement that Poetry does not know of."""
    return Odd(name=name, variant=requirement, files={f"{name}.py": "\n"}, metadata=f"Requires-Dist: {requirement}\n")


BYTECODE: Final = Odd(
    name="bytecode",
    files={
        "bytecode/__init__.py": "",
        f"bytecode/__pycache__/__init__.cpython-{_MINOR}.pyc": b"not really bytecode",
        "bytecode/legacy.pyc": b"\x00\x01\x02",
    },
)

ODD_FILES: Final = Odd(
    name="odd-files",
    files={
        "odd_files/__init__.py": "",
        "odd_files/na\xefve.txt": "\xe9" * 5000,
        "odd_files/with blank, and comma.txt": "x",
        'odd_files/quo"te.txt': "x",
        "odd_files/.hidden/file": "hidden\n",
        "odd_files/empty.bin": b"",
        "odd_files/random.bin": hashlib.shake_128(b"random").digest(70_000),
        "odd_files.pth": "# nothing\n",
        "+odd.py": "",
        "PEX-INFO": "not pex's\n",
        "Capital/Module.py": "",
    },
    directories=("odd_files", "odd_files/empty_directory"),
)

PLATFORM: Final = Odd(
    name="native", tag=f"cp{_MINOR}-cp{_MINOR}-{_PLATFORM}", files={"native/_speed.so": b"\x7fELF" * 900}
)

LOCAL: Final = Odd(name="local-version", version="1.0+local.1", files={"local_version.py": "LOCAL = 1\n"})
PRE: Final = Odd(name="local-version", version="2.0rc1", files={"local_version.py": "LOCAL = 2\n"})
SCRIPTS_ONLY: Final = Odd(
    name="scripts-only",
    files={"scripts_only-1.0.data/scripts/only": "#!python\nprint('only')\n"},
    executable=frozenset({"scripts_only-1.0.data/scripts/only"}),
)


def from_sdist(version: str = "1.0") -> Odd:
    """A distribution that Poetry builds."""
    return Odd(
        name="from-sdist",
        version=version,
        sdist=True,
        files={"from_sdist/__init__.py": f"VERSION = {version!r}\n"},
        entry_points="[console_scripts]\nfrom-sdist = from_sdist:main\n",
    )


def crowd(version: str = "1.0", number: int = 300) -> Odd:
    """A distribution of many small files."""
    files = {f"crowd/m{each % 17:02}/module_{each:04}.py": f"N = {each} + {version!r}\n" for each in range(number)}
    return Odd(name="crowd", version=version, files=files)


ALL: Final = (
    *(plain(version) for version in ("1.0", "1.1", "2.0")),
    plain("1.0", "published again"),
    *(tools(version) for version in ("1.0", "1.1")),
    execs(),
    execs("plain"),
    *(namespaced(part, version) for part in ("one", "two") for version in ("1.0", "1.1")),
    LAUNCH,
    LAUNCH_SUB,
    *(twin(letter, version) for letter in "ab" for version in ("1.0", "1.1")),
    *(bad_metadata(version) for version in ("1.0", "1.1")),
    *(demanding(requirement) for requirement in ("plain<1.0", "plain<2.0", "absent>=1", "absent; extra == 'x'")),
    BYTECODE,
    ODD_FILES,
    PLATFORM,
    LOCAL,
    PRE,
    SCRIPTS_ONLY,
    *(from_sdist(version) for version in ("1.0", "1.1")),
    *(crowd(version) for version in ("1.0", "1.1")),
)
"""Every distribution on the index."""


def write_index(root: Path) -> Path:
    """Write a simple index (PEP 503) of `ALL` below `root`, with hashes. Return `root`.

    Each file has a separate directory, because some have the same name.
    """
    pages: dict[str, list[str]] = {}
    for odd in ALL:
        content = odd.content()
        digest = hashlib.sha256(content).hexdigest()
        file = root / "files" / digest[:12] / odd.file_name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        url = f"../../files/{digest[:12]}/{odd.file_name.replace('+', '%2B')}#sha256={digest}"
        pages.setdefault(odd.key, []).append(f'<a href="{url}">{odd.file_name}</a><br>\n')
    for name, links in pages.items():
        page = root / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("".join(links), "utf-8")
    return root


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Serve this index; yield its address."""
    with tempfile.TemporaryDirectory() as directory, serve_files(write_index(Path(directory))) as server:
        yield server.url
