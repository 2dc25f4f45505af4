"""A base image from a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image.base import fetch
from nox_pex.oci.descriptor import digest_of, parse_platform
from nox_pex.oci.image import BaseImage
from nox_pex.tools.cache import Caches
from tests.support import images
from tests.support.faulty_registry import Answer, FaultyRegistry, serve_registry
from tests.support.untrusted_layers import LayoutFiles, for_platform, member, tar

LAYERS = [tar(member("a", "lower")), tar(member("b", "upper"))]


@pytest.fixture
def server() -> Iterator[FaultyRegistry]:
    with serve_registry() as registry:
        yield registry


@pytest.fixture
def files(tmp_path: Path) -> LayoutFiles:
    return LayoutFiles(tmp_path / "layout")


def publish(server: FaultyRegistry, files: LayoutFiles, top: dict[str, Any]) -> str:
    """Put everything into the repository `team/base`, the manifest `top` under the tag `1`, and return the name."""
    for path in (files.root / "blobs" / "sha256").iterdir():
        data = path.read_bytes()
        server.add_blob("team/base", data)
        if data.startswith(b"{") and "mediaType" in (value := json.loads(data)):
            server.add_manifest("team/base", digest_of(data), value["mediaType"], data)
            if digest_of(data) == top["digest"]:
                server.add_manifest("team/base", "1", value["mediaType"], data)
    return f"{server.url.partition('//')[2]}/team/base"


def base(tmp_path: Path, name: str, platform: str = "linux/amd64") -> BaseImage:
    return fetch.fetch(
        name,
        parse_platform(platform),
        key="image.base",
        root=tmp_path,
        caches=Caches(chosen=tmp_path / "cache"),
        shell=images.shell(environ={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}),
    )


def test_a_tag_is_looked_up_each_time_and_everything_else_is_fetched_once(
    tmp_path: Path, server: FaultyRegistry, files: LayoutFiles
) -> None:
    arm = files.image("arm64", LAYERS)
    index = files.listing(for_platform(files.image(), "amd64"), for_platform(arm, "arm64", variant="v8"))
    name = publish(server, files, index)

    found = base(tmp_path, f"{name}:1", "linux/arm64")

    assert [each.path.read_bytes() for each in found.layers] == LAYERS
    assert (found.digest, found.index_digest) == (arm["digest"], index["digest"])
    assert str(found.repository) == f"{name}:1"
    first = len(server.requests)
    assert base(tmp_path, f"{name}:1", "linux/arm64") == found
    assert [path for path in server.paths()[first:] if path != "GET /v2/"] == ["GET /v2/team/base/manifests/1"]


def test_a_digest_needs_no_network_if_everything_is_in_the_cache(
    tmp_path: Path, server: FaultyRegistry, files: LayoutFiles
) -> None:
    image = files.image(layers=LAYERS)
    index = files.listing(for_platform(image, "amd64"))
    name = publish(server, files, index)
    for digest in (index["digest"], image["digest"]):
        found = base(tmp_path, f"{name}@{digest}")
        asked = len(server.requests)

        assert base(tmp_path, f"{name}:other-tag@{digest}").layers == found.layers
        assert len(server.requests) == asked
        assert found.digest == image["digest"]


def test_what_the_registry_does_not_have_is_named(tmp_path: Path, server: FaultyRegistry, files: LayoutFiles) -> None:
    name = publish(server, files, files.image(layers=LAYERS))
    missing = "sha256:" + "0" * 64

    for wanted in (":2", f"@{missing}"):
        with pytest.raises(NoxPexError, match=f"its registry has no .*{wanted[1:]}") as caught:
            base(tmp_path, f"{name}{wanted}")
        assert caught.value.code == "image-base"


def test_an_obsolete_image_is_refused(tmp_path: Path, server: FaultyRegistry) -> None:
    signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    server.add_manifest("team/base", "1", signed, b'{"schemaVersion": 1, "name": "base"}')

    with pytest.raises(NoxPexError, match="schema version 1, which is obsolete") as caught:
        base(tmp_path, f"{server.url.partition('//')[2]}/team/base:1")
    assert caught.value.code == "image-base"


def test_other_bytes_of_a_layer_are_not_kept(tmp_path: Path, server: FaultyRegistry, files: LayoutFiles) -> None:
    name = publish(server, files, files.image(layers=LAYERS))
    hexadecimal = digest_of(LAYERS[1]).removeprefix("sha256:")
    server.answer(f"GET .*{hexadecimal}", Answer(body=bytes(len(LAYERS[1]))), times=1)

    with pytest.raises(NoxPexError) as caught:
        base(tmp_path, f"{name}:1")

    assert caught.value.code == "registry"
    assert caught.value.problem.startswith(f"image.base names {name}:1, which cannot be fetched: ")
    assert not list((tmp_path / "cache" / "blobs" / hexadecimal).iterdir())
    assert [each.path.read_bytes() for each in base(tmp_path, f"{name}:1").layers] == LAYERS
