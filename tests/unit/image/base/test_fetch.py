"""A base image from an image layout on disk, which anybody may have written."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image.base import fetch, source
from nox_pex.oci import media_types
from nox_pex.oci.descriptor import digest_of, parse_platform
from nox_pex.oci.image import BaseImage
from nox_pex.tools.cache import Caches
from tests.support import images
from tests.support.untrusted_layers import LayoutFiles, for_platform, member, tagged, tar

LAYERS = [tar(member("a", "lower")), tar(member("b", "upper"))]


@pytest.fixture
def files(tmp_path: Path) -> LayoutFiles:
    return LayoutFiles(tmp_path / "layout")


def base(files: LayoutFiles, name: str, platform: str = "linux/amd64", said: list[str] | None = None) -> BaseImage:
    return fetch.fetch(
        name,
        parse_platform(platform),
        key="binary.app.image.base",
        root=files.root.parent,
        caches=Caches(chosen=files.root.parent / "cache"),
        shell=images.shell(said=said),
    )


def refusal(files: LayoutFiles, name: str, platform: str = "linux/amd64") -> str:
    with pytest.raises(NoxPexError) as caught:
        base(files, name, platform)
    message = str(caught.value)
    assert caught.value.code == "image-base", message
    assert "binary.app.image.base" in message
    assert "\n" not in message
    return message


def test_an_image_is_read_with_its_layers_in_the_cache(files: LayoutFiles) -> None:
    image = files.image(layers=LAYERS)
    said: list[str] = []

    found = base(files, files.write(image), said=said)

    assert [each.path.read_bytes() for each in found.layers] == LAYERS
    assert [each.diff_id for each in found.layers] == [digest_of(data) for data in LAYERS]
    assert (found.digest, found.index_digest, found.repository) == (image["digest"], None, None)
    assert str(found.platform) == "linux/amd64"
    assert said == ["image: fetching oci:" + str(files.root) + " for linux/amd64, 0.0 MB"]
    assert base(files, files.write(image), said=said) == found
    assert len(said) == 1


def test_nothing_is_written_to_a_cache_that_has_everything(files: LayoutFiles) -> None:
    """It may be read-only."""
    name = files.write(files.image(layers=LAYERS))
    base(files, name)
    blobs = [*(files.root.parent / "cache/blobs").glob("*/blob")]
    before = [path.stat().st_ino for path in blobs]

    base(files, name)

    assert len(blobs) == len(LAYERS) + 2  # the manifest and the configuration
    assert [path.stat().st_ino for path in blobs] == before


def test_a_full_disk_is_reported_with_the_directory_of_the_cache(
    files: LayoutFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(source.LayoutSource, "blob", full)
    with pytest.raises(NoxPexError, match=r"cannot write the base image oci:.* to .*/cache/blobs: No space") as caught:
        base(files, files.write(files.image(layers=LAYERS)))
    assert caught.value.code == "disk-full"


@pytest.mark.parametrize("text", ["layout", "./layout", "layout:one", "layout@DIGEST", "../here/layout:one"])
def test_a_path_is_relative_to_the_project(tmp_path: Path, text: str) -> None:
    files = LayoutFiles(tmp_path / "here" / "layout")
    image = files.image(layers=LAYERS)
    files.write(tagged(image, "one"))

    assert base(files, f"oci:{text.replace('DIGEST', image['digest'])}").digest == image["digest"]


def test_a_directory_may_have_a_colon_or_an_at_sign_in_its_name(tmp_path: Path) -> None:
    files = LayoutFiles(tmp_path / "lay:o@ut")
    image = files.image()
    files.write(tagged(image, "one"))

    for name in ("oci:lay:o@ut", "oci:lay:o@ut:one", f"oci:lay:o@ut@{image['digest']}"):
        assert base(files, name).digest == image["digest"]


def test_a_tag_or_a_digest_chooses_one_of_several(files: LayoutFiles) -> None:
    one, two = files.image(layers=LAYERS), files.image(layers=LAYERS[:1])
    name = files.write(tagged(one, "one"), tagged(two, "registry.example/base:two"))

    assert base(files, f"{name}:one").digest == one["digest"]
    assert base(files, f"{name}:two").digest == two["digest"]
    assert base(files, f"{name}@{two['digest']}").digest == two["digest"]
    assert "does not have three, but one, registry.example/base:two" in refusal(files, f"{name}:three")
    assert "it has 2 images for linux/amd64: one, registry.example/base:two" in refusal(files, name)


def test_the_platform_chooses_in_an_index(files: LayoutFiles) -> None:
    amd, arm = files.image(), files.image("arm64", LAYERS)
    attestation = {**files.blob(b"{}", media_types.MANIFEST), "platform": {"os": "unknown", "architecture": "unknown"}}
    inner = files.listing(for_platform(arm, "arm64", variant="v8"), attestation)
    index = files.listing(for_platform(amd, "amd64"), inner, attestation)
    name = files.write(tagged(index, "all"))

    for platform in ("linux/arm64", "linux/arm64/v8"):
        found = base(files, name, platform)
        assert (found.digest, found.index_digest, found.platform.architecture) == (
            arm["digest"],
            index["digest"],
            "arm64",
        )
    assert base(files, f"{name}:all").digest == amd["digest"]
    assert "it is for linux/amd64, linux/arm64/v8, and not for linux/s390x" in refusal(files, name, "linux/s390x")
    assert "not for linux/arm64/v9" in refusal(files, name, "linux/arm64/v9")


def test_variants_of_arm_run_older_ones(files: LayoutFiles) -> None:
    images_by_variant = {
        variant: for_platform(files.image("arm", [variant.encode()]), "arm", variant=variant)
        for variant in ("v5", "v7")
    }
    name = files.write(files.listing(*images_by_variant.values()))

    found = {wanted: base(files, name, wanted).digest for wanted in ("linux/arm", "linux/arm/v7", "linux/arm/v6")}

    v5, v7 = (images_by_variant[variant]["digest"] for variant in ("v5", "v7"))
    assert found == {"linux/arm": v7, "linux/arm/v7": v7, "linux/arm/v6": v5}


def test_an_index_without_platforms_is_read_by_the_configurations(files: LayoutFiles) -> None:
    amd, arm = files.image(), files.image("arm64")
    artifact = files.image(artifactType="application/x")
    name = files.write(amd, arm, artifact)

    found = base(files, name, "linux/arm64")

    assert (found.digest, found.index_digest) == (arm["digest"], None)  # nobody knows the digest of `index.json`


def test_a_digest_is_that_of_any_manifest_in_the_layout(files: LayoutFiles) -> None:
    arm = files.image("arm64", LAYERS)
    index = files.listing(for_platform(arm, "arm64"))
    name = files.write(index)

    for digest in (index["digest"], arm["digest"]):
        assert base(files, f"{name}@{digest}", "linux/arm64").digest == arm["digest"]
    assert "is missing" in refusal(files, f"{name}@sha256:{'0' * 64}")
    assert "does not have sha256:../../x" in refusal(files, f"{name}@sha256:../../x")


def test_dockers_types_get_their_oci_names(files: LayoutFiles) -> None:
    layer = files.blob(LAYERS[0], "application/vnd.docker.image.rootfs.diff.tar")
    image = files.image(layers=LAYERS[:1], mediaType=media_types.DOCKER_MANIFEST)
    config = json.loads((files.root / "blobs/sha256" / image["digest"][7:]).read_bytes())["config"]
    docker = {**config, "mediaType": "application/vnd.docker.container.image.v1+json"}
    manifest = {"schemaVersion": 2, "mediaType": media_types.DOCKER_MANIFEST, "config": docker, "layers": [layer]}
    name = files.write(files.blob(manifest, media_types.DOCKER_MANIFEST))

    assert base(files, name).layers[0].descriptor.media_type == media_types.LAYER_TAR


def changed(image: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**image, **fields}


def test_what_is_not_an_image_for_the_platform_is_refused(files: LayoutFiles) -> None:
    image = files.image(layers=LAYERS)
    foreign = files.blob(b"", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
    deep = image
    for _ in range(6):
        deep = files.listing(deep)
    cases = {
        "has schema version 1": files.blob({"schemaVersion": 1}, media_types.MANIFEST),
        "which is not read": foreign_image(files, foreign),
        "an artifact of the type 'application/x'": files.image(artifactType="application/x"),
        "an artifact of the type 'application/vnd.cncf.helm.config.v1+json'": with_config_type(files),
        "has 2 layers, but its configuration has 1": files.image(
            layers=LAYERS, config={"rootfs": {"type": "layers", "diff_ids": [digest_of(b"")]}}
        ),
        "it is for linux/arm64, and not for linux/amd64": files.image("arm64"),
        "although its index says linux/amd64": files.listing(for_platform(files.image("arm64"), "amd64")),
        "it is for windows/amd64": files.image(config={"os": "windows"}),
        "other bytes than its digest": changed(image, size=image["size"] + 1),
        "is missing": changed(image, digest=digest_of(b"nothing")),
        "announced as 'application/json'": changed(image, mediaType="application/json"),
        "announced as 'application/vnd.docker": changed(image, mediaType=media_types.DOCKER_MANIFEST),
        "no platform, and not": files.listing(files.listing()),
        "indexes inside each other": deep,
        "more than 32 manifests": files.listing(*(files.listing(image) for _ in range(40))),
        "it is not JSON": files.blob(b"{", media_types.MANIFEST),
    }
    for reason, descriptor in cases.items():
        assert reason in refusal(files, files.write(descriptor)), reason


def foreign_image(files: LayoutFiles, foreign: dict[str, Any]) -> dict[str, Any]:
    config = files.blob(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest_of(b"")]}},
        media_types.CONFIG,
    )
    return files.blob({"schemaVersion": 2, "config": config, "layers": [foreign]}, media_types.MANIFEST)


def with_config_type(files: LayoutFiles) -> dict[str, Any]:
    config = files.blob(b"{}", "application/vnd.cncf.helm.config.v1+json")
    return files.blob({"schemaVersion": 2, "config": config, "layers": []}, media_types.MANIFEST)


def test_a_layer_that_is_not_what_its_manifest_says_is_refused(files: LayoutFiles) -> None:
    image = files.image(layers=LAYERS)
    name = files.write(image)
    path = files.root / "blobs" / "sha256" / digest_of(LAYERS[1]).removeprefix("sha256:")
    for damage, reason in ((b"x", "other bytes"), (bytes(len(LAYERS[1])), "other bytes")):
        path.write_bytes(damage)
        assert reason in refusal(files, name)
    path.unlink()
    assert "is missing" in refusal(files, name)
    path.symlink_to("/etc/passwd")
    assert "is a link" in refusal(files, name)
    path.unlink()
    path.mkdir()
    assert digest_of(LAYERS[1])[7:] in refusal(files, name)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("oci-layout", None, "oci-layout in its layout is missing"),
        ("oci-layout", "{}", "has the version None"),
        ("oci-layout", '{"imageLayoutVersion": "2.0"}', "has the version '2.0'"),
        ("index.json", None, "index.json in its layout is missing"),
        ("index.json", "[]", "not a JSON object"),
        ("index.json", '{"schemaVersion": 2, "manifests": []}', "does not have an image, but nothing"),
        (
            "index.json",
            '{"schemaVersion": 2, "manifests": [{"mediaType": "a", "size": 1, "digest": "../x"}]}',
            "digest",
        ),
        ("index.json", " " * (5 << 20), "more than"),
    ],
)
def test_a_broken_layout_is_refused(files: LayoutFiles, file: str, text: str | None, reason: str) -> None:
    name = files.write(files.image())
    (files.root / file).unlink()
    if text is not None:
        (files.root / file).write_text(text, "utf-8")

    assert reason in refusal(files, name)


@pytest.mark.parametrize("name", ["oci:", "oci:nothing", "Team/Base", "base@sha256:1", "base:t:t", "https://host/base"])
def test_a_name_that_means_nothing_is_refused(files: LayoutFiles, name: str) -> None:
    assert name in refusal(files, name)


def test_a_layout_that_does_not_exist_is_named_by_its_full_path(files: LayoutFiles) -> None:
    assert f"there is no directory {files.root / 'nothing'};" in refusal(files, f"oci:{files.root / 'nothing'}")


@pytest.mark.parametrize("damage", [b"", b"x", bytes(len(LAYERS[0]))])
def test_a_damaged_blob_in_the_cache_is_fetched_again(files: LayoutFiles, damage: bytes) -> None:
    name = files.write(files.image(layers=LAYERS))
    path = base(files, name).layers[0].path
    path.chmod(0o600)
    path.write_bytes(damage)

    assert base(files, name).layers[0].path.read_bytes() == LAYERS[0]


def test_several_runs_at_once_fetch_the_same_layers(files: LayoutFiles) -> None:
    name = files.write(files.image(layers=LAYERS))
    found: list[BaseImage] = []
    threads = [threading.Thread(target=lambda: found.append(base(files, name))) for _ in range(6)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [[each.path.read_bytes() for each in one.layers] for one in found] == [LAYERS] * 6
