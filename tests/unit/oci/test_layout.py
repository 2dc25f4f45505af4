"""Image layouts on disk."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from nox_pex.oci import layout, reference
from nox_pex.oci.manifest import FormatError
from tests.support import small_image

IMAGE = small_image.image({"a": b"1"}, {"b": b"2"})
NAMES = [reference.parse("registry.example:5000/team/service:1.4.0"), reference.parse("service")]


def blobs(directory: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in (directory / "blobs" / "sha256").iterdir()}


def test_a_layout_has_every_blob_once_and_reads_back_as_the_same_image(tmp_path: Path) -> None:
    twice = msgspec.structs.replace(IMAGE, blobs=(*IMAGE.blobs, IMAGE.blobs[0]))

    layout.write(tmp_path / "new" / "service.oci", twice, NAMES)

    directory = tmp_path / "new" / "service.oci"
    assert blobs(directory) == {IMAGE.top.descriptor.digest, *(blob.descriptor.digest for blob in IMAGE.blobs)}
    assert json.loads((directory / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    found = layout.read(directory)
    assert found.top == IMAGE.top
    assert [blob.read() for blob in found.blobs] == [blob.read() for blob in IMAGE.blobs]
    assert layout.is_layout(directory)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["service.oci"]


def test_the_index_names_the_image_for_all_tools(tmp_path: Path) -> None:
    layout.write(tmp_path / "service.oci", IMAGE, NAMES)

    (listed,) = json.loads((tmp_path / "service.oci" / "index.json").read_bytes())["manifests"]
    assert listed["annotations"] == {
        "io.containerd.image.name": "registry.example:5000/team/service:1.4.0",
        "org.opencontainers.image.ref.name": "1.4.0",
    }
    (docker,) = json.loads((tmp_path / "service.oci" / "manifest.json").read_bytes())
    assert docker["RepoTags"] == ["registry.example:5000/team/service:1.4.0", "docker.io/library/service:latest"]
    assert [tmp_path / "service.oci" / each for each in (docker["Config"], *docker["Layers"])] == [
        layout.blob_path(tmp_path / "service.oci", blob.descriptor.digest) for blob in IMAGE.blobs
    ]


def test_an_image_for_several_platforms_has_nothing_for_docker_load(tmp_path: Path) -> None:
    several = small_image.index(amd64=IMAGE, arm64=small_image.image({"a": b"3"}, architecture="arm64"))

    layout.write(tmp_path / "service.oci", several, NAMES)

    assert not (tmp_path / "service.oci" / "manifest.json").exists()
    found = layout.read(tmp_path / "service.oci")
    assert (found.top, found.manifests) == (several.top, tuple(layout_manifests(found.manifests, several)))
    assert {blob.descriptor.digest for blob in found.blobs} == {blob.descriptor.digest for blob in several.blobs}


def layout_manifests(found: tuple[layout.Blob, ...], of: layout.WrittenImage) -> list[layout.Blob]:
    """The manifests of an image, with the platforms that the index gives them."""
    return [
        msgspec.structs.replace(blob, descriptor=read.descriptor)
        for read, blob in zip(found, of.manifests, strict=True)
    ]


def test_a_new_layout_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    directory = tmp_path / "service.oci"
    layout.write(directory, IMAGE, NAMES)
    (directory / "of-the-user").touch()
    other = small_image.image({"c": b"3"})

    layout.write(directory, other, [])

    assert blobs(directory) == {other.top.descriptor.digest, *(blob.descriptor.digest for blob in other.blobs)}
    assert not (directory / "of-the-user").exists()


def test_a_layer_that_is_a_file_is_linked(tmp_path: Path) -> None:
    stored = tuple(small_image.on_disk(blob, tmp_path) for blob in IMAGE.blobs)

    layout.write(tmp_path / "service.oci", msgspec.structs.replace(IMAGE, blobs=stored), [])

    for blob in stored:
        assert isinstance(blob.content, Path)
        assert blob.content.samefile(layout.blob_path(tmp_path / "service.oci", blob.descriptor.digest))


def test_what_nox_pex_did_not_write_is_no_layout(tmp_path: Path) -> None:
    layout.write(tmp_path / "service.oci", IMAGE, NAMES)
    (tmp_path / "service.oci" / "notes.txt").touch()

    assert not layout.is_layout(tmp_path / "service.oci")
    assert not layout.is_layout(tmp_path / "absent")
    assert not layout.is_layout(tmp_path)


def damage(directory: Path, how: str) -> None:
    manifest = layout.blob_path(directory, IMAGE.top.descriptor.digest)
    index = directory / "index.json"
    value = json.loads(index.read_bytes())
    if how == "changed":
        manifest.write_bytes(manifest.read_bytes().replace(b"2", b"3", 1))
    elif how == "missing":
        manifest.unlink()
    elif how == "several":
        index.write_text(json.dumps({**value, "manifests": value["manifests"] * 2}), "utf-8")
    elif how == "wrong size":
        value["manifests"][0]["size"] += 1
        index.write_text(json.dumps(value), "utf-8")
    elif how == "large":
        with index.open("ab") as file:
            file.truncate(5 << 20)
    elif how == "a directory":
        manifest.unlink()
        manifest.mkdir()
    else:
        index.write_text("[]", "utf-8")


@pytest.mark.parametrize("how", ["changed", "missing", "several", "wrong size", "large", "a directory", "no object"])
def test_a_damaged_layout_is_refused(tmp_path: Path, how: str) -> None:
    layout.write(tmp_path / "service.oci", IMAGE, NAMES)
    damage(tmp_path / "service.oci", how)

    with pytest.raises(FormatError):
        layout.read(tmp_path / "service.oci")
