"""The configuration of an image that anybody may have written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nox_pex.oci import image_config
from nox_pex.oci.manifest import FormatError

CONFIG: dict[str, Any] = {
    "architecture": "arm64",
    "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]},
}


def parse(**values: Any) -> image_config.ImageConfig:
    return image_config.parse(json.dumps({**CONFIG, **values}).encode())


def test_null_means_not_set_as_docker_writes_it() -> None:
    found = parse(config={"Env": None, "Cmd": None, "Labels": None, "Unknown": 1}, variant="v8", history=None)

    assert (found.container.env, found.container.cmd, str(found.platform)) == (None, None, "linux/arm64/v8")
    assert parse(variant="").platform.variant is None
    assert parse().container.user is None


@pytest.mark.parametrize(
    "values",
    [
        {"config": {"Env": "PATH=/bin"}},
        {"config": {"Entrypoint": [1]}},
        {"config": []},
        {"rootfs": {"type": "layers"}},
        {"rootfs": {"type": "other", "diff_ids": []}},
        {"rootfs": {"type": "layers", "diff_ids": ["sha256:0"]}},
        {"architecture": None},
        {"os": 1},
    ],
)
def test_a_wrong_value_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="the form of OCI"):
        parse(**values)
