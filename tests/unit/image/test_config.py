"""The configuration and the manifest of an image that nox-pex writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from nox_pex.image import config
from nox_pex.image.content.request import ImageContent
from nox_pex.oci import manifest, media_types, reference
from nox_pex.oci.descriptor import Descriptor, ImagePlatform
from nox_pex.oci.image import BaseImage, LayerFile
from nox_pex.oci.image_config import ContainerConfig, HistoryEntry, ImageConfig, RootFileSystem
from nox_pex.oci.layout import Blob
from nox_pex.oci.manifest import Manifest
from nox_pex.settings.image import Image
from tests.support.images import image

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def layer(digest: str, **annotations: str) -> LayerFile:
    descriptor = Descriptor(media_type=media_types.LAYER_GZIP, digest=digest, size=3, annotations=annotations or None)
    return LayerFile(descriptor=descriptor, diff_id=digest, path=Path("blob"))


def base(container: ContainerConfig | None = None, **values: Any) -> BaseImage:
    return BaseImage(
        name="python:3.12-slim",
        digest=A,
        index_digest=None,
        platform=ImagePlatform(os="linux", architecture="amd64"),
        config=ImageConfig(
            architecture="amd64", os="linux", config=container, rootfs=RootFileSystem(diff_ids=(A,)), **values
        ),
        layers=(layer(A, note="of the base"),),
        repository=reference.parse("python:3.12-slim"),
    )


CONTENT = ImageContent(
    layers=(layer(B), layer(C)),
    titles=("b", "c"),
    entrypoint=("/app/pex",),
    env={"PEX_ROOT": "/pex"},
    compressors=("zlib",),
    bytecode=None,
    notes=(),
)


def config_of(base_image: BaseImage, table: Image, **labels: str) -> ImageConfig:
    return config.config(base_image, table, CONTENT, python="/usr/bin/python3", labels=labels)


def test_what_the_base_says_stays_unless_the_settings_say_something_else() -> None:
    inherited = ContainerConfig(
        user="0",
        env=("PATH=/usr/bin", "LANG=C", "EMPTY="),
        entrypoint=("/old",),
        cmd=("old",),
        exposed_ports={"80/tcp": {}},
        volumes={"/data": {}},
        working_dir="/srv",
        labels={"a": "1", "b": "1"},
        stop_signal="SIGQUIT",
    )
    table = image(expose=[8000, "53/udp"], env={"LANG": "C.UTF-8"}, labels={"b": "2"}, user="1:2")

    found = config_of(base(inherited), table, b="0", c="3").container

    assert msgspec.to_builtins(found) == {
        "User": "1:2",
        "ExposedPorts": {"80/tcp": {}, "8000/tcp": {}, "53/udp": {}},
        "Env": ("PATH=/usr/bin", "LANG=C.UTF-8", "EMPTY=", "PEX_ROOT=/pex"),
        "Entrypoint": ("/app/pex",),
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Labels": {"a": "1", "b": "2", "c": "3"},
        "StopSignal": "SIGQUIT",
    }


def test_a_user_without_a_group_has_the_group_of_the_same_number() -> None:
    assert config_of(base(), image()).container.user == "65532:65532"


def test_the_health_check_has_its_times_in_nanoseconds() -> None:
    table = image(healthcheck={"path": "/ok", "port": 1, "interval": 1.5, "timeout": 2})

    check = config_of(base(), table).container.healthcheck

    assert check is not None
    assert {key: value for key, value in check.items() if key != "Test"} == {
        "Interval": 1_500_000_000,
        "Timeout": 2_000_000_000,
        "StartPeriod": 30_000_000_000,
        "Retries": 3,
    }
    assert check["Test"][:4] == ["CMD", "/usr/bin/python3", "-I", "-c"]


def test_each_layer_has_an_entry_in_the_history_even_if_the_base_has_none() -> None:
    complete = (HistoryEntry(created_by="a"), HistoryEntry(created_by="b", empty_layer=True))

    assert [entry.created_by for entry in config_of(base(history=complete), image()).history or ()] == [
        "a",
        "b",
        "nox-pex: b",
        "nox-pex: c",
    ]
    assert [entry.created_by for entry in config_of(base(), image()).history or ()] == [
        "base",
        "nox-pex: b",
        "nox-pex: c",
    ]


def test_the_manifest_names_the_layers_in_their_order_and_the_base() -> None:
    blob = Blob.of(manifest.encode(config_of(base(), image())), media_types.CONFIG)

    found = manifest.parse(config.image_manifest(blob, base(), CONTENT.layers).read(), media_types.MANIFEST)

    assert isinstance(found, Manifest)
    assert found.config == blob.descriptor
    assert [each.digest for each in found.layers] == [A, B, C]
    assert all(each.annotations is None for each in found.layers)
    assert found.annotations == {
        "org.opencontainers.image.base.name": "docker.io/library/python:3.12-slim",
        "org.opencontainers.image.base.digest": A,
    }


def test_a_base_from_a_layout_on_disk_has_no_name_in_the_manifest() -> None:
    from_disk = msgspec.structs.replace(base(), repository=None)
    blob = Blob.of(b"{}", media_types.CONFIG)

    found = manifest.parse(config.image_manifest(blob, from_disk, ()).read(), media_types.MANIFEST)

    assert found.annotations == {"org.opencontainers.image.base.digest": A}
