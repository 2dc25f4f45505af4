"""File systems that are small, or that nobody may write to. Only root can mount them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(directory: Path, *, kilobytes: int) -> Iterator[None]:
    """Mount a file system of that size on `directory`, with its files. Skip the test if that is not allowed."""
    content = subprocess.run(["tar", "-C", directory, "-c", "."], capture_output=True, check=True).stdout
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(directory))
    try:
        subprocess.run(["tar", "-C", directory, "-x"], input=content, check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


@contextmanager
def file_system(directory: Path, options: str) -> Iterator[None]:
    """Mount a file system with these mount options on `directory`. Skip the test if that is not allowed."""
    _mount("-t", "tmpfs", "-o", options, "tmpfs", str(directory))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Mount `directory` over itself, so that not even root can write to it. Skip the test if that is not allowed."""
    _mount("--bind", str(directory), str(directory))
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(directory)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0 or subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let the tests mount a file system")
