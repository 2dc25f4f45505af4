"""The way of an image and its evidence to a registry: in which order, and what is left if something fails."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.evidence import attestations
from nox_pex.evidence.check import image as image_check
from nox_pex.evidence.check.policy import Policy
from nox_pex.evidence.check.report import Checked
from nox_pex.oci import layout, reference
from nox_pex.oci.layout import WrittenImage
from nox_pex.registry.repository import open_repository
from nox_pex.steps import attest, push
from nox_pex.steps.context import Context
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support import stated_images
from tests.support.faulty_registry import Answer, FaultyRegistry, serve_registry
from tests.support.registries import running_registry
from tests.support.signing_keys import ED25519, loaded, private_pem
from tests.support.stated_images import PLATFORM, condition, written
from tests.unit.steps.conftest import MakeContext

CONTENT = b"a PEX file"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BOTH = written("linux/amd64", "linux/arm64")
NOW = dt.datetime(2026, 11, 26, 20, tzinfo=dt.UTC)
BILL = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {
        "timestamp": "2020-01-01T00:00:00Z",
        "component": {"type": "application", "name": "api", "hashes": [{"alg": "SHA-256", "content": SHA256}]},
    },
}

Prepare = Callable[..., Context]


@pytest.fixture
def server() -> Iterator[FaultyRegistry]:
    with serve_registry() as registry:
        yield registry


@pytest.fixture
def prepare(make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Make a project whose image was built and checked, with its bill of materials and a signing key."""
    monkeypatch.setattr("nox_pex.steps.sbom.is_current", lambda *_: True)  # a real one needs Poetry
    (tmp_path / "key.pem").write_text(private_pem(ED25519), "utf-8")
    (tmp_path / "given.pex").write_bytes(CONTENT)

    def make(*names: str, image: WrittenImage = BOTH, signed: bool = True, **options: Any) -> Context:
        fields: dict[str, Any] = {key: options.pop(key) for key in ("passed", "digest", "sha256") if key in options}
        conditions = options.pop("conditions", {})
        (tmp_path / "pyproject.toml").write_text(
            '[project]\nname = "shop"\nversion = "1"\n[tool.nox-pex.binary.api]\nscript = "x"\n'
            f'[tool.nox-pex.binary.api.image]\nbase = "python:3.12-slim"\nengine = "none"\ntag = {json.dumps(names)}\n',
            "utf-8",
        )
        arguments = {"binary": tmp_path / "given.pex", "key": tmp_path / "key.pem" if signed else None, **options}
        context = make_context(environ={"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, **arguments)
        target = context.all_targets["api"]
        layout.write(target.file("oci"), image, [])
        target.file("cdx.json").write_text(json.dumps(BILL), "utf-8")
        stated_images.write_result(
            target, image, conditions, **{"tags": list(names), "sha256": SHA256, "binary": "given.pex", **fields}
        )
        return context

    return make


def check(context: Context, name: str, **policy: Any) -> Checked:
    """The verdict about an image, whose name has a digest, from its real registry."""
    conditions = Policy(keys=(loaded(ED25519).public,), required=("smoke", "sbom"), subject="image", **policy)
    parsed, shell = reference.parse(name), Shell(environ=context.environ, secrets=Secrets(), say=lambda _: None)
    with open_repository(parsed, environ=context.environ, shell=shell, say=lambda _: None) as opened:
        return image_check.check(opened, image_check.require_digest(parsed), conditions, now=NOW)


def record(context: Context) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((context.root / "dist" / "api.push.json").read_text("utf-8"))
    return found


def test_an_image_goes_before_its_evidence_and_the_tags_come_last(
    prepare: Prepare, server: FaultyRegistry, shown: list[str]
) -> None:
    context = prepare(f"{server.host}/team/api:1.0", f"{server.host}/team/api:latest")
    push.run(context)
    puts = [path.rpartition("/")[2] for path in server.paths("PUT") if "/manifests/" in path]
    digests = [each.descriptor.digest for each in (*BOTH.manifests, BOTH.top)]
    assert puts[:3] == digests
    assert puts[-2:] == ["1.0", "latest"]
    assert len(puts) == 3 + 9 + 2
    found = record(context)
    assert (found["digest"], found["index"]) == (digests[-1], digests[-1])
    assert found["manifests"] == [
        {"platform": "linux/amd64", "digest": digests[0]},
        {"platform": "linux/arm64", "digest": digests[1]},
    ]
    assert found["tags"] == [f"{server.host}/team/api:1.0", f"{server.host}/team/api:latest"]
    assert {each["subject"] for each in found["repositories"][0]["referrers"]} == {*digests}
    assert any("has no provenance: its binary is not the last build" in line for line in shown)
    for digest in digests:
        checked = check(context, f"{server.host}/team/api@{digest}")
        assert (checked.verdict.passed, checked.verdict.ignored) == (True, ())
        assert [each.kind for each in checked.verdict.statements].count("smoke") == 1


def test_the_real_registry_without_the_referrers_api(prepare: Prepare, tmp_path: Path) -> None:
    with running_registry(tmp_path / "registry") as registry:
        context = prepare(f"{registry.host}/team/api:1.0", f"{registry.host}/other/api:1.0")
        push.run(context)
        for name in record(context)["names"]:
            assert check(context, name).verdict.passed
        assert record(context)["repositories"][1]["blobs-sent"] != []
        again = prepare(f"{registry.host}/team/api:1.0", f"{registry.host}/other/api:1.0")
        push.run(again)
        first, second = (each["blobs-sent"] for each in record(again)["repositories"])
        assert first == second == []
        name = record(again)["names"][0]
        assert len(check(again, name).verdict.statements) == 2  # the same statements are the same referrers


def test_a_registry_gets_a_blob_once_for_several_repositories(prepare: Prepare, server: FaultyRegistry) -> None:
    context = prepare(f"{server.host}/team/api:1.0", f"{server.host}/other/api:1.0", signed=False)
    push.run(context)
    first, second = record(context)["repositories"]
    assert {*second["blobs-mounted"]} >= {blob.descriptor.digest for blob in BOTH.blobs}
    assert (first["repository"], second["repository"]) == ("team/api", "other/api")


def test_without_a_key_only_the_bill_of_materials_is_attached(
    prepare: Prepare, server: FaultyRegistry, shown: list[str]
) -> None:
    context = prepare(f"{server.host}/team/api:1.0", signed=False)
    push.run(context)
    (found,) = record(context)["repositories"]
    assert {each["artifact-type"] for each in found["referrers"]} == {"application/vnd.cyclonedx+json"}
    assert record(context)["signed-by"] is None
    assert shown[-1] == ("push: api has its bill of materials, and no statements: there is no key (-- --key PATH)")
    checked = check(context, record(context)["names"][0])
    assert checked.verdict.problems == ("no referrer is a statement about this image",)


def test_without_evidence_the_image_goes_alone(prepare: Prepare, server: FaultyRegistry, shown: list[str]) -> None:
    context = prepare(f"{server.host}/team/api:1.0", signed=False, no_evidence=True, passed=False)
    push.run(context)
    assert record(context)["repositories"][0]["referrers"] == []
    assert "push: api goes without its evidence (--no-evidence)" in shown


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"digest": "sha256:" + "0d" * 32}, "it is about another image"),
        ({"sha256": "0d" * 32}, "it is about another file"),
        ({"passed": False}, "it failed"),
    ],
)
def test_nothing_is_sent_of_an_image_that_is_not_proven(
    prepare: Prepare, server: FaultyRegistry, change: dict[str, Any], problem: str
) -> None:
    context = prepare(f"{server.host}/team/api:1.0", **change)
    with pytest.raises(NoxPexError, match=problem) as caught:
        push.run(context)
    assert caught.value.code == "not-proven"
    assert server.requests == []


