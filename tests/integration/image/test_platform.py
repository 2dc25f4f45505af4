"""The Python of a container image as a target for binaries."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from tests.integration.image.conftest import BASE, Podman
from tests.support.nox_project import Project


def test_an_image_that_has_only_python_describes_itself(project: Callable[[str], Project], containers: Podman) -> None:
    abroad = project("abroad")
    result = subprocess.run(
        abroad.argv("-s", "platform", "--", "--image", BASE),
        cwd=abroad.root,
        env=abroad.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    asked = "import platform; print(platform.python_version())"
    version = containers.podman("run", "--rm", "--network", "none", BASE, "python3", "-c", asked).decode().strip()
    found = json.loads(result.stdout)
    assert found["marker_environment"]["python_full_version"] == version
    assert found["marker_environment"]["platform_release"] == ""
    assert any("-manylinux_2_" in tag for tag in found["compatible_tags"])
    assert f"{sys.version_info.major}.{sys.version_info.minor}" == found["marker_environment"]["python_version"]
    line = abroad.refused("image-base", "-s", "platform", "--", "--image", "localhost/nothing:1")
    assert "--image names localhost/nothing:1" in line
