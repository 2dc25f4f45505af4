"""Leave odd files, then serve: `odd_files.py MODE PORT [ARGUMENT]`. MODE is one of the functions."""

import ctypes
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from serving import listening, serve

TMP = Path(os.environ["TMPDIR"])
WORKSPACE = next(path for path in TMP.parents if path.name.startswith("nox-pex-"))


def nest(depth: int) -> None:
    here = os.open(TMP, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def nested_1200() -> None:
    nest(1200)


def nested_1200_without_permissions() -> None:
    """Nest directories that their owner may not read, if it is not root."""
    nest(1200)
    subprocess.run(
        ["find", TMP, "-depth", "-mindepth", "1", "-type", "d", "-exec", "chmod", "0", "{}", "+"], check=False
    )


def many() -> None:
    for number in range(2000):
        (TMP / f"file-{number}").touch()


def odd_names() -> None:
    for name in (b"\xff\xfe", b"new\nline", b"-rf", b"\x1b[2J", b"*", b" ", b"x" * 255):
        (TMP / os.fsdecode(name)).mkdir()


def odd_kinds() -> None:
    os.mkfifo(TMP / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(TMP / "socket"))
    (TMP / "loop").symlink_to(TMP / "loop")
    (TMP / "root").symlink_to("/")
    if os.geteuid() == 0:
        os.mknod(TMP / "device", 0o600 | 0o020000, os.makedev(1, 5))


def link_to_outside() -> None:
    (TMP / "outside").symlink_to(sys.argv[3])


def tmp_is_a_link_to_outside() -> None:
    TMP.rename(TMP.with_name("away"))
    TMP.symlink_to(sys.argv[3])


def workspace_is_a_link_to_outside() -> None:
    WORKSPACE.rename(WORKSPACE.with_name(f"{WORKSPACE.name}-away"))
    WORKSPACE.symlink_to(sys.argv[3])


def all_directories_are_links_to_outside() -> None:
    """Replace the directories of the first condition and of the later ones."""
    if TMP.name == "tmp0":
        for path in [*WORKSPACE.iterdir()]:
            path.rename(f"{path}-away")
            path.symlink_to(sys.argv[3])


def in_the_way() -> None:
    """Put something in the place of each file and directory that comes later."""
    if TMP.name == "tmp0":
        for name in ("run1", "tmp1", "run2", "tmp2", "warm.log", "warmbefore.log"):
            shutil.rmtree(WORKSPACE / name, ignore_errors=True)
            os.mkfifo(WORKSPACE / name)
        for name in ("unprivileged.log", "unprivilegedbefore.log"):
            (WORKSPACE / name / "directory").mkdir(parents=True)
        for suffix in ("in", "out", "err"):
            path = Path(os.environ["HOME"]).parent / f"command-1.{suffix}"
            os.mkfifo(path)


def command() -> None:
    """Run as a command: end at once."""
    sys.exit(sys.stdin.read() != "input")


def without_its_workspace() -> None:
    """Remove the directory that the program runs in, its log, and everything next to it."""
    shutil.rmtree(WORKSPACE, ignore_errors=True)


def without_its_own_file() -> None:
    Path(sys.argv[0]).unlink()


def immutable() -> None:
    (TMP / "locked").mkdir()
    (TMP / "locked" / "immutable").touch()
    subprocess.run(["chattr", "+i", TMP / "locked" / "immutable"], check=True)


def mounted() -> None:
    mount_point = TMP / "locked" / "mounted"
    mount_point.mkdir(parents=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(mount_point), b"tmpfs", 0, b"size=64k"):
        sys.exit(os.strerror(ctypes.get_errno()))
    (mount_point / "file").touch()


def sparse() -> None:
    with (TMP / "sparse").open("wb") as file:
        file.truncate(2**40)


globals()[sys.argv[1].replace("-", "_")]()
serve(listening(int(sys.argv[2])))
