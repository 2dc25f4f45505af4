"""The statements about an image, and how they are attached to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.evidence import documents
from nox_pex.evidence.image import proof, provenance, referrers, statements
from nox_pex.evidence.image.statements import ImageStatement
from nox_pex.evidence.kinds import Kind
from nox_pex.evidence.provenance import Build
from nox_pex.evidence.results import ImageResult
from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import describe
from nox_pex.oci.layout import WrittenImage
from nox_pex.oci.manifest import Manifest
from nox_pex.pex.repository import SourceRef
from nox_pex.pex.target import Target
from nox_pex.registry import push
from nox_pex.system.secrets import Secrets
from tests.support import in_toto
from tests.support.results import SHA256, TIME
from tests.support.signing_keys import ED25519, P256, PrivateKey, loaded
from tests.support.stated_images import NAME, condition, result, stated, write_result, written
from tests.unit.evidence.conftest import MakeTarget

BOTH = written("linux/amd64", "linux/arm64")
ONE = written()
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
BOM = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"timestamp": "2020-01-01T00:00:00Z"}}


@pytest.fixture
def target(make_target: MakeTarget) -> Target:
    return make_target(image={"base": "python:3.12-slim"})


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (python := tmp_path / "python3.12").write_bytes(b"an interpreter")
    record = {
        "name": "service",
        "git": {"commit": "01" * 20, "dirty": False},
        "built": {"started": "2026-11-26T15:50:00Z", "finished": "2026-11-26T15:50:09Z"},
    }
    return Build(
        binary="service",
        record=record,
        source=SourceRef(repository="https://example.org/a/service", ref="refs/heads/main"),
        materials=(),
        tools=(),
        python=Interpreter(implementation="CPython", version="3.12.1", executable=python),
    )


def make(target: Target, image: WrittenImage, build: Build | None = None, **conditions: Any) -> dict[Kind, Any]:
    """The statements about an image by their kind, as JSON."""
    return {each.kind: json.loads(each.payload) for each in made(target, image, build, **conditions)}


def made(
    target: Target, image: WrittenImage, build: Build | None = None, **conditions: Any
) -> tuple[ImageStatement, ...]:
    write_result(target, image, {f"linux/{name}": each for name, each in conditions.items()})
    proven = proof.require(target, stated(image), sha256=SHA256)
    return statements.statements(statements.predicates(proven, build=build, bill=BOM, secrets=Secrets()), stated(image))


def dependencies(result: ImageResult, build: Build) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = provenance.predicate(build, result)["buildDefinition"]["resolvedDependencies"]
    return found


def test_the_subjects_are_all_digests_of_the_image(target: Target, build: Build) -> None:
    found = make(target, BOTH, build)
    assert list(found) == ["provenance", "smoke", "sbom"]
    wanted = [BOTH.top, *BOTH.manifests]
    for each in found.values():
        in_toto.read_statement(json.dumps(each))
        assert [subject["name"] for subject in each["subject"]] == [NAME] * 3
        digests = [f"sha256:{subject['digest']['sha256']}" for subject in each["subject"]]
        assert digests == [blob.descriptor.digest for blob in wanted]


def test_the_provenance_names_the_binary_and_the_base(target: Target, build: Build) -> None:
    predicate = make(target, BOTH, build)["provenance"]["predicate"]
    in_toto.read_predicate("provenance", predicate)
    assert predicate["buildDefinition"]["buildType"] == documents.IMAGE_BUILD_TYPE
    assert predicate["buildDefinition"]["externalParameters"]["repository"] == "https://example.org/a/service"
    commit, _, binary, index, base = predicate["buildDefinition"]["resolvedDependencies"]
    assert commit["digest"] == {"gitCommit": "01" * 20}
    assert binary == {"name": "service.pex", "digest": {"sha256": SHA256}}
    assert index["name"] == f"python:3.12-slim@sha256:{'ba' * 32}"
    assert index["digest"] == {"sha256": "ba" * 32}
    where = "repository_url=docker.io/library/python&tag=3.12-slim"
    assert index["uri"] == f"pkg:oci/python@sha256:{'ba' * 32}?{where}"
    assert base["digest"] == {"sha256": "bb" * 32}
    times = {"startedOn": "2026-11-26T15:50:00Z", "finishedOn": "2026-11-26T15:59:30Z"}
    assert predicate["runDetails"]["metadata"] == times


@pytest.mark.parametrize(
    ("base", "named"),
    [
        ({"name": "oci:/srv/secret/base", "digest": "sha256:" + "ba" * 32}, f"base@sha256:{'ba' * 32}"),
        ({"name": "oci:../base:3.12", "digest": "sha256:" + "ba" * 32}, f"base@sha256:{'ba' * 32}"),
        (
            {"name": "registry.example:5000/a/base@sha256:" + "ba" * 32, "digest": "sha256:" + "ba" * 32},
            f"registry.example:5000/a/base@sha256:{'ba' * 32}",
        ),
        ({"name": "localhost/base", "id": "sha256:" + "1d" * 32}, "localhost/base"),
        ({"name": "localhost/base"}, "localhost/base"),
    ],
)
def test_a_base_of_any_origin_is_named_without_a_path(
    target: Target, build: Build, base: dict[str, str], named: str
) -> None:
    value = {**result(target, ONE), "base": base}
    value["platforms"] = [{"platform": "linux/amd64", "conditions": [condition()]}]
    shown = dependencies(msgspec.convert(value, ImageResult), build)[-1]
    assert shown["name"] == named
    assert "secret" not in str(shown)
    assert shown.get("digest", {"sha256": "1d" * 32})["sha256"] in ("ba" * 32, "1d" * 32)
    in_toto.read_predicate("provenance", provenance.predicate(build, msgspec.convert(value, ImageResult)))


def test_the_smoke_statement_names_each_platform(target: Target) -> None:
    found = make(target, BOTH, arm64=condition("skipped"))
    predicate = found["smoke"]["predicate"]
    in_toto.read_predicate("smoke", predicate)
    assert predicate["result"] == "WARNED"
    assert predicate["passedTests"] == ["container (linux/amd64)/boot", "container (linux/amd64)/GET /"]
    assert predicate["warnedTests"] == ["container (linux/arm64)/boot"]
    assert predicate["configuration"][0]["name"] == "tool.nox-pex.binary.service"
    assert make(target, ONE)["smoke"]["predicate"]["passedTests"] == ["container/boot", "container/GET /"]


def test_any_text_in_a_bill_of_materials_can_be_signed(target: Target) -> None:
    write_result(target, ONE)
    proven = proof.require(target, stated(ONE), sha256=SHA256)
    bill = {**BOM, "x": "\ud800 \u2028 \x1b é"}
    predicates = statements.predicates(proven, build=None, bill=bill, secrets=Secrets())
    made = statements.statements(predicates, stated(ONE))
    assert json.loads(made[1].payload)["predicate"] == bill
    assert made[1].payload.isascii()


def test_without_the_build_of_the_binary_there_is_no_provenance(target: Target) -> None:
    assert list(make(target, ONE)) == ["smoke", "sbom"]


@pytest.mark.parametrize("key", [ED25519, P256], ids=["Ed25519", "P-256"])
def test_another_library_verifies_the_signed_statements(target: Target, build: Build, key: PrivateKey) -> None:
    unsigned = made(target, BOTH, build)
    for statement, signed in zip(unsigned, statements.sign(unsigned, loaded(key)), strict=True):
        bundle = json.loads(signed.bundle)
        assert bundle["mediaType"] == BUNDLE
        envelope = Envelope.from_dict(bundle["dsseEnvelope"])
        envelope.verify([SSlibKey.from_crypto(key.public_key())], 1)
        assert envelope.payload == statement.payload


def test_every_statement_is_attached_to_every_digest(target: Target, build: Build) -> None:
    image = stated(BOTH)
    unsigned = made(target, BOTH, build)
    found = referrers.of_statements(image, statements.sign(unsigned, loaded(ED25519)))
    places = {(each.kind, each.referrer.subject) for each in found}
    assert places == {(kind, one.digest) for kind in ("provenance", "smoke", "sbom") for one in image.descriptors}
    for each in found:
        content = each.referrer.manifest
        assert isinstance(content.source, bytes)
        assert content.descriptor.digest == describe(content.source, media_types.MANIFEST).digest
        parsed = manifest.parse(content.source, media_types.MANIFEST)
        assert isinstance(parsed, Manifest)
        assert parsed.subject in [replace(one, platform=None) for one in image.descriptors]
        assert (parsed.artifact_type, parsed.config.media_type) == (BUNDLE, media_types.EMPTY)
        assert [layer.media_type for layer in parsed.layers] == [BUNDLE]
        annotations = dict(parsed.annotations or {})
        time = annotations.pop("org.opencontainers.image.created")
        assert time == {"provenance": "2026-11-26T15:59:30Z", "smoke": TIME, "sbom": "2020-01-01T00:00:00Z"}[each.kind]
        predicate_type = {"smoke": "https://in-toto.io/attestation/test-result/v0.1"}.get(each.kind)
        assert annotations.pop("dev.sigstore.bundle.content") == "dsse-envelope"
        assert annotations.pop("dev.sigstore.bundle.predicateType") == predicate_type or predicate_type is None
        assert annotations == {}
    assert found == referrers.of_statements(image, statements.sign(unsigned, loaded(ED25519)))


def test_the_blobs_of_a_referrer_are_those_that_its_manifest_names(target: Target) -> None:
    attached = (
        *referrers.of_statements(stated(ONE), statements.sign(made(target, ONE), loaded(ED25519))),
        *referrers.of_bill(stated(ONE), b"{}", file="service.cdx.json", created=None),
    )
    for each in attached:
        assert isinstance(each.referrer.manifest.source, bytes)
        parsed = manifest.parse(each.referrer.manifest.source, media_types.MANIFEST)
        assert isinstance(parsed, Manifest)
        named = [(one.digest, one.size) for one in (parsed.config, *parsed.layers)]
        assert named == [(blob.descriptor.digest, len(blob.source)) for blob in each.referrer.blobs]  # type: ignore[arg-type]  # bytes
        assert parsed.artifact_type == each.artifact_type


def test_the_bill_of_materials_is_attached_as_it_is() -> None:
    bill = b'{"bomFormat": "CycloneDX"}'
    (found,) = referrers.of_bill(stated(ONE), bill, file="service.cdx.json", created="2020-01-01T00:00:00Z")
    parsed = json.loads(found.referrer.manifest.source)  # type: ignore[arg-type]  # bytes
    assert parsed["artifactType"] == "application/vnd.cyclonedx+json"
    assert parsed["layers"][0]["annotations"] == {"org.opencontainers.image.title": "service.cdx.json"}
    assert found.referrer.blobs[1].source == bill


def test_a_statement_about_another_image_is_never_attached(target: Target) -> None:
    signed = statements.sign(made(target, ONE), loaded(ED25519))
    other = stated(written(content="another"))
    with pytest.raises(ValueError, match="is not about sha256:"):
        referrers.of_statements(other, signed)
    partly = replace(stated(BOTH), manifests=stated(ONE).manifests)
    with pytest.raises(ValueError, match="is not about sha256:"):
        referrers.of_statements(partly, signed)
    assert push.Referrer is type(referrers.of_statements(stated(ONE), signed)[0].referrer)
