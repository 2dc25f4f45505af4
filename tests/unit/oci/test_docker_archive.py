"""Archives that engines save an image in, and archives that only look like them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from nox_pex.oci import docker_archive, manifest, media_types
from nox_pex.oci.descriptor import Descriptor
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_store import LayerStore
from nox_pex.oci.layout import WrittenImage
from nox_pex.oci.manifest import FormatError, Manifest
from nox_pex.tools.cache import Caches

LAYERS: Final = (b"the base" * 100_000, b"the binary")


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config(*layers: bytes, **fields: Any) -> bytes:
    """A configuration with a key of Docker's, which OCI's format does not have."""
    rootfs = {"type": "layers", "diff_ids": [digest(each) for each in layers]}
    container = {"Healthcheck": {"Test": ["CMD", "true"]}}
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "config": container, "rootfs": rootfs, **fields}
    ).encode()


def entry(names: list[str], file: str = "config.json") -> bytes:
    return json.dumps([{"Config": file, "RepoTags": None, "Layers": names}]).encode()


def archive(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write an archive of files, and of links where there is a text."""
    with tarfile.open(path, "w") as written:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                written.addfile(member)
            else:
                member.size = len(content)
                written.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (directory := tmp_path / "layers").mkdir()
    return directory


def podman(*layers: bytes) -> dict[str, bytes | str]:
    """The files of an archive as Podman and Buildah write it: layers by their diff ids, links for older readers."""
    files: dict[str, bytes | str] = {f"{hashlib.sha256(each).hexdigest()}.tar": each for each in layers}
    names = list(files)
    links = {f"{number}/layer.tar": f"../{name}" for number, name in enumerate(names)}
    return {**files, **links, "config.json": config(*layers), "manifest.json": entry(names)}


def read_archive(path: Path, into: Path, *, known: Mapping[str, LayerFile]) -> WrittenImage:
    return docker_archive.read(path, into, store=store(path.parent), known=known)


def store(directory: Path) -> LayerStore:
    return LayerStore(caches=Caches.of({"NOX_PEX_CACHE_DIR": str(directory / "cache")}))


def read(image: WrittenImage) -> Manifest:
    parsed = manifest.parse(image.top.read(), media_types.MANIFEST)
    assert isinstance(parsed, Manifest)
    return parsed


def contents(image: WrittenImage) -> list[bytes]:
    by_digest = {blob.descriptor.digest: blob.read() for blob in image.blobs}
    for name, data in by_digest.items():
        assert digest(data) == name
    return [gzip.decompress(by_digest[layer.digest]) for layer in read(image).layers]


def test_layers_are_compressed_and_the_configuration_keeps_its_bytes(tmp_path: Path, into: Path) -> None:
    image = read_archive(archive(tmp_path / "a.tar", podman(*LAYERS)), into, known={})
    assert contents(image) == list(LAYERS)
    assert image.blobs[0].read() == config(*LAYERS)
    assert read(image).config.media_type == media_types.CONFIG
    assert {layer.media_type for layer in read(image).layers} == {media_types.LAYER_GZIP}
    assert [layer.size for layer in read(image).layers] == [len(blob.read()) for blob in image.blobs[1:]]


def test_the_same_image_has_the_same_digest_whichever_engine_saved_it(tmp_path: Path) -> None:
    names = [f"blobs/sha256/{hashlib.sha256(each).hexdigest()}" for each in LAYERS]
    docker: dict[str, bytes | str] = {
        **dict(zip(names, LAYERS, strict=True)),
        "blobs/sha256/c": config(*LAYERS),
        "manifest.json": entry(names, "blobs/sha256/c"),
        "oci-layout": b"{}",
        "index.json": b"{}",
    }
    older: dict[str, bytes | str] = {
        "1/layer.tar": LAYERS[0],
        "2/layer.tar": LAYERS[1],
        "c.json": config(*LAYERS),
        "manifest.json": entry(["1/layer.tar", "2/layer.tar"], "c.json"),
    }
    found = set()
    for number, files in enumerate((podman(*LAYERS), docker, older)):
        (directory := tmp_path / str(number)).mkdir()
        image = read_archive(archive(tmp_path / f"{number}.tar", files), directory, known={})
        found.add(image.top.descriptor.digest)
    assert len(found) == 1


def test_a_layer_that_is_there_twice_may_be_a_link(tmp_path: Path, into: Path) -> None:
    files: dict[str, bytes | str] = {
        "1/layer.tar": LAYERS[0],
        "2/layer.tar": "../1/layer.tar",
        "3/layer.tar": "../2/layer.tar",
        "config.json": config(LAYERS[0], LAYERS[0], LAYERS[0]),
        "manifest.json": entry(["1/layer.tar", "2/layer.tar", "3/layer.tar"]),
    }
    image = read_archive(archive(tmp_path / "a.tar", files), into, known={})
    assert contents(image) == [LAYERS[0]] * 3
    assert len(image.blobs) == 2


