"""The layers of an unpacked image, compared with the environment that pex's own tools make of the same binary."""

from __future__ import annotations

import marshal
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from msgspec.structs import replace

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.image.base_image import ImagePython
from nox_pex.image.content.request import ContentRequest, ImageContent
from nox_pex.image.content.write import write_content
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner, find_uv
from tests.support import odd_wheels
from tests.support.images import PYTHON
from tests.support.odd_wheels import Odd
from tests.support.shown import say_into

Kept: TypeAlias = tuple[str, bool, bytes]
"""A file (`f`), a link (`l`) or a directory (`d`), whether it is executable, and its content or target."""


EXTRA = Odd(
    name="extra",
    files={
        "extra/__init__.py": "def main(): ...\nclass App:\n    run = main\n",
        "extra/broken.py": "def (:\n",
        "extra/naïve.py": "x = 1\n",
        f"extra/{'deep/' * 30}module.py": "y = {'a', 'b'}\n",
        "twins/shared.py": "TWIN = 'of neither'\n",
        "own.py": "'of extra'\n",
        "extra-1.0.data/scripts/encoded.py": "#!python\n# -*- coding: utf-8 -*-\nprint('é')\n",
        "extra-1.0.data/scripts/serve": "#!/usr/bin/env python3\nprint('not that of tools')\n",
        "extra-1.0.data/scripts/binary": b"\x7fELF\x00\xff",
    },
    executable=frozenset({"extra-1.0.data/scripts/binary"}),
    entry_points="[console_scripts]\nextra = extra:main\nextra-fast = extra:App.run [fast]\nextra-module = extra\n",
    metadata="Provides-Extra: fast\nRequires-Dist: plain; extra == 'fast'\n",
)
TOOLS = odd_wheels.tools()
WITHOUT_PURELIB = replace(TOOLS, files={path: text for path, text in TOOLS.files.items() if "/purelib/" not in path})
"""pex 2.105 itself installs such files only by a second step, which loses them."""
OTHERS = [WITHOUT_PURELIB, odd_wheels.execs(), odd_wheels.twin("a"), odd_wheels.twin("b"), odd_wheels.plain()]
NAMESPACED = [odd_wheels.namespaced("one"), odd_wheels.namespaced("two")]
OF_A_SHELL = {"bin/activate", "bin/activate.csh", "bin/activate.fish", "bin/Activate.ps1", ".gitignore", "bin/𝜋thon"}
"""Files that the standard library adds for people; some differ with each version of Python."""
SHARED = (b"../../../bin/serve,", b"../../../bin/twin,")
"""The rows in RECORD of scripts that several distributions have: pex writes the digest of another one's script."""


def build(home: Path, environ: Mapping[str, str], *options: str) -> Path:
    """Build a PEX of all the distributions, with loose files of a project."""
    wheels, sources = home / "wheels", home / "sources"
    (sources / "package").mkdir(parents=True)
    wheels.mkdir()
    for wheel in (EXTRA, *OTHERS, *NAMESPACED):
        (wheels / wheel.file_name).write_bytes(wheel.content())
    (sources / "own.py").write_text("def main(): ...\n", "utf-8")
    (sources / "package" / "run.sh").write_text("#!/bin/sh\n", "utf-8")
    (sources / "package" / "run.sh").chmod(0o755)
    shell = Shell(environ=environ, secrets=Secrets(), say=lambda _: None)
    provisioner = Provisioner(shell=shell, caches=Caches.of(environ), uv=find_uv(environ))
    here = Interpreter(implementation="CPython", version="3", executable=Path(sys.executable).resolve())
    pex = pinned.provide_pex(provisioner, None, interpreter=here)
    named = ("extra[fast]", *(each.key for each in (*OTHERS, *NAMESPACED)))
    argv: list[str | Path] = [pex, "-m", "pex", "--pre-resolved-dists", wheels, *named, "-D", sources, "-e", "own:main"]
    argv += ["--include-tools", "--python", sys.executable, "--pex-root", home / "root", "-o", home / "service.pex"]
    argv += options
    subprocess.run(argv, check=True, env=environ, cwd=home)
    return home / "service.pex"


