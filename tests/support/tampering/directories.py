"""Changes that only a PEX directory can have: links, special files, permissions, deep and odd paths."""

from __future__ import annotations

import importlib.util
import marshal
import os
import shutil
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from tests.support.tampering.contents import EVIL
from tests.support.tampering.mutation import UnchangedError

Change = Callable[[Path, Random], None]


def _files(pex: Path) -> list[Path]:
    return sorted(path for path in pex.rglob("*") if path.is_file() and not path.is_symlink())


def _directories(pex: Path) -> list[Path]:
    return sorted(path for path in pex.rglob("*") if path.is_dir() and not path.is_symlink())


def _moved_out(pex: Path, path: Path) -> Path:
    """Move a part of the PEX next to it, and return its new path."""
    outside = pex.with_name(f"{pex.name}.outside")
    path.rename(outside)
    return outside


def _file_as_link(pex: Path, chosen: Random) -> None:
    """A file is a link: to the same content elsewhere, to a file of the machine, to nothing, to itself."""
    path = chosen.choice(_files(pex))
    target = chosen.choice(
        [_moved_out(pex, path), Path("/etc/hostname"), Path("/none"), Path(path.name), Path("/dev/zero")]
    )
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _directory_as_link(pex: Path, chosen: Random) -> None:
    path = chosen.choice(_directories(pex))
    path.symlink_to(_moved_out(pex, path))


def _added_link(pex: Path, chosen: Random) -> None:
    target = chosen.choice(["/etc", "/etc/hostname", ".", "..", "/", "evil", "/dev/zero", "__main__.py", "/none"])
    (chosen.choice([pex, *_directories(pex)]) / chosen.choice(["evil", "evil.py", "evil.whl"])).symlink_to(target)


def _other_hard_link(pex: Path, chosen: Random) -> None:
    """A file is a hard link to another one of the PEX."""
    one, other = chosen.sample(_files(pex), 2)
    if one.read_bytes() == other.read_bytes():
        raise UnchangedError
    one.unlink()
    one.hardlink_to(other)


def _special_file(pex: Path, chosen: Random) -> None:
    path = chosen.choice([*_files(pex), pex / "evil", pex / "evil.py", pex / ".deps" / "evil", pex / "PEX-INFO"])
    path.unlink(missing_ok=True)
    match chosen.choice(["fifo", "socket", "device"]):
        case "fifo":
            os.mkfifo(path)
        case "socket":
            here = os.open(path.parent, os.O_PATH)  # the path of a socket has at most 108 bytes
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(f"/proc/self/fd/{here}/{path.name}")
            os.close(here)
        case _:
            try:
                os.mknod(path, 0o020666, os.makedev(1, 5))
            except PermissionError:
                raise UnchangedError from None


def _deep(pex: Path, chosen: Random) -> None:
    """Directories nested 2,000 deep, below the longest path that one call may name."""
    start = os.open(
        chosen.choice([pex, pex / ".deps", pex / ".bootstrap"]) if (pex / ".bootstrap").is_dir() else pex, os.O_PATH
    )
    for _ in range(2000):
        os.mkdir("deep", dir_fd=start)  # relative to a directory
        below = os.open("deep", os.O_PATH, dir_fd=start)
        os.close(start)
        start = below
    os.close(os.open("evil.py", os.O_CREAT | os.O_WRONLY, dir_fd=start))
    os.close(start)


def _wide(pex: Path, chosen: Random) -> None:
    """Thousands of files more."""
    top = chosen.choice([pex / "evil", pex / ".deps" / "evil.whl", pex / ".deps"])
    for number in range(5_000):
        place = top / str(number % 100 if top.name != ".deps" else number)
        place.mkdir(parents=True, exist_ok=True)
        (place / str(number)).touch()


def _sparse(pex: Path, chosen: Random) -> None:
    """A file of 20 GB without blocks."""
    path = chosen.choice([pex / "evil.bin", pex / "PEX-INFO", chosen.choice(_files(pex))])
    with path.open("ab") as file:
        file.truncate(20 << 30)


def _odd_name(pex: Path, chosen: Random) -> None:
    name = chosen.choice(
        [
            b"\xff\xfe.py",
            b"x\ny.py",
            b"\x1b[2J",
            b"x" * 255,
            b"caf\xc3\xa9",
            b"\xe2\x80\xae",
            b"::error::x",
            b"\\",
            b" ",
        ]
    )
    top = chosen.choice([pex, pex / ".deps", *_directories(pex)])
    path = Path(os.fsdecode(os.fsencode(top) + b"/" + name))
    if chosen.random() < 0.5:
        path.mkdir()
        path /= "x.py"
    path.write_bytes(EVIL)


def _timed_bytecode(pex: Path, chosen: Random) -> None:
    """Bytecode with the size and the date of its source, so that Python runs it."""
    source = chosen.choice([path for path in _files(pex) if path.suffix == ".py"])
    status = source.stat()
    header = importlib.util.MAGIC_NUMBER + b"\0\0\0\0"
    header += (int(status.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + (status.st_size & 0xFFFFFFFF).to_bytes(
        4, "little"
    )
    target = Path(importlib.util.cache_from_source(str(source)))
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(header + marshal.dumps(compile(EVIL, str(source), "exec")))


def _unzipped(pex: Path, chosen: Random) -> None:
    """A nested archive is a directory of the same files, or the other way round."""
    entries = [*sorted((pex / ".deps").iterdir()), pex / ".bootstrap"]
    path = chosen.choice(entries)
    before = path.rename(pex.with_name(f"{pex.name}.before"))
    if before.is_dir():
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(before.rglob("*")):
                archive.write(file, file.relative_to(before))
        shutil.rmtree(before)
    else:
        with zipfile.ZipFile(before) as archive:
            archive.extractall(path)  # a part of a PEX that the test built
        before.unlink()


def _removed(pex: Path, chosen: Random) -> None:
    """A part of the PEX is gone, or is empty."""
    path = chosen.choice(
        [*_files(pex), *_directories(pex), *(pex / name for name in (".deps", ".bootstrap", "PEX-INFO"))]
    )
    is_directory = path.is_dir()
    if is_directory:
        shutil.rmtree(path)
    else:
        path.unlink()
    match chosen.choice(["gone", "empty", "directory"]):
        case "empty" if not is_directory:
            path.touch()
        case "directory":
            path.mkdir()


GUARDED: Final[dict[str, Change]] = {
    "file-as-link": _file_as_link,
    "directory-as-link": _directory_as_link,
    "added-link": _added_link,
    "hard-link": _other_hard_link,
    "special-file": _special_file,
    "odd-name": _odd_name,
    "bytecode-with-date": _timed_bytecode,
    "removed-part": _removed,
    "deep-directories": _deep,
    "many-files": _wide,
    "sparse-file": _sparse,
}
"""Changes that a gate must see without a second build."""

OTHERS: Final[dict[str, Change]] = {"zipped-or-not": _unzipped}

HEAVY: Final = frozenset(("deep-directories", "many-files", "sparse-file"))
