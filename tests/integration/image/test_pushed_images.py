"""An image that an engine built, pushed with its evidence to a real registry, and read back by other programs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oras.provider
import pytest

from nox_pex import command_line
from nox_pex.evidence.kinds import PREDICATE_TYPES
from nox_pex.oci import media_types
from tests.integration.image.conftest import Podman
from tests.support import in_toto
from tests.support.nox_project import Project
from tests.support.registries import running_registry

pytestmark = pytest.mark.containers

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def test_an_image_of_an_engine_is_pushed_with_its_statements(
    parcel: Callable[..., Project],
    containers: Podman,
    key_pair: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key, public = key_pair
    with running_registry(tmp_path / "registry") as registry:
        repository = f"{registry.host}/team/parcel"
        project = parcel(
            f'tag = ["{repository}:{{version}}", "{repository}:latest"]',
            'engine = "podman"',
            'healthcheck = { path = "/" }',
            'args = ["--host", "0.0.0.0", "--port", "8000"]',
            "expose = [8000]",
        )
        assert project.nox("-s", "push", "--", "--key", str(key)).said("push: parcel has 4 referrers")
        pushed, built = (
            json.loads((project.root / "dist" / f"parcel.{step}.json").read_text("utf-8")) for step in ("push", "image")
        )
        (name,) = pushed["names"]

        assert command_line.main(["check", "--image", name, "--key", str(public), "--json"]) == 0
        checked = json.loads(capsys.readouterr().out)
        assert [each["kind"] for each in checked["statements"]] == ["provenance", "smoke", "sbom"]
        found = statements(repository, pushed["digest"])
        for kind in ("provenance", "smoke"):
            in_toto.read(kind, json.dumps(found[PREDICATE_TYPES[kind]]))
        dependencies = found[PREDICATE_TYPES["provenance"]]["predicate"]["buildDefinition"]["resolvedDependencies"]
        assert {"name": "parcel.pex", "digest": {"sha256": built["sha256"]}} in dependencies
        assert found["bill"] == found[PREDICATE_TYPES["sbom"]]["predicate"]

        containers.podman("pull", "--quiet", "--tls-verify=false", f"{repository}:latest")
        identity = containers.podman("image", "inspect", "--format", "{{.Id}}", name).decode().strip()
        assert identity == built["id"].removeprefix("sha256:")  # with its health check


def statements(repository: str, digest: str) -> dict[str, Any]:
    """The statements about an image by the type of their predicate, and its `bill`, as the library oras reads them."""
    client = oras.provider.Registry(insecure=True)
    listed = client.get_manifest(f"{repository}:{digest.replace(':', '-')}", [media_types.INDEX])
    found = {}
    for each in listed["manifests"]:
        artifact = client.get_manifest(f"{repository}@{each['digest']}", [media_types.MANIFEST])
        assert artifact["subject"]["digest"] == digest
        (layer,) = artifact["layers"]
        content = client.get_blob(f"{repository}@{layer['digest']}", layer["digest"]).json()
        if artifact["artifactType"] == BUNDLE:
            statement = json.loads(base64.b64decode(content["dsseEnvelope"]["payload"]))
            assert artifact["annotations"]["dev.sigstore.bundle.predicateType"] == statement["predicateType"]
            found[statement["predicateType"]] = statement
        else:
            found["bill"] = content
    return found
