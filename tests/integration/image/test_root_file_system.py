"""A container without an engine next to one of a real engine: both run the same program on the same base."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from nox_pex.oci import media_types
from nox_pex.oci.descriptor import Descriptor
from nox_pex.oci.image import LayerFile
from nox_pex.settings.image import EngineArgs
from tests.integration.image.conftest import BASE, Podman
from tests.support.images import engine
from tests.support.processes import assert_nothing_left
from tests.support.root_containers import PROGRAMS, Base, Containers

pytestmark = pytest.mark.containers

DOCKERFILE = f"""\
FROM {BASE}
COPY in_container.py serving.py /app/
ENV GREETING=hello
WORKDIR /srv/place
USER 65532:65532
ENTRYPOINT ["python3", "/app/in_container.py"]
"""

SAME = ("pid", "ids", "groups", "capabilities", "no-new-privileges", "directory", "writable", "readable", "devices",
        "processes", "umask", "hidden")  # fmt: skip


def layer_of(archive: Path) -> LayerFile:
    with archive.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    size = archive.stat().st_size
    descriptor = Descriptor(media_type=media_types.LAYER_TAR, digest=digest, size=size)
    return LayerFile(descriptor=descriptor, diff_id=digest, path=archive)


def test_a_container_is_like_that_of_an_engine(base_archive: Path, containers: Podman, tmp_path: Path) -> None:
    image = containers.podman(
        "build", "--quiet", "--file", "-", str(PROGRAMS), stdin=DOCKERFILE.encode()
    ).decode().split()[-1]  # fmt: skip
    podman = engine("podman", EngineArgs())
    argv = podman.run_once_argv(image, "python3", "/app/in_container.py", "once", "-", "-")
    rights = ["--read-only", "--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777", "--cap-drop", "ALL"]  # noqa: S108  # in the container
    rights += ["--security-opt", "no-new-privileges", "--read-only-tmpfs=false"]
    theirs = json.loads(containers.podman("run", *rights, *argv[2:]))

    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ours = Containers(Base(layer_of(base_archive), tmp_path), tmp_path, temporary, ())
    ours.python = "python3"
    expected = {f"$['{name}']": theirs[name] for name in SAME}
    result = ours.check(
        "well",
        http=[{"path": "/", "json-path": expected}],
        container={"working_dir": "/srv/place", "env": ("GREETING=hello",)},
    )

    assert result["code"] is None, result
    assert_nothing_left(temporary)
