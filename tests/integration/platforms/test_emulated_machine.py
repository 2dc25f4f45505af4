"""A binary for aarch64 runs on an emulated Debian for aarch64. Needs qemu-user-static, debootstrap and root."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import platformdirs
import pytest

from nox_pex.platforms import ask_python
from nox_pex.system import locks
from tests.support.nox_project import Project
from tests.support.processes import IMPORTABLE
from tests.support.target_platforms import set_platforms

pytestmark = pytest.mark.slow

_MIRROR: Final = "http://deb.debian.org/debian"
_QEMU: Final = shutil.which("qemu-aarch64-static")
# The header of an ELF file: 64 bits, little-endian, any ABI, an executable or a shared object, AArch64.
_MAGIC: Final = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK: Final = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
_REGISTER: Final = """\
set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' {registration} > /proc/sys/fs/binfmt_misc/register
"""
"""A script for a new user namespace, in which Linux 6.7 and later keep a registration separate (binfmt_misc)."""

_CHROOT: Final = """\
mount --rbind /proc {root}/proc
mount --rbind /dev {root}/dev
exec chroot {root} /usr/bin/env -i PATH=/usr/bin:/bin HOME=/tmp "$@"
"""

_ASK: Final = """\
import contextlib, sys
from pathlib import Path
from nox_pex.image.root_file_system import ask
from nox_pex.image.root_file_system.directories import RootDirectories
from nox_pex.oci.image_config import ContainerConfig
with contextlib.ExitStack() as stack:
    root = RootDirectories(stack, None, image="it", as_root=False, say=print)
    root.lower = (sys.argv[1],)
    scratch = Path(sys.argv[2])
    streams = ask.Streams(stdin=Path("/dev/null"), stdout=scratch / "out", stderr=scratch / "err")
    argv = ("python3", "-I", "-c", "import platform; print(platform.machine())")
    print(ask.run_in(root, argv, ContainerConfig(), streams, scratch=scratch, seconds=60.0))
print(streams.stdout.read_text(), streams.stderr.read_text())
"""


def run_emulated(root: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the system in the directory `root`."""
    return run_registered(*argv, script=_CHROOT.format(root=shlex.quote(str(root))))


def run_registered(*argv: str, script: str = 'exec "$@"') -> subprocess.CompletedProcess[str]:
    """Run a script, and in it a program, where the kernel starts programs for aarch64 with QEMU."""
    register = _REGISTER.format(registration=shlex.quote(f":qemu-aarch64:M::{_MAGIC}:{_MASK}:{_QEMU}:F"))
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", register + script, "sh"]
    environ = {**os.environ, "PYTHONPATH": IMPORTABLE}
    return subprocess.run([*enter, *argv], capture_output=True, text=True, check=False, env=environ)


@pytest.fixture(scope="session")
def debian() -> Path:
    """The root of a small Debian for aarch64 with Python, which stays in the user's cache for the next run."""
    if _QEMU is None or shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip("needs qemu-aarch64-static, debootstrap and root")
    home = platformdirs.user_cache_path("nox-pex-tests", appauthor=False)
    home.mkdir(parents=True, exist_ok=True)
    root = home / "bookworm-aarch64"
    with locks.locked(home / "aarch64.lock", waiting=lambda: None):
        if not (root / "complete").exists():
            shutil.rmtree(root, ignore_errors=True)
            argv = ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", "--include=python3", "bookworm"]
            subprocess.run([*argv, str(root), _MIRROR], capture_output=True, check=True)
            for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
                subprocess.run(["dpkg-deb", "--extract", str(package), str(root)], check=True)
                package.unlink()
            (root / "complete").touch()
    result = run_emulated(root, "python3", "-c", "")
    if result.returncode != 0:
        pytest.skip(f"this machine cannot emulate aarch64: {result.stderr.strip()}")
    return root


def test_an_emulated_machine_runs_what_was_built_for_it(debian: Path, project: Callable[[str], Project]) -> None:
    answer = run_emulated(debian, "python3", "-I", "-c", ask_python.script())
    abroad = project("abroad")
    set_platforms(abroad, {"arm": json.loads(answer.stdout)})
    assert abroad.nox("-s", "verify").said("closure", "passed")
    name = f"{abroad.root.parent.name}.pex"
    shutil.copy(abroad.binary("abroad"), debian / name)
    try:
        result = run_emulated(debian, f"/{name}")
    finally:
        (debian / name).unlink()
    assert result.stdout == "&lt;3.11 on aarch64&gt; tabulate 0.9.0 zipp 3.23.0\n", result.stderr


def test_a_root_file_system_of_another_machine_is_emulated(debian: Path, tmp_path: Path) -> None:
    result = run_registered(sys.executable, "-c", _ASK, str(debian), str(tmp_path))
    assert result.stdout.split() == ["exit", "status", "0", "aarch64"], result.stdout + result.stderr
