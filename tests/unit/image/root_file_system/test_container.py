from __future__ import annotations

from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image.root_file_system import container
from nox_pex.image.root_file_system.user import ImageUser
from nox_pex.oci.image_config import ContainerConfig

USER = ImageUser(text="app", user=1000, group=1000, home="/home/app")


def test_variables_are_those_of_an_engine_then_of_the_image_then_of_the_settings() -> None:
    config = ContainerConfig(env=("PATH=/opt/bin", "A=1=2", "B=image", "EMPTY="))
    assert container.variables(config, USER, {"B": "settings"}) == {
        "PATH": "/opt/bin", "HOSTNAME": "container", "HOME": "/home/app", "A": "1=2", "B": "settings", "EMPTY": "",
    }  # fmt: skip
    assert container.variables(ContainerConfig(), USER, {})["PATH"].startswith("/usr/local/sbin:")


@pytest.mark.parametrize(
    ("config", "arguments", "expected"),
    [
        ({"entrypoint": ("a",), "cmd": ("b", "c")}, (), ("a", "b", "c")),
        ({"entrypoint": ("a",), "cmd": ("b", "c")}, ("d",), ("a", "d")),
        ({"cmd": ("b",)}, (), ("b",)),
        ({"entrypoint": ("a",)}, (), ("a",)),
    ],
)
def test_arguments_replace_those_of_the_image(
    config: dict[str, Any], arguments: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert container.argv(ContainerConfig(**config), arguments) == expected


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "neither an entry point nor a command"),
        ({"entrypoint": ("a\0b",)}, "null character"),
        ({"entrypoint": ("a",), "env": ("A=\0",)}, "null character"),
        ({"entrypoint": ("a",), "working_dir": "/\0"}, "null character"),
    ],
)
def test_a_configuration_that_starts_nothing_is_named(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(NoxPexError, match=problem) as caught:
        container.argv(ContainerConfig(**config), ())
    assert caught.value.code == "launch-failed"