def by_pex(binary: Path, root: Path, environ: Mapping[str, str]) -> dict[str, Kept]:
    """The environment that the tools in the binary make at `root`, with bytecode that is not checked."""
    tools = {**environ, "PEX_TOOLS": "1", "PEX_ROOT": str(root.parent / "root")}
    subprocess.run([sys.executable, binary, "venv", "--collisions-ok", root], check=True, env=tools)
    compile_all = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(root)]
    subprocess.run([sys.executable, *compile_all], check=False, env={**environ, "PYTHONHASHSEED": "0"})  # broken.py
    found: dict[str, Kept] = {}
    for path in root.rglob("*"):
        if path.is_symlink():
            kept: Kept = ("l", False, str(path.readlink()).encode())
        elif path.is_dir():
            kept = ("d", True, b"")
        else:
            kept = ("f", os.access(path, os.X_OK), path.read_bytes())
        found[path.relative_to(root).as_posix()] = kept
    return {path: kept for path, kept in found.items() if path not in OF_A_SHELL}


def in_layers(content: ImageContent, root: Path) -> dict[str, Kept]:
    """The files in the layers, below `root`."""
    found: dict[str, Kept] = {}
    for layer in content.layers:
        with tarfile.open(layer.path) as archive:
            for member in archive:
                assert (member.uid, member.gid, member.mtime) == (0, 0, 315532800)
                assert member.mode == (0o777 if member.issym() else 0o755 if member.isdir() else member.mode & 0o755)
                file = archive.extractfile(member) if member.isfile() else None
                data = file.read() if file is not None else member.linkname.encode()
                kind = "l" if member.issym() else "d" if member.isdir() else "f"
                found[f"/{member.name}"] = kind, kind == "d" or bool(member.mode & 0o100 and kind == "f"), data
    below = f"{root}/"
    return {path.removeprefix(below): kept for path, kept in found.items() if path.startswith(below)}


def comparable(path: str, kept: Kept) -> object:
    """Return the part that must be the same: code without its form in marshal, text without facts of a base."""
    kind, executable, data = kept
    if path.endswith(".pyc"):
        return data[:16], marshal.loads(data[16:])  # noqa: S302  # written by this test
    if path == "pex-repl":
        text = data.decode().replace(repr(sys.version)[1:-1], sys.version.split()[0])
        return executable, re.sub(r"Running in a PEX venv: [^\\]*", "", text)
    if path == "pyvenv.cfg":
        return [line for line in data.splitlines() if not line.startswith((b"command", b"executable"))]
    if path.endswith("/RECORD"):
        return [row for row in data.splitlines() if not row.startswith(SHARED)]
    return kind, executable, data


@pytest.mark.parametrize(
    "options",
    [
        ("--venv", "prepend", "--inject-env", "A=b \"c'", "--inject-args", "--x 'y z'", "--no-strip-pex-env"),
        ("--no-pre-install-wheels", "--no-compress"),
    ],
    ids=["installed", "stored"],
)
def test_an_unpacked_image_has_what_pex_unpacks(tmp_path: Path, environ: dict[str, str], options: list[str]) -> None:
    binary = build(tmp_path, environ, *options)
    root = tmp_path / "pex" / "app"
    root.parent.mkdir()
    theirs = by_pex(binary, root, environ)
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python: ImagePython = replace(
        PYTHON, version=sys.version.split()[0], executable=str((root / "bin" / name).readlink()), abi="cpython"
    )
    request = ContentRequest(
        binary=binary, form="unpacked", name="service", file="service.pex", python=python, root=str(root)
    )
    said: list[str] = []
    shell = Shell(environ=environ, secrets=Secrets(), say=say_into(said.append))
    content = write_content(request, caches=Caches(chosen=tmp_path / "cache"), shell=shell)
    ours = in_layers(content, root)

    assert sorted(ours) == sorted(theirs)
    assert [path for path in ours if comparable(path, ours[path]) != comparable(path, theirs[path])] == []
    assert content.entrypoint == (f"{root}/pex",)
    assert len(content.layers) == 2 + len((EXTRA, *OTHERS, *NAMESPACED))
    assert (content.titles[0], content.titles[-1], content.bytecode) == ("environment", "own code", python.version)
    assert "bin/twin is in twin-a and twin-b; that of twin-a is used, as by pex" in content.notes
    assert "bin/serve is in extra and tools; that of extra is used, as by pex" in content.notes

    again = write_content(request, caches=Caches(chosen=tmp_path / "cache"), shell=shell)
    assert again == content
    assert said == []
