"""A small image whose only content is the Python of the tests, and layers to put above it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nox_pex.oci import media_types
from nox_pex.oci.descriptor import Descriptor, Digest, platform_of_machine
from nox_pex.oci.image import LayerFile
from nox_pex.oci.image_config import ContainerConfig, ImageConfig, RootFileSystem
from tests.support.small_image import digest

PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
"""The path of Python on this machine and in the image."""

_UNNEEDED = re.compile(
    r"(^|/)(__pycache__|test|tests|idlelib|ensurepip|site-packages|dist-packages|tkinter|turtledemo)/"
)


class Member:
    """A member of a layer: a file with its content, a directory if that is None, or a link to `target`."""

    def __init__(
        self, content: bytes | None = b"", *, target: str | None = None, mode: int = 0o755, owner: int = 0
    ) -> None:
        self.content = content
        self.target = target
        self.mode = mode
        self.owner = owner


def layer(members: Mapping[str, bytes | Member], directory: Path) -> LayerFile:
    """Write a layer to `directory`. A member that is `bytes` is a file that everyone can read."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, member in members.items():
            each = member if isinstance(member, Member) else Member(member)
            info = tarfile.TarInfo(name)
            info.mode, info.uid, info.gid = each.mode, each.owner, each.owner
            if each.target is not None:
                info.type, info.linkname = tarfile.SYMTYPE, each.target
            elif each.content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(each.content)
            archive.addfile(info, io.BytesIO(each.content or b""))
    data = buffer.getvalue()
    found: Digest = digest(data)
    path = directory / found.partition(":")[2]
    path.write_bytes(data)
    descriptor = Descriptor(media_type=media_types.LAYER_TAR, digest=found, size=len(data))
    return LayerFile(descriptor=descriptor, diff_id=found, path=path)


def config(layers: Iterable[LayerFile], **container: Any) -> ImageConfig:
    """The configuration of an image with these layers for this machine."""
    return ImageConfig(
        architecture=platform_of_machine(os.uname().machine).architecture,
        os="linux",
        config=ContainerConfig(**container),
        rootfs=RootFileSystem(diff_ids=tuple(each.diff_id for each in layers)),
    )


def python_files() -> dict[str, bytes | Member]:
    """The files with which Python starts: its program, its library as an archive, and what the loader needs."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(sysconfig.get_path("stdlib"))
    modules = Path(sysconfig.get_config_var("DESTSHARED"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as stored:
        for file in sorted(library.rglob("*.py")):
            name = file.relative_to(library).as_posix()
            if not _UNNEEDED.search(name):
                stored.writestr(name, file.read_bytes())
    prefix = Path(sys.base_prefix)
    files = {str(prefix / "lib" / version.replace(".", "")) + ".zip": archive.getvalue()}
    native = [Path(PYTHON), *sorted(modules.glob("*.so"))]
    for file in (*native, library / "os.py", *_libraries(native)):
        files[str(file)] = file.read_bytes()
    # Not the directories above: some may be links on this machine.
    return {"tmp": Member(None, mode=0o1777), **{name.lstrip("/"): Member(data) for name, data in files.items()}}


def _libraries(files: Iterable[Path]) -> list[Path]:
    listed = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    return [Path(path) for path in sorted({*re.findall(r"(?:=> |^\s+)(/\S+) \(", listed, re.MULTILINE)})]
