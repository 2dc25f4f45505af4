"""Manifests and indexes that anybody may have written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nox_pex.oci import manifest, media_types
from nox_pex.oci.manifest import FormatError, Index, Manifest

DESCRIPTOR = {"mediaType": media_types.LAYER_GZIP, "digest": f"sha256:{'0' * 64}", "size": 1}
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "config": DESCRIPTOR, "layers": [DESCRIPTOR]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [DESCRIPTOR]}


def parse(value: object, media_type: str = media_types.MANIFEST) -> Manifest | Index:
    return manifest.parse(json.dumps(value).encode(), media_type)


@pytest.mark.parametrize("media_type", [media_types.MANIFEST, media_types.DOCKER_MANIFEST])
def test_a_manifest_may_have_dockers_type_or_leave_it_out(media_type: str) -> None:
    assert isinstance(parse(MANIFEST, media_type), Manifest)
    assert isinstance(parse({**MANIFEST, "mediaType": media_type}, media_type), Manifest)


def test_what_is_encoded_is_read_as_the_same_value() -> None:
    for value, media_type in ((MANIFEST, media_types.MANIFEST), (INDEX, media_types.INDEX)):
        found = parse(value, media_type)
        assert manifest.parse(manifest.encode(found), media_type) == found
        assert json.loads(manifest.encode(found)) == value


@pytest.mark.parametrize(
    ("value", "media_type", "reason"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, media_types.MANIFEST, "schema version 1, which is obsolete"),
        ({**MANIFEST, "mediaType": media_types.INDEX}, media_types.MANIFEST, "but it was announced as"),
        ({**MANIFEST, "manifests": []}, media_types.MANIFEST, "neither that of an image nor that of an index"),
        ({**INDEX, "layers": []}, media_types.INDEX, "neither that of an image nor that of an index"),
        (MANIFEST, "application/json", "neither that of an image nor that of an index"),
        (MANIFEST, media_types.INDEX, "neither that of an image nor that of an index"),
        ([], media_types.MANIFEST, "not a JSON object"),
        ({**MANIFEST, "layers": [{**DESCRIPTOR, "size": -1}]}, media_types.MANIFEST, "the form of OCI"),
        ({**MANIFEST, "layers": [DESCRIPTOR] * 1001}, media_types.MANIFEST, "the form of OCI"),
        ({**MANIFEST, "schemaVersion": "2"}, media_types.MANIFEST, "the form of OCI"),
        ({**MANIFEST, "mediaType": ["x"]}, media_types.MANIFEST, "but it was announced as"),
    ],
)
def test_what_is_no_manifest_is_refused_with_a_reason(value: object, media_type: str, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        parse(value, media_type)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b'{"schemaVersion":2,"schemaVersion":2}', b"[" * 100_000, b'{"a":NaN}', b" " * (5 << 20)],
)
def test_what_is_no_json_or_too_large_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        manifest.parse(data, media_types.MANIFEST)
