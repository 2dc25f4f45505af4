"""The check of an image, if the registry or somebody who may write to it is hostile."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.evidence import dsse, sigstore_bundle
from nox_pex.evidence.check import bundle, image, report
from nox_pex.evidence.check.policy import Policy
from nox_pex.evidence.check.report import Checked
from nox_pex.evidence.image import referrers, statements
from nox_pex.evidence.image.statements import ImageStatement, SignedStatement
from nox_pex.evidence.kinds import PREDICATE_TYPES, STATEMENT_TYPE, Kind
from nox_pex.oci import manifest, media_types, reference
from nox_pex.oci.descriptor import Descriptor, describe
from nox_pex.oci.manifest import Manifest
from tests.support.held_repository import HeldRepository
from tests.support.signing_keys import ED25519, OTHER, PrivateKey, loaded
from tests.support.stated_images import stated, written
from tests.support.statements import COMMIT, PREDICATES, text

IMAGE, ANOTHER = written("linux/amd64", "linux/arm64"), written(content="another")
DIGEST = IMAGE.top.descriptor.digest
NOW = dt.datetime(2026, 11, 26, 13, tzinfo=dt.UTC)
BUNDLE = sigstore_bundle.MEDIA_TYPE
REQUIRED: tuple[Kind, ...] = ("provenance", "smoke", "sbom")
POLICY = Policy(keys=(loaded(ED25519).public,), required=REQUIRED, subject="image")


def statement(kind: Kind, *, about: Any = IMAGE, **predicate: Any) -> ImageStatement:
    subjects = [{"name": each.name, "digest": {"sha256": each.sha256}} for each in stated(about).subjects]
    value = {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPES[kind],
        "predicate": {**PREDICATES[kind], **predicate},
    }
    digests = frozenset(each.digest for each in stated(about).descriptors)
    return ImageStatement(kind=kind, payload=text(value), about=digests)


def signed(*made: ImageStatement, key: PrivateKey = ED25519) -> tuple[SignedStatement, ...]:
    return statements.sign(made, loaded(key))


def repository(*more: ImageStatement, kinds: tuple[Kind, ...] = REQUIRED) -> HeldRepository:
    held = HeldRepository(IMAGE)
    held.attach(referrers.of_statements(stated(IMAGE), signed(*map(statement, kinds), *more)))
    return held


def check(held: HeldRepository, policy: Policy = POLICY, digest: str = DIGEST) -> Checked:
    return image.check(held, digest, policy, now=NOW)


def put(held: HeldRepository, contents: list[tuple[str, bytes]], **fields: Any) -> None:
    """Attach an artifact with these layers to the image."""
    described = [describe(data, media_type) for media_type, data in contents]
    held.blobs.update({each.digest: data for each, (_, data) in zip(described, contents, strict=True)})
    top = IMAGE.top.descriptor
    value: dict[str, Any] = {
        "schema_version": 2,
        "media_type": media_types.MANIFEST,
        "artifact_type": BUNDLE,
        "config": describe(b"{}", media_types.EMPTY),
        "layers": tuple(described),
        "subject": Descriptor(media_type=top.media_type, digest=top.digest, size=top.size),
        **fields,
    }
    held.add(DIGEST, manifest.encode(Manifest(**value)), artifact_type=BUNDLE)


def reasons(checked: Checked) -> list[str]:
    return [each.reason for each in checked.verdict.ignored]


def test_the_statements_of_an_image_prove_it() -> None:
    held = repository()
    held.attach(referrers.of_bill(stated(IMAGE), b"{}", file="service.cdx.json", created=None))
    checked = check(held, replace(POLICY, commit=COMMIT[:12]))
    assert (checked.verdict.passed, checked.verdict.ignored) == (True, ())
    assert [each.kind for each in checked.verdict.statements] == list(REQUIRED)
    lines = list(report.lines(checked))
    assert lines[0] == f"registry.example/team/service@{DIGEST}  sha256 {DIGEST[7:]}"
    assert lines[1].split() == ["KIND", "RESULT", "TIME", "KEY", "REFERRER"]
    assert lines[-1] == "passed: 3 statements about this image, signed by a given key"
    assert report.json_value(checked)["bundle"] == "registry.example/team/service"


def test_the_image_of_one_platform_has_them_too() -> None:
    assert check(repository(), digest=IMAGE.manifests[1].descriptor.digest).verdict.passed


def test_without_a_required_kind_it_does_not_pass() -> None:
    checked = check(repository(kinds=("smoke", "sbom")))
    assert checked.verdict.problems == ("there is no statement of the kind provenance about this image",)
    error = report.error(checked)
    assert error is not None
    assert (error.code, error.remedy) == ("not-proven", "do not deploy the image")
    assert check(HeldRepository(IMAGE)).verdict.problems == ("no referrer is a statement about this image",)


def test_a_failed_or_warned_smoke_test_counts() -> None:
    failed = check(repository(statement("smoke", result="FAILED")))
    assert failed.verdict.problems == ("smoke is not PASSED: it is FAILED (referrer 4)",)
    warned = repository(statement("smoke", result="WARNED"))
    assert not check(warned).verdict.passed
    assert check(warned, replace(POLICY, allow_warned=True)).verdict.passed


def test_statements_of_another_key_prove_nothing() -> None:
    held = HeldRepository(IMAGE)
    held.attach(referrers.of_statements(stated(IMAGE), signed(*map(statement, REQUIRED), key=OTHER)))
    checked = check(held)
    assert checked.verdict.code == "signature"
    assert reasons(checked) == ["no given key has signed it"] * 3


def test_signed_statements_about_another_image_prove_nothing() -> None:
    held = HeldRepository(IMAGE)
    for each in signed(*(statement(kind, about=ANOTHER) for kind in REQUIRED)):
        put(held, [(BUNDLE, each.bundle)])
    checked = check(held)
    assert reasons(checked) == ["it is about another image"] * 3
    assert checked.verdict.problems == (
        "the signed statements are about another image: this one is of another build, or was changed",
    )


def test_an_artifact_that_refers_to_another_image_is_ignored() -> None:
    held, top = repository(), ANOTHER.top.descriptor
    (good,) = signed(statement("smoke", result="FAILED"))
    other = Descriptor(media_type=top.media_type, digest=top.digest, size=top.size)
    put(held, [(BUNDLE, good.bundle)], subject=other)
    put(held, [(BUNDLE, good.bundle)], subject=None)
    assert reasons(check(held)) == ["it does not refer to this image"] * 2


@pytest.mark.parametrize(
    "layers",
    [[], [("text/plain", b"{}")], [(BUNDLE, b"{}"), (BUNDLE, b"[]")]],
    ids=["none", "another type", "several"],
)
def test_an_artifact_of_another_form_is_ignored(layers: list[tuple[str, bytes]]) -> None:
    held = repository()
    put(held, layers)
    checked = check(held)
    assert (checked.verdict.passed, reasons(checked)) == (True, ["it has no Sigstore bundle"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON"),
        (b"{}", "it is not an envelope"),
        (b"[" * 100_000, "it is not an envelope"),
        (b'{"x": "\xff"}', "it is not UTF-8"),
        (b'{"dsseEnvelope": null}', "it is not an envelope"),
    ],
)
def test_a_bundle_of_another_form_is_ignored(content: bytes, reason: str) -> None:
    held = repository()
    put(held, [(BUNDLE, content)])
    checked = check(held)
    assert (checked.verdict.passed, reasons(checked)) == (True, [reason])


def test_a_signed_statement_with_a_key_twice_is_refused() -> None:
    held = HeldRepository(IMAGE)
    payload = statement("smoke").payload.replace(b'"result": "PASSED"', b'"result": "FAILED", "result": "PASSED"')
    envelope = dsse.sign(payload, loaded(ED25519))
    put(held, [(BUNDLE, json.dumps({"dsseEnvelope": _builtins(envelope)}).encode())])
    assert check(held).verdict.problems == ("the statements are refused: referrer 1 has a key twice",)


def _builtins(envelope: dsse.Envelope) -> dict[str, Any]:
    (signature,) = envelope.signatures
    return {
        "payload": envelope.payload,
        "payloadType": envelope.payload_type,
        "signatures": [{"keyid": signature.keyid, "sig": signature.sig}],
    }


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"{", media_types.MANIFEST),
        (IMAGE.top.read(), media_types.INDEX),
        (b'{"schemaVersion": 1}', media_types.MANIFEST),
        (b"{}", "text/html"),
    ],
    ids=["no JSON", "the index itself", "schema 1", "HTML"],
)
def test_a_referrer_that_is_no_manifest_is_ignored(data: bytes, media_type: str) -> None:
    held = repository()
    held.add(DIGEST, data, artifact_type=BUNDLE, media_type=media_type)
    checked = check(held)
    assert (checked.verdict.passed, len(checked.verdict.ignored)) == (True, 1)


def test_a_referrer_that_is_listed_and_missing_is_ignored() -> None:
    held = repository()
    held.listed[DIGEST].append(
        Descriptor(media_type=media_types.MANIFEST, digest="sha256:" + "0e" * 32, size=9, artifact_type=BUNDLE)
    )
    put(held, [(BUNDLE, b"gone")])
    del held.blobs[describe(b"gone", BUNDLE).digest]
    checked = check(held)
    assert (checked.verdict.passed, len(checked.verdict.ignored)) == (True, 2)
    assert all(reason.startswith("it cannot be read: sha256:") for reason in reasons(checked))


def test_a_registry_that_gives_nothing_is_not_asked_a_thousand_times() -> None:
    held = HeldRepository(IMAGE)
    held.listed[DIGEST] = [
        Descriptor(media_type=media_types.MANIFEST, digest=f"sha256:{number:064x}", size=9, artifact_type=BUNDLE)
        for number in range(900)
    ]
    with pytest.raises(NoxPexError, match="does not exist"):
        check(held)
    assert held.asked < 100


@pytest.mark.parametrize("artifact_type", [None, BUNDLE, "application/vnd.dev.sigstore.bundle.v0.4+json"])
def test_too_many_referrers_are_refused_before_one_is_read(artifact_type: str | None) -> None:
    held = HeldRepository(IMAGE)
    held.listed[DIGEST] = [
        Descriptor(media_type=media_types.MANIFEST, digest=f"sha256:{number:064x}", size=9, artifact_type=artifact_type)
        for number in range(1_001)
    ]
    assert check(held).verdict.problems == ("the statements are refused: there are more than 1,000",)
    assert held.asked == 1


def test_referrers_of_other_types_are_not_read() -> None:
    held = repository()
    before = held.asked
    held.listed[DIGEST] += [
        Descriptor(media_type=media_types.MANIFEST, digest=f"sha256:{number:064x}", size=9, artifact_type="text/plain")
        for number in range(5_000)
    ]
    assert check(held).verdict.passed
    assert held.asked - before == 1 + 2 * len(REQUIRED)


def test_the_same_referrer_many_times_is_one() -> None:
    held = repository()
    held.listed[DIGEST] *= 2_000
    assert len(check(held).verdict.statements) == len(REQUIRED)


def test_bundles_that_are_too_large_together_are_refused_before_one_is_read() -> None:
    held = HeldRepository(IMAGE)
    for number in range(3):
        huge = Descriptor(media_type=BUNDLE, digest=f"sha256:{number:064x}", size=bundle.LARGEST // 2)
        put(held, [], layers=(huge,))
    assert check(held).verdict.problems == ("the statements are refused: they have more than 64 MiB",)
    assert held.asked == 1 + 3


def test_an_image_that_is_not_there_cannot_be_checked() -> None:
    with pytest.raises(NoxPexError) as caught:
        check(repository(), digest=ANOTHER.top.descriptor.digest)
    assert caught.value.code == "registry"


def test_slow_registries_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    times: Callable[[], float] = iter(range(0, 10**6, 200)).__next__
    monkeypatch.setattr("nox_pex.evidence.check.image.time.monotonic", times)
    assert check(repository()).verdict.problems == ("the statements are refused: reading them took more than 300 s",)


@pytest.mark.parametrize("name", ["service", "service:1.0", "registry.example/team/service:latest"])
def test_a_tag_is_refused(name: str) -> None:
    with pytest.raises(NoxPexError, match="has no digest, and the tag") as caught:
        image.require_digest(reference.parse(name))
    assert caught.value.code == "usage"
