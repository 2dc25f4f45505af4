"""Things that somebody may name as a binary and that are no PEX at all."""

from __future__ import annotations

import io
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 << 30)


def _socket(path: Path) -> None:
    here = os.open(path.parent, os.O_PATH)  # the path of a socket has at most 108 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("PEX-INFO"), io.BytesIO())


def _other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", "print()\n")


def _empty_zip(path: Path) -> None:
    path.write_bytes(b"PK\5\6" + b"\0" * 18)


def _text(path: Path) -> None:
    path.write_text("#!/usr/bin/env python3\nprint()\n", "utf-8")


def _unreadable(path: Path) -> None:
    path.write_bytes(b"x")
    path.chmod(0)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


FILES: Final[Mapping[str, Callable[[Path], None]]] = {
    "fifo": os.mkfifo,
    "socket": _socket,
    "dev-zero": lambda path: path.symlink_to("/dev/zero"),
    "dev-null": lambda path: path.symlink_to("/dev/null"),
    "dev-random": lambda path: path.symlink_to("/dev/urandom"),
    "proc-mem": lambda path: path.symlink_to("/proc/self/mem"),
    "terminal": lambda path: path.symlink_to("/dev/ptmx"),
    "empty": Path.touch,
    "text": _text,
    "empty-archive": _empty_zip,
    "other-zip": _other_zip,
    "tar": _tar,
    "sparse": _sparse,
    "unreadable": _unreadable,
    "directory": Path.mkdir,
    "dangling-link": lambda path: path.symlink_to("none"),
    "loop": _loop,
    "below-a-file": lambda path: path.symlink_to("/etc/hostname/x"),
    "long-name": lambda path: path.symlink_to("x" * 300),
}
