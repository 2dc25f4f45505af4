"""Installed distributions and wheels of every form that pex treats in a special way, with what pex makes of each.

`WHEELS` and `ENVIRONMENTS` name each form. The expected wheel name and fingerprint were computed by pex 2.105.2 itself,
by `--pre-resolved-dist` and `--venv-repository` under CPython 3.11.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.distributions.record import encode_digest, record_text

PURE: Final = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ENCODED: Final = "# -*- coding: latin-1 -*-\n"
SHELL: Final = "#!/bin/sh\n"
BODY: Final = "import board\nboard.main()\n"
EXECUTABLE: Final = 0o755


class Odd(Struct, frozen=True, kw_only=True):
    """A distribution with `files`, by their paths from `site-packages`, or in the wheel.

    `name` and `version` are those in METADATA, `info` is the name of its `.dist-info`. `executable` are the files that
    can be executed. `change` changes the text of its RECORD. `expected` is the name of the wheel that pex makes of it,
    with the beginning of its fingerprint.
    """

    expected: str
    files: Mapping[str, str] = {}
    name: str = "board"
    version: str = "1.0"
    info: str = "board-1.0.dist-info"
    wheel: str = PURE
    entry_points: str = ""
    executable: tuple[str, ...] = ()
    change: Callable[[str], str] = str

    def contents(self) -> dict[str, bytes]:
        """Return all of its files with its RECORD."""
        texts = {
            "board.py": "def main(): ...\n",
            **self.files,
            f"{self.info}/METADATA": f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n",
            f"{self.info}/WHEEL": self.wheel,
            **({f"{self.info}/entry_points.txt": self.entry_points} if self.entry_points else {}),
        }
        contents = {path: text.encode() for path, text in texts.items()}
        record = f"{self.info}/RECORD"
        rows = [
            (path, f"sha256={encode_digest(hashlib.sha256(content).digest())}", str(len(content)))
            for path, content in contents.items()
        ]
        return {**contents, record: self.change(record_text([*rows, (record, "", "")])).encode()}

    def install(self, root: Path) -> Path:
        """Install it into the environment `root`; return its `.dist-info`."""
        site_packages = root / "lib" / "python3.11" / "site-packages"
        for path, content in self.contents().items():
            file = site_packages / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(EXECUTABLE if path in self.executable else 0o644)
        return site_packages / self.info

    def write_wheel(self, directory: Path) -> Path:
        """Write it as a wheel into `directory`."""
        path = directory / "board-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.contents().items():
                entry = zipfile.ZipInfo(name, (2024, 2, 3, 4, 5, 6))
                entry.external_attr = (0o100000 | (EXECUTABLE if name in self.executable else 0o644)) << 16
                archive.writestr(entry, content)
        return path


def tagged(*tags: str, pure: str = "Root-Is-Purelib: true\n") -> str:
    """Return the text of a WHEEL with `tags`."""
    return "\n".join([f"Wheel-Version: 1.0\n{pure}Tag: {tags[0]}", *(f"Tag: {tag}" for tag in tags[1:]), ""])


LINUX: Final = "manylinux_2_17_x86_64"
HEADER: Final = "../../../include/site/python3.11/board/board.h"
TOOL: Final = "../../../bin/tool"

ENVIRONMENTS: Final[Mapping[str, Odd]] = {
    "plain": Odd(
        expected="board-1.0-py3-none-any.whl c14e28db77e0778e",
        files={"pack/__init__.py": "", "pack/data.txt": "data\n"},
        executable=("pack/data.txt",),
    ),
    "crlf-record": Odd(
        expected="board-1.0-py3-none-any.whl efca171b99441f14", change=lambda record: record.replace("\n", "\r\n")
    ),
    "commas-and-quotes": Odd(
        expected="board-1.0-py3-none-any.whl 980313f5ad45bdf3",
        files={"pack/a,b.txt": "1", 'pack/"c".txt': "2", "pack/d e.txt": "3"},
    ),
    "other-letters": Odd(
        expected="board-1.0-py3-none-any.whl fa3134c4f4a589fe", files={"pack/größe.txt": "1", "pack/名.txt": "2"}
    ),
    "sizes-with-zeros": Odd(
        expected="board-1.0-py3-none-any.whl 210865c554e386b8", change=lambda record: record.replace(",16\n", ",0016\n")
    ),
    "no-sizes": Odd(
        expected="board-1.0-py3-none-any.whl c4e9d5b761b71111", change=lambda record: record.replace(",16\n", ",\n")
    ),
    "no-digests": Odd(
        expected="board-1.0-py3-none-any.whl 5fb2d4276ad87c43",
        change=lambda record: re.sub("sha256=[^,]*,", ",", record),
    ),
    "blank-lines": Odd(
        expected="board-1.0-py3-none-any.whl 210865c554e386b8", change=lambda record: record.replace("\n", "\n\n", 1)
    ),
    "other-digests": Odd(
        expected="board-1.0-py3-none-any.whl e8cbe2e856f3763d",
        change=lambda record: record.replace(
            _row("board.py", "sha256", "def main(): ...\n"), _row("board.py", "sha512", "def main(): ...\n")
        ),
    ),
    "license": Odd(
        expected="board-1.0-py3-none-any.whl 0ae8415431c15121",
        files={"board-1.0.dist-info/licenses/LICENSE": "free\n", "board.pth": "import board\n"},
    ),
    "of-installers": Odd(
        expected="board-1.0-py3-none-any.whl 210865c554e386b8",
        files={
            "board-1.0.dist-info/INSTALLER": "Poetry 2.4\n",
            "board-1.0.dist-info/REQUESTED": "",
            "board-1.0.dist-info/uv_cache.json": "{}",
            "board-1.0.dist-info/uv_build.json": "{}",
        },
    ),
    "bytecode": Odd(
        expected="board-1.0-py3-none-any.whl 50966c86d83209fc",
        files={"old.pyc": "1", "pack/__init__.py": "", "pack/x.pyc": "3"},
    ),
    "header": Odd(expected="board-1.0-py3-none-any.whl ae4be26268ff2be8", files={HEADER: "\n"}),
    "header-of-one-python": Odd(
        expected="board-1.0-cp311-cp311-manylinux_2_17_x86_64.whl 3531f4fdcf144115",
        files={HEADER: "\n"},
        wheel=tagged(f"cp311-cp311-{LINUX}"),
    ),
    "header-of-two-pythons": Odd(
        expected="board-1.0-cp310.cp311-cp310.cp311-manylinux_2_17_x86_64.whl a2eecc70b92446ab",
        files={HEADER: "\n"},
        wheel=tagged(f"cp310-cp310-{LINUX}", f"cp311-cp311-{LINUX}"),
    ),
    "header-of-py2-py3": Odd(
        expected="board-1.0-py2.py3-none-any.whl 1ead3a8037f42e72",
        files={HEADER: "\n"},
        wheel=tagged("py2.py3-none-any"),
    ),
    "header-of-stable-abi": Odd(
        expected="board-1.0-cp39-abi3-manylinux_2_17_x86_64.whl 6809035376b11eb1",
        files={HEADER: "\n"},
        wheel=tagged(f"cp39-abi3-{LINUX}"),
    ),
    "header-below-a-name-with-a-dot": Odd(
        expected="Board_Games-1.0-py3-none-any.whl ba942a6b97705047",
        name="Board.Games",
        files={"../../../include/site/python3.11/Board.Games/a.h": "\n"},
    ),
    "header-of-another-name": Odd(
        expected="board-1.0-py3-none-any.whl abe5e974fd8cced3",
        files={"../../../include/site/python3.11/other/board.h": "\n"},
    ),
    "header-elsewhere": Odd(
        expected="board-1.0-py3-none-any.whl ebd61bd26746ea94", files={"../../../include/board.h": "\n"}
    ),
    "data": Odd(
        expected="board-1.0-py3-none-any.whl b5acb9f6b49e5fde",
        files={"../../../share/board/a.txt": "1", "../../../etc/board": "2"},
    ),
    "script": Odd(
        expected="board-1.0-py3-none-any.whl 99a21ad50a16a473",
        files={TOOL: f"#!/environment/bin/python\n{BODY}"},
        executable=(TOOL,),
    ),
    "script-with-an-option": Odd(
        expected="board-1.0-py3-none-any.whl 99a21ad50a16a473",
        files={TOOL: f"#!/environment/bin/python3.11 -I\n{BODY}"},
    ),
    "script-of-pypy": Odd(
        expected="board-1.0-py3-none-any.whl 6f9bb99513403651", files={TOOL: f"#!/usr/bin/env pypy3\n{ENCODED}{BODY}"}
    ),
    "script-of-pythonw": Odd(
        expected="board-1.0-py3-none-any.whl bbea09be7c48cbea", files={TOOL: f"#!pythonw\n{BODY}"}
    ),
    "script-of-a-shell": Odd(
        expected="board-1.0-py3-none-any.whl 3e489a899667ad5b", files={TOOL: f"{SHELL}echo\n"}, executable=(TOOL,)
    ),
    "script-of-bash": Odd(
        expected="board-1.0-py3-none-any.whl da31772c83907d60", files={TOOL: "#!/usr/bin/env bash\necho\n"}
    ),
    "script-without-a-first-line": Odd(expected="board-1.0-py3-none-any.whl 220312887f3322d6", files={TOOL: "echo\n"}),
    "script-that-is-empty": Odd(expected="board-1.0-py3-none-any.whl 4980becc3765be85", files={TOOL: ""}),
    "long-shebang": Odd(
        expected="board-1.0-py3-none-any.whl 99a21ad50a16a473",
        files={TOOL: f"{SHELL}'''exec' /very/long/python \"$0\" \"$@\"\n' '''\n{BODY}"},
        executable=(TOOL,),
    ),
    "long-shebang-with-quotes": Odd(
        expected="board-1.0-py3-none-any.whl 6f9bb99513403651",
        files={TOOL: f"{SHELL}'''exec' '/a b/python' \"$0\" \"$@\"\n' '''\n{ENCODED}{BODY}"},
    ),
    "long-shebang-after-an-encoding": Odd(
        expected="board-1.0-py3-none-any.whl 6f9bb99513403651",
        files={TOOL: f"{SHELL}{ENCODED}'''exec' /very/long/python \"$0\" \"$@\"\n' '''\n{BODY}"},
    ),
    "long-shebang-of-pex": Odd(
        expected="board-1.0-py3-none-any.whl 99a21ad50a16a473",
        files={TOOL: f"{SHELL}'''': pshprs\nexec python \"$0\"\n'''\n{BODY}"},
    ),
    "long-shebang-without-an-end": Odd(
        expected="board-1.0-py3-none-any.whl a019a06e7c131db7", files={TOOL: f"{SHELL}'''exec' /python \"$0\"\n{BODY}"}
    ),
    "script-below-a-directory": Odd(
        expected="board-1.0-py3-none-any.whl 8cac182f8b979ecf", files={"../../../bin/deep/tool": f"#!python\n{BODY}"}
    ),
    "entry-points": Odd(
        expected="board-1.0-py3-none-any.whl 2054c61baa5511b6",
        entry_points=(
            "[console_scripts]\nboard = board:main\n dotted=board.cli : main.run \nextra = board:main [fast,slow]\n"
            "module = board.__main__\n\n; [other]\n# a comment\n[gui_scripts]\nwindow = board:main\n"
            "[board.plugins]\nplugin = board:plugin\n"
        ).replace("; [other]\n", ""),
        files={"../../../bin/board": "#!/environment/bin/python\nanother()\n"},
        executable=("../../../bin/board",),
    ),
    "tags": Odd(
        expected="board-1.0-py2.py3-none-any.whl 02353bceda1ad6ac", wheel=tagged("py2-none-any", "py3-none-any")
    ),
    "tags-compressed": Odd(
        expected="board-1.0-py2.py3-none-any.whl eed311d8caaea606", wheel=tagged("py2.py3-none-any")
    ),
    "tags-of-many": Odd(
        expected=(
            "board-1.0-cp310.cp311.cp38.cp39.py3-abi3.none-any.linux_x86_64.manylinux1_x86_64.whl b84992fdf2a2ccc1"
        ),
        wheel=tagged("cp38.cp39.cp310.cp311.py3-abi3.none-any.linux_x86_64.manylinux1_x86_64"),
    ),
    "tags-of-platforms": Odd(
        expected="board-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl f6ef72d81ca789e7",
        wheel=tagged(f"cp311-cp311-{LINUX}", "cp311-cp311-manylinux2014_x86_64", pure="Root-Is-Purelib: false\n"),
    ),
    "tags-after-a-blank-line": Odd(
        expected="board-1.0-py3.py2-none-any.whl f92449e78b7615c3",
        wheel="Wheel-Version: 1.0\nTag: py3-none-any\n\nTag: py2-none-any\n",
    ),
    "wheel-with-crlf": Odd(expected="board-1.0-py3-none-any.whl 3feb607fe38fb252", wheel=PURE.replace("\n", "\r\n")),
    "not-pure": Odd(
        expected="board-1.0-py3-none-any.whl 14a5c6468f559c1a",
        wheel=tagged("py3-none-any", pure="Root-Is-Purelib: false\n"),
    ),
    "purity-unknown": Odd(
        expected="board-1.0-py3-none-any.whl 8bf4c657f36810d1", wheel=tagged("py3-none-any", pure="")
    ),
    "purity-in-capitals": Odd(
        expected="board-1.0-py3-none-any.whl d723a6428cb0e690",
        wheel=tagged("py3-none-any", pure="Root-Is-Purelib: True\n"),
    ),
    "purity-of-another-case": Odd(
        expected="board-1.0-py3-none-any.whl 849b00e6074333a3",
        wheel=tagged("py3-none-any", pure="root-is-purelib:true\n"),
    ),
    "header-of-another-python": Odd(
        expected="board-1.0-py3-none-any.whl c43a535b96706483",
        files={"../../../include/site/python3.9/board/board.h": "\n"},
    ),
    "entry-points-with-crlf": Odd(
        expected="board-1.0-py3-none-any.whl ce387ca239d6dba9",
        entry_points="[console_scripts]\r\nboard = board:main\r\n",
    ),
    "entry-points-of-one-name": Odd(
        expected="board-1.0-py3-none-any.whl 618edb5a6440fb66",
        entry_points="[console_scripts]\na = board:x\nb = board\na = board:y\n",
    ),
    "entry-point-with-a-space": Odd(
        expected="board-1.0-py3-none-any.whl 48745c03d3f6f5f7",
        entry_points="[console_scripts]\nthe board = board:main\n",
    ),
    "entry-point-below-a-directory": Odd(
        expected="board-1.0-py3-none-any.whl 55eccac0807c9bf0",
        files={"../../../bin/deep/board": "#!python\n"},
        entry_points="[ console_scripts ]\nx = board:x\n[console_scripts]\nboard = board : main\n",
    ),
    "wheel-with-a-build": Odd(
        expected="board-1.0-py3-none-any  .whl 00dbe62b0ce6021c",
        wheel="Wheel-Version: 1.0\nRoot-Is-Purelib: true \nBuild: 1\nTag:  py3-none-any  \n",
    ),
    "name-with-dots-and-capitals": Odd(
        expected="Zope_Board_x-1.0-py3-none-any.whl 44fdcf4d1a519d85",
        name="Zope.Board-_x",
        info="zope_board_x-1.0.dist-info",
    ),
    "version-with-a-dash": Odd(
        expected="board-1.0_1-py3-none-any.whl e065056e2e047bba", version="1.0-1", info="board-1.0.post1.dist-info"
    ),
    "version-with-a-local-part": Odd(
        expected="board-1.0+local.1-py3-none-any.whl c7848b18b13fdd1d",
        version="1.0+local.1",
        info="board-1.0+local.1.dist-info",
    ),
    "version-with-zeros": Odd(
        expected="board-1.00-py3-none-any.whl 63589282a8dca935", version="1.00", info="board-1.00.dist-info"
    ),
}


def _row(path: str, algorithm: str, text: str) -> str:
    digest = encode_digest(hashlib.new(algorithm, text.encode()).digest())
    return record_text([(path, f"{algorithm}={digest}", str(len(text)))])


DATA: Final = "board-1.0.data"

WHEELS: Final[Mapping[str, Odd]] = {
    "plain": Odd(
        expected="board-1.0-py3-none-any.whl ee36edf18c40ebbd",
        files={"pack/__init__.py": "", "pack/run.sh": SHELL},
        executable=("pack/run.sh",),
    ),
    "crlf-record": Odd(
        expected="board-1.0-py3-none-any.whl cf2d46f700266aa9", change=lambda record: record.replace("\n", "\r\n")
    ),
    "platlib": Odd(expected="board-1.0-py3-none-any.whl a975761bf0c7f1a8", files={f"{DATA}/platlib/native.py": "1"}),
    "purelib": Odd(
        expected="board-1.0-py3-none-any.whl 037b5ae8dc398861",
        files={f"{DATA}/purelib/pure.py": "1"},
        wheel=tagged("py3-none-any", pure="Root-Is-Purelib: false\n"),
    ),
    "headers": Odd(expected="board-1.0-py3-none-any.whl 07ebe63afe5bb4ad", files={f"{DATA}/headers/deep/a.h": "\n"}),
    "data": Odd(
        expected="board-1.0-py3-none-any.whl fdbcc486cd56fd46",
        files={f"{DATA}/data/etc/board": "1", f"{DATA}/data/bin/tool": "#!python\n"},
    ),
    "scripts": Odd(
        expected="board-1.0-py3-none-any.whl fe506749b42358dd",
        files={f"{DATA}/scripts/tool": f"#!python\n{BODY}", f"{DATA}/scripts/shell": f"{SHELL}echo\n"},
        executable=(f"{DATA}/scripts/tool", f"{DATA}/scripts/shell"),
    ),
    "script-and-entry-point": Odd(
        expected="board-1.0-py3-none-any.whl fa5f4fd899cb4e96",
        files={f"{DATA}/scripts/tool": "#!python\nother()\n"},
        entry_points="[console_scripts]\ntool = board:main\n",
    ),
    "bytecode": Odd(
        expected="board-1.0-py3-none-any.whl aa82689b2a635979", files={"pack/__init__.py": "", "pack/x.pyc": "3"}
    ),
    "another-dist-info-in-it": Odd(
        expected="board-1.0-py3-none-any.whl 668d549bdc42a8a2",
        files={"pack/_vendor/other-2.0.dist-info/METADATA": "Name: other\n"},
    ),
    "no-digests": Odd(
        expected="board-1.0-py3-none-any.whl dad4829ce2f76e6c",
        change=lambda record: re.sub("sha256=[^,]*,", ",", record),
    ),
    "not-in-record": Odd(
        expected="board-1.0-py3-none-any.whl 94582ecdea801fea",
        files={"pack/a.py": "1", "pack/b.py": "2"},
        change=lambda record: _without(record, "pack/b.py"),
    ),
}


def _without(record: str, path: str) -> str:
    return "".join(row for row in record.splitlines(keepends=True) if not row.startswith(f"{path},"))
