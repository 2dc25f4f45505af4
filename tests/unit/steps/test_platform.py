"""`platform -- --image` reads the layers of an image if there is no engine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci.descriptor import platform_of_machine
from nox_pex.steps import platform
from tests.support.untrusted_layers import LayoutFiles, tar
from tests.unit.image.base.test_python import LIBC, cpython, executable
from tests.unit.steps.conftest import MakeContext

MACHINE = os.uname().machine
NUMBERS = {"x86_64": 62, "aarch64": 183}


@pytest.mark.skipif(MACHINE not in NUMBERS, reason="the test makes programs for two architectures")
def test_the_python_in_a_layout_is_described(tmp_path: Path, make_context: MakeContext, shown: list[str]) -> None:
    layout = LayoutFiles(tmp_path / "base")
    layers = [tar(*LIBC, executable("usr/bin/python3", cpython(machine=NUMBERS[MACHINE])))]
    layout.write(layout.image(platform_of_machine(MACHINE).architecture, layers))
    context = make_context(environ={"NOX_PEX_CACHE_DIR": str(tmp_path / "cache")}, image="oci:base")

    platform.run(context)

    description = json.loads(shown[-1])
    assert description["marker_environment"]["python_full_version"] == "3.12.5"
    assert f"cp312-cp312-manylinux_2_36_{MACHINE}" in description["compatible_tags"]


def test_an_image_that_does_not_exist_is_an_error(tmp_path: Path, make_context: MakeContext) -> None:
    context = make_context(environ={"NOX_PEX_CACHE_DIR": str(tmp_path / "cache")}, image="oci:nothing")

    with pytest.raises(NoxPexError, match="--image names oci:nothing") as caught:
        platform.run(context)
    assert caught.value.code == "image-base"


def test_without_an_engine_the_registry_is_asked(tmp_path: Path, make_context: MakeContext, shown: list[str]) -> None:
    environ = {"NOX_PEX_CACHE_DIR": str(tmp_path / "cache"), "PATH": "/nonexistent", "HOME": str(tmp_path)}
    context = make_context(environ=environ, image="127.0.0.1:1/base@sha256:" + "0" * 64)

    with pytest.raises(NoxPexError) as caught:
        platform.run(context)
    assert caught.value.code == "registry"
    assert "reading the layers of 127.0.0.1:1/base" in shown[0]
