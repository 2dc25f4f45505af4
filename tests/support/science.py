"""A mirror with stand-ins for science, scie-jump and a portable Python, none of which the tests can download."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.distributions.scie_file import this_platform

SUPPORT: Final = Path(__file__).resolve().parent
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
RELEASE: Final = "20260101"

_SCIE_JUMP: Final = "1.13.0"
"""The scie-jump that pex 2.105 asks for (`SCIE_JUMP_VERSION` in its `scie/science.py`)."""

_NOT_NEEDED: Final = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "site-packages", "__pycache__"}
)


class Mirror(Struct, frozen=True, kw_only=True):
    """A directory to serve, and the program `science`, which is not in it."""

    root: Path
    science: Path

    def options(self, url: str) -> list[str]:
        """Return the options of pex with which it takes everything from the mirror at `url`."""
        return ["--scie-science-binary", str(self.science), "--scie-assets-base-url", url]


def write_science(path: Path) -> Path:
    """Write the stand-in for `science` as a program, which needs no Python on PATH."""
    text = (SUPPORT / "stand_in_science.py").read_text("utf-8")
    path.write_text(f"#!{sys.executable}\n{text}", "utf-8")
    path.chmod(0o755)
    return path


def write_mirror(directory: Path, *platforms: str) -> Mirror:
    """Write a mirror as `science download` does, for this machine and for `platforms`, with this Python."""
    root = directory / "mirror"
    providers = root / "providers" / "PythonBuildStandalone"
    for platform in (this_platform(), *platforms):
        jump = root / "jump" / "download" / f"v{_SCIE_JUMP}" / f"scie-jump-gnu-{platform}"
        jump.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SUPPORT / "stand_in_jump.sh", jump)
    release = providers / "download" / RELEASE
    release.mkdir(parents=True)
    version = f"{PYTHON}.{sys.version_info.micro}"
    content = portable_python()
    digest = {"size": len(content), "fingerprint": hashlib.sha256(content).hexdigest()}
    assets = []
    for platform in dict.fromkeys((this_platform(), *platforms)):
        triple = triple_of(platform)
        archive = release / f"cpython-{version}+{RELEASE}-{triple}-install_only.tar.gz"
        archive.write_bytes(content)
        path = archive.relative_to(providers).as_posix()
        asset = {"name": archive.name, "version": version, "rel_path": path, "file_type": "tar.gz", "digest": digest}
        assets.append({**asset, "target_triple": triple})
    latest = providers / "latest" / "download"
    latest.mkdir(parents=True)
    listing = json.dumps({"release": RELEASE, "assets": assets})
    for place in (latest, release):
        (place / f"distributions-{PYTHON}-install_only.json").write_text(listing, "utf-8")
    return Mirror(root=root, science=write_science(directory / "science"))


def triple_of(platform: str) -> str:
    """Return the platform as a portable Python names it: `x86_64-unknown-linux-gnu` for `linux-x86_64`."""
    libc = "musl" if platform.startswith("musl-") else "gnu"
    return f"{platform.rpartition('-')[2]}-unknown-linux-{libc}"


def portable_python() -> bytes:
    """Return an archive of the running Python: the interpreter finds its library next to itself, wherever it is."""
    library = Path(sysconfig.get_path("stdlib"))

    def needed(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        parts = Path(info.name).parts
        return None if _NOT_NEEDED & set(parts) or any(part.startswith("config-") for part in parts) else info

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        tar.add(Path(sys.executable).resolve(), arcname=f"python/bin/python{PYTHON}")
        tar.add(library, arcname=f"python/lib/python{PYTHON}", filter=needed)
    return archive.getvalue()
