"""An image that nox-pex writes itself: built, checked, pushed, and read, unpacked and run by other programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from nox_pex import command_line
from nox_pex.oci import layout, manifest, media_types
from nox_pex.oci.descriptor import describe
from nox_pex.oci.manifest import Index
from tests.integration.image.conftest import BASE, Podman
from tests.support import small_image
from tests.support.elf_programs import program
from tests.support.nox_project import Project
from tests.support.registries import running_registry

pytestmark = pytest.mark.containers

UNPACKED = ('engine = "none"', 'form = "unpacked"', "expose = [8000]", 'args = ["--host", "0.0.0.0", "--port", "8000"]')
ARM_LIBC = b"GNU C Library (Debian GLIBC 2.36) stable release version 2.36.\n"


def result(project: Project, step: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.root / "dist" / f"parcel.{step}.json").read_text("utf-8"))
    return found


def run(*argv: str | Path, environ: dict[str, str] | None = None, stdin: bytes | None = None) -> str:
    done = subprocess.run(argv, env=environ, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_an_image_is_built_checked_pushed_and_run_by_other_programs(
    parcel: Callable[..., Project],
    containers: Podman,
    key_pair: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key, public = key_pair
    with running_registry(tmp_path / "registry") as registry:
        base, repository = f"{registry.host}/base/python:1", f"{registry.host}/team/parcel"
        containers.podman("push", "--quiet", "--tls-verify=false", BASE, f"docker://{base}")
        project = parcel(*UNPACKED, f'tag = ["{repository}:{{version}}", "{repository}:py{{python}}"]')
        project.edit("pyproject.toml", f'base = "{BASE}"', f'base = "{base}"')

        pushed = project.nox("-s", "push", "--", "--key", str(key))

        assert pushed.said("container:  passed ", "ready in")
        assert pushed.said("push: parcel has 4 referrers")
        built = result(project, "image")
        (name,) = result(project, "push")["names"]
        assert name == f"{repository}@{built['digest']}"
        assert command_line.main(["check", "--image", name, "--key", str(public), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["passed"]
        assert [each["title"] for each in built["platforms"][0]["layers"]] == ["environment", "idna 3.11", "own code"]

        directory = project.root / "dist" / "parcel.oci"
        assert _served_by(containers, f"{repository}:0.4.0") == built["digest"]
        _unpack(directory, tmp_path / "unpacked", tag="0.4.0")
        assert containers.podman("load", "--input", str(directory))
        archive = subprocess.run(["tar", "-C", directory, "-c", "."], capture_output=True, check=True).stdout
        assert repository in containers.podman("load", stdin=archive).decode()

        project.append("src/parcel/__init__.py", "\n# edited\n")
        again = project.nox("-s", "push", "--", "--no-evidence")
        assert again.said("container:  passed ", "ready in")
        after, sent = result(project, "image"), result(project, "push")
        assert after["layers"][:-1] == built["layers"][:-1]
        assert after["layers"][-1] != built["layers"][-1]
        assert sent["bytes-sent"] < 20_000
        assert sent["repositories"][0]["referrers"] == []


def _served_by(containers: Podman, image: str) -> str:
    """Run an image as docs/image.md recommends, assert that it serves and stops, and return its digest."""
    containers.podman("pull", "--quiet", "--tls-verify=false", image)
    options = ["--detach", "--name", "served", "--read-only", "--cap-drop=ALL", "--publish", "127.0.0.1::8000"]
    containers.podman("run", *options, image)
    try:
        port = containers.podman("port", "served", "8000").decode().strip().rpartition(":")[2]
        answer = _answer(f"http://127.0.0.1:{port}/")
        assert (answer["message"], answer["user"], answer["process"]) == ("Hello World", 65532, 1)
        containers.podman("stop", "--time", "10", "served")
    finally:
        containers.podman("rm", "--force", "--time", "0", "served")
    return containers.podman("image", "inspect", "--format", "{{.Digest}}", image).decode().strip()


def _answer(url: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while True:
        try:
            found: dict[str, Any] = httpx2.get(url, trust_env=False).json()
        except httpx2.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return found


def _unpack(directory: Path, into: Path, *, tag: str) -> None:
    """Let umoci unpack a layout, and assert that the layers are whole: only if it is installed, and as root."""
    if shutil.which("umoci") is None or os.geteuid() != 0:
        return  # a skip would also skip the rest of the test
    run("umoci", "unpack", "--image", f"{directory}:{tag}", into)
    environment = into / "rootfs" / "app"
    assert (environment / "pex").stat().st_uid == 0
    assert list((environment / "lib").glob("python3*/site-packages/idna/__pycache__/core.*.pyc"))
    assert list((environment / "lib").glob("python3*/site-packages/idna-3.11.dist-info/METADATA"))


def test_an_index_has_an_image_for_each_platform_and_the_foreign_one_is_not_started(
    parcel: Callable[..., Project], containers: Podman, tmp_path: Path
) -> None:
    project = parcel(*UNPACKED, 'platforms = ["linux/amd64", "linux/arm64"]')
    project.edit("pyproject.toml", f'base = "{BASE}"', 'base = "oci:../base"')
    containers.podman("save", "--format", "oci-dir", "--output", str(tmp_path / "native"), BASE)
    native = _saved(tmp_path / "native")
    layout.write(tmp_path / "base", small_image.index(amd64=native, arm64=_arm_base()), [])

    built = project.nox("-s", "image")

    assert built.said(" skipped ", "it is for linux/arm64")
    found = result(project, "image")
    amd, arm = found["platforms"]
    assert (amd["platform"], arm["platform"], found["passed"]) == ("linux/amd64", "linux/arm64", True)
    assert [amd["conditions"][0]["state"], arm["conditions"][0]["state"]] == ["passed", "skipped"]
    assert arm["python"].endswith("aarch64")
    assert amd["layers"][-1]["diff-id"] == arm["layers"][-1]["diff-id"]
    listed = manifest.parse(layout.read(project.root / "dist" / "parcel.oci").top.read(), media_types.INDEX)
    assert isinstance(listed, Index)
    assert [(str(each.platform), each.digest) for each in listed.manifests] == [
        (each["platform"], each["digest"]) for each in (amd, arm)
    ]
    first = (project.root / "dist" / "parcel.oci" / "index.json").read_bytes()
    assert project.nox("-s", "image", "--", "--timeout", "20").said("written to")
    assert (project.root / "dist" / "parcel.oci" / "index.json").read_bytes() == first


def _saved(directory: Path) -> layout.WrittenImage:
    """The image in a directory that `podman save --format oci-dir` wrote."""
    (descriptor,) = json.loads((directory / "index.json").read_bytes())["manifests"]
    data = layout.blob_path(directory, descriptor["digest"]).read_bytes()
    parsed = manifest.parse(data, descriptor["mediaType"])
    assert not isinstance(parsed, Index)
    blobs = (
        layout.Blob(descriptor=each, content=layout.blob_path(directory, each.digest))
        for each in (parsed.config, *parsed.layers)
    )
    return layout.WrittenImage(
        top=layout.Blob(descriptor=describe(data, descriptor["mediaType"]), content=data), blobs=tuple(blobs)
    )


def _arm_base() -> layout.WrittenImage:
    """A base for arm64 that has nothing but what a Python is recognised by."""
    major, minor = sys.version_info[:2]
    python = program(
        f"{major}.{minor}.2".encode(),
        f".cpython-{major}{minor}-aarch64-linux-gnu.so".encode(),
        machine=183,
        loader=b"/lib/ld-linux-aarch64.so.1",
    )
    return small_image.image(
        {
            "lib/ld-linux-aarch64.so.1": program(machine=183, loader=b""),
            "lib/libc.so.6": program(ARM_LIBC, machine=183, loader=b""),
            f"usr/bin/python{major}.{minor}": python,
        },
        architecture="arm64",
    )
