"""Treat the log as no program should, then serve: `odd_logs.py MODE PORT`. MODE is one of the functions."""

import os
import sys
from pathlib import Path

from serving import listening, serve

LOG = Path("/proc/self/fd/1").readlink() if Path("/proc/self/fd/1").exists() else Path("log")
HOSTILE = "a" * 40 + "!"


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def replaced_by_a_pipe() -> None:
    LOG.unlink(missing_ok=True)
    os.mkfifo(LOG)


def replaced_by_a_link() -> None:
    LOG.unlink(missing_ok=True)
    LOG.symlink_to("/etc/passwd")


def replaced_by_an_endless_device() -> None:
    LOG.unlink(missing_ok=True)
    LOG.symlink_to("/dev/zero")


def replaced_by_a_directory() -> None:
    LOG.unlink(missing_ok=True)
    LOG.mkdir()


def removed() -> None:
    LOG.unlink(missing_ok=True)


def closed() -> None:
    os.close(1)
    os.close(2)


def emptied() -> None:
    os.ftruncate(1, 0)


def sparse() -> None:
    os.ftruncate(1, 2**31)


def of_commands() -> None:
    write("::error::not from nox-pex\n##[error]nor this\r\x1b]0;title\x07\u202e\n")


def hostile() -> None:
    write(f"{HOSTILE}\n")


def of_many_lines() -> None:
    for _ in range(25):
        write("a line\n" * 10_000)


write("begun\n")
globals()[sys.argv[1].replace("-", "_")]()
if sys.argv[3:] == ["exit"]:
    sys.exit(1)
serve(listening(int(sys.argv[2])))
