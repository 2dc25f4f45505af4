from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.image.root_file_system import foreign
from nox_pex.oci.descriptor import ImagePlatform, parse_platform

HANDLER = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: {flags}\noffset 0\nmagic 7f454c46\n"


def reason(platform: str, handlers: Path, machine: str = "x86_64") -> str | None:
    return foreign.reason(parse_platform(platform), machine=machine, handlers=handlers, system="linux")


@pytest.mark.parametrize(
    ("platform", "machine"),
    [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64"), ("linux/386", "x86_64"), ("linux/arm64/v8", "aarch64")],
)
def test_a_machine_runs_its_own_images(platform: str, machine: str, tmp_path: Path) -> None:
    assert reason(platform, tmp_path, machine) is None


def test_an_image_for_another_machine_or_system_is_named(tmp_path: Path) -> None:
    assert reason("linux/arm64", tmp_path) == "it is for linux/arm64, and this machine is linux/amd64"
    windows = ImagePlatform(os="windows", architecture="amd64")
    found = foreign.reason(windows, machine="x86_64", handlers=tmp_path, system="linux")
    assert found == "it is for windows/amd64, and this machine is linux/amd64"
    found = foreign.reason(parse_platform("linux/arm64"), machine="arm64", handlers=tmp_path, system="darwin")
    assert found == "only Linux can run an image without an engine"


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        (HANDLER.format(flags="OCF"), True),
        (HANDLER.format(flags="F"), True),
        (HANDLER.format(flags="OC"), False),  # the emulator would be searched in the image
        (HANDLER.format(flags="F").replace("enabled", "disabled"), False),
        ("", False),
    ],
)
def test_an_emulator_that_the_kernel_has_opened_runs_the_image(text: str, runs: bool, tmp_path: Path) -> None:  # noqa: FBT001  # parametrized
    (tmp_path / "qemu-aarch64").write_text(text, "utf-8")
    assert (reason("linux/arm64", tmp_path) is None) is runs
    assert reason("linux/s390x", tmp_path) is not None