@pytest.mark.parametrize("members", [1, 3])
def test_a_layer_that_is_compressed_already_keeps_its_digest(tmp_path: Path, into: Path, members: int) -> None:
    pieces = [LAYERS[0][at::members] for at in range(members)]
    whole, compressed = b"".join(pieces), b"".join(gzip.compress(each) for each in pieces)
    files = {"l": compressed, "config.json": config(whole), "manifest.json": entry(["l"])}
    image = read_archive(archive(tmp_path / "a.tar", files), into, known={})
    assert [layer.digest for layer in read(image).layers] == [digest(compressed)]


def test_a_known_layer_keeps_the_digest_that_its_registry_has(tmp_path: Path, into: Path) -> None:
    descriptor = Descriptor(media_type=media_types.LAYER_ZSTD, digest="sha256:" + "0a" * 32, size=9)
    base = LayerFile(descriptor=descriptor, diff_id=digest(LAYERS[0]), path=tmp_path / "base")
    image = read_archive(archive(tmp_path / "a.tar", podman(*LAYERS)), into, known={base.diff_id: base})
    assert read(image).layers[0] == descriptor
    assert [blob.content for blob in image.blobs if blob.descriptor == descriptor] == [tmp_path / "base"]
    assert list(into.iterdir()) == []


def test_a_layer_that_was_compressed_before_is_not_compressed_again(tmp_path: Path, into: Path) -> None:
    path = archive(tmp_path / "a.tar", podman(*LAYERS))
    first = read_archive(path, into, known={})
    data = path.read_bytes()
    assert data.count(LAYERS[0]) == 1
    path.write_bytes(data.replace(LAYERS[0], bytes(len(LAYERS[0]))))
    assert read_archive(path, into, known={}) == first


def without(name: str) -> dict[str, bytes | str]:
    return {key: value for key, value in podman(*LAYERS).items() if key != name}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "it has no file 'manifest.json'"),
        (without("config.json"), "it has no file 'config.json'"),
        (without(f"{hashlib.sha256(LAYERS[1]).hexdigest()}.tar"), "it has no file '"),
        ({**podman(*LAYERS), "manifest.json": b"[]"}, "its manifest.json does not list one image"),
        ({**podman(*LAYERS), "manifest.json": b"[" * 10_000}, "its manifest.json does not list one image"),
        ({**podman(*LAYERS), "manifest.json": b"[1, 2]"}, "its manifest.json does not list one image"),
        ({**podman(*LAYERS), "manifest.json": "manifest.json"}, "it has no file 'manifest.json'"),
        ({**podman(*LAYERS), "manifest.json": entry(["/etc/passwd", "../../etc/passwd"])}, "it has no file '/etc"),
        ({**podman(*LAYERS), "manifest.json": entry(["l"]), "l": "/etc/passwd"}, "list different numbers of layers"),
        ({**podman(*LAYERS), "config.json": config(*LAYERS[::-1])}, "it has another layer than sha256:"),
        ({**podman(*LAYERS), "config.json": b"{}"}, "`architecture`"),
        ({**podman(*LAYERS), "config.json": b" " * (manifest.LARGEST + 1)}, "'config.json' has more than"),
        ({"l": b"\x1f\x8bdamaged", "config.json": config(b""), "manifest.json": entry(["l"])}, "a layer is damaged"),
        (
            {"l": gzip.compress(LAYERS[0])[:-9], "config.json": config(b""), "manifest.json": entry(["l"])},
            "a layer is not complete",
        ),
        (
            {"l": b"\x28\xb5\x2f\xfd", "config.json": config(b""), "manifest.json": entry(["l"])},
            "a layer is compressed by zstd",
        ),
    ],
)
def test_an_archive_of_another_form_is_refused(
    tmp_path: Path, into: Path, files: Mapping[str, bytes | str], problem: str
) -> None:
    with pytest.raises(FormatError) as caught:
        read_archive(archive(tmp_path / "a.tar", files), into, known={})
    assert problem in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"no archive" * 1_000, bytes(10_240)])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, into: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(FormatError):
        read_archive(tmp_path / "a.tar", into, known={})


@pytest.mark.parametrize("left", [300, 10_000, 700_000])
def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path, into: Path, left: int) -> None:
    path = archive(tmp_path / "a.tar", podman(*LAYERS))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(FormatError):
        read_archive(path, into, known={})


def test_too_many_entries_are_refused(tmp_path: Path, into: Path) -> None:
    files: dict[str, bytes | str] = {str(number): b"" for number in range(10_001)}
    with pytest.raises(FormatError, match="more than 10000 entries"):
        read_archive(archive(tmp_path / "a.tar", {**files, **podman(*LAYERS)}), into, known={})