def test_another_image_in_the_place_of_the_checked_one_is_not_sent(prepare: Prepare, server: FaultyRegistry) -> None:
    for options in ({}, {"no_evidence": True, "signed": False}):
        context = prepare(f"{server.host}/team/api:1.0", **options)
        layout.write(context.all_targets["api"].file("oci"), written(content="another"), [])
        with pytest.raises(NoxPexError, match="it is about another image"):
            push.run(context)
    assert server.requests == []


def test_without_a_result_or_an_image_there_is_nothing_to_send(prepare: Prepare, server: FaultyRegistry) -> None:
    context = prepare(f"{server.host}/team/api:1.0")
    (context.root / "dist" / "api.oci" / "index.json").unlink()
    with pytest.raises(NoxPexError, match="is not the image: index") as caught:
        push.run(context)
    assert (caught.value.code, caught.value.remedy) == ("not-proven", "run `nox -s image`")
    (context.root / "dist" / "api.image.json").unlink()
    with pytest.raises(NoxPexError, match="there is none"):
        push.run(context)


def test_a_skipped_platform_is_a_warning(prepare: Prepare, server: FaultyRegistry) -> None:
    context = prepare(f"{server.host}/team/api:1.0", conditions={"linux/arm64": condition("skipped")})
    push.run(context)
    name = record(context)["names"][0]
    (problem,) = check(context, name).verdict.problems
    assert problem.startswith("smoke is not PASSED: it is WARNED (referrer ")
    assert check(context, name, allow_warned=True).verdict.passed


def test_no_tag_moves_if_a_statement_is_refused(prepare: Prepare, server: FaultyRegistry) -> None:
    def refuse(request: Any) -> Answer | None:
        return Answer(status=400) if b"dsse-envelope" in request.body else None

    server.answer("^PUT .*/manifests/", refuse)
    context = prepare(f"{server.host}/team/api:1.0")
    with pytest.raises(NoxPexError) as caught:
        push.run(context)
    assert caught.value.code == "registry"
    assert ("team/api", "1.0") not in server.manifests
    assert not (context.root / "dist" / "api.push.json").exists()


def test_no_tag_moves_if_the_key_cannot_be_used(prepare: Prepare, server: FaultyRegistry, tmp_path: Path) -> None:
    context = prepare(f"{server.host}/team/api:1.0", image=written())
    (tmp_path / "key.pem").write_text("no key", "utf-8")
    with pytest.raises(NoxPexError) as caught:
        push.run(context)
    assert caught.value.code == "signing"
    assert [path for path in server.paths("PUT") if path.endswith("/1.0")] == []


def test_the_tags_that_moved_are_named_if_one_fails(prepare: Prepare, server: FaultyRegistry) -> None:
    server.answer("^PUT .*/manifests/latest$", Answer(status=403))
    context = prepare(f"{server.host}/team/api:1.0", f"{server.host}/team/api:latest", signed=False)
    with pytest.raises(NoxPexError) as caught:
        push.run(context)
    assert f"moved: {server.host}/team/api:1.0; not moved: {server.host}/team/api:latest" in caught.value.problem


def test_no_helper_is_started_after_the_key_is_read(prepare: Prepare, server: FaultyRegistry, tmp_path: Path) -> None:
    """A registry that asks for credentials only when the evidence comes, long after the key was read."""
    (directory := tmp_path / "bin").mkdir()
    helper = directory / "docker-credential-late"
    helper.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\necho '{{}}'\n", "utf-8")
    helper.chmod(0o755)
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"credsStore": "late"}', "utf-8")

    def ask(request: Any) -> Answer | None:
        late = Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="late"'})
        return late if b"subject" in request.body else None

    server.answer("^PUT .*/manifests/", ask)
    context = prepare(f"{server.host}/team/api:1.0", image=written())
    with pytest.raises(NoxPexError) as caught:
        push.run(context)
    assert caught.value.code == "registry-auth"
    assert not (tmp_path / "started").exists()


def test_a_name_without_a_registry_is_refused(prepare: Prepare) -> None:
    with pytest.raises(NoxPexError, match="names no registry") as caught:
        push.run(prepare("api:1.0"))
    assert caught.value.code == "config"


def test_one_platform_has_no_index(prepare: Prepare, server: FaultyRegistry) -> None:
    context = prepare(f"{server.host}/team/api", image=written())
    push.run(context)
    found = record(context)
    assert found["index"] is None
    assert found["manifests"] == [{"platform": PLATFORM, "digest": written().top.descriptor.digest}]
    assert found["tags"] == [f"{server.host}/team/api:latest"]


def test_statements_of_attest_are_signed_by_the_push_that_comes_later(
    prepare: Prepare, server: FaultyRegistry, shown: list[str]
) -> None:
    context = prepare(f"{server.host}/team/api:1")
    target = context.all_targets["api"]
    subject = attestations.Subject(name="api.pex", sha256=SHA256)
    attestations.write(target.file("attestations"), {"sbom": BILL}, [subject])
    context.later.add("push")

    attest.sign_or_leave(context, [target])

    assert not target.file("pex.intoto.jsonl").exists()
    assert shown[-1] == "attest: api is signed by the session `push` of this run"
    push.run(context)
    assert len(target.file("pex.intoto.jsonl").read_text("utf-8").splitlines()) == 1
    assert context.unsigned == []


def test_after_an_edit_the_repository_is_not_asked_for_what_it_has(prepare: Prepare, server: FaultyRegistry) -> None:
    push.run(prepare(f"{server.host}/team/api:1", signed=False, no_evidence=True))
    server.requests.clear()

    push.run(prepare(f"{server.host}/team/api:1", signed=False, no_evidence=True))

    assert not [path for path in server.paths("HEAD") if "/blobs/" in path]
