"""The rules by which the result of `image` proves an image."""

from __future__ import annotations

from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.evidence.image import proof
from nox_pex.evidence.image.proof import ImageProof
from nox_pex.oci.layout import WrittenImage
from nox_pex.pex.target import Target
from tests.support.results import SHA256
from tests.support.stated_images import condition, stated, write_result, written
from tests.unit.evidence.conftest import MakeTarget

ONE, OTHER = written(), written(content="another")
BOTH = written("linux/amd64", "linux/arm64")
IMAGE: dict[str, Any] = {"base": "python:3.12-slim"}


def require(target: Target, image: WrittenImage = ONE, *, sha256: str = SHA256) -> ImageProof:
    return proof.require(target, stated(image), sha256=sha256)


def problems(target: Target, image: WrittenImage = ONE, *, sha256: str = SHA256) -> list[str]:
    with pytest.raises(NoxPexError) as caught:
        require(target, image, sha256=sha256)
    errors = [caught.value, *caught.value.others]
    assert {(error.code, error.remedy) for error in errors} == {("not-proven", "run `nox -s image`")}
    assert all("\n" not in error.problem for error in errors)
    return [error.problem.partition("image.json): ")[2] for error in errors]


def test_a_result_about_the_image_proves_it(make_target: MakeTarget) -> None:
    target = make_target(image=IMAGE)
    write_result(target, ONE)
    assert require(target).result.digest == ONE.top.descriptor.digest
    write_result(target, BOTH)
    assert len(require(target, BOTH).result.platforms) == 2


def test_a_skipped_platform_is_proven(make_target: MakeTarget) -> None:
    target = make_target(image=IMAGE)
    write_result(target, BOTH, {"linux/arm64": condition("skipped")})
    assert require(target, BOTH).result.passed


def test_a_missing_result_proves_nothing(make_target: MakeTarget) -> None:
    assert problems(make_target(image=IMAGE)) == ["there is none"]


def test_a_result_that_somebody_changed_proves_nothing(make_target: MakeTarget) -> None:
    target = make_target(image=IMAGE)
    write_result(target, ONE)
    path = target.file("image.json")
    path.write_text(path.read_text("utf-8").replace("GET /", "GET /x"), "utf-8")
    assert problems(target) == ["it is not the one that the last `image` in this checkout wrote"]
    path.write_text("{}", "utf-8")
    assert problems(target)[0].startswith("it is not one that this nox-pex wrote")


def test_every_problem_is_named_at_once(make_target: MakeTarget) -> None:
    then = make_target(image=IMAGE, settings={"pex-version": "2.100.0"})
    write_result(then, OTHER, overrides={"timeout": 31.0})
    now = make_target(image={**IMAGE, "user": 1000}, settings={"pex-version": "2.105.2"})
    this, other = ONE.top.descriptor.digest[:19], OTHER.top.descriptor.digest[:19]
    assert problems(now, sha256="0b" * 32) == [
        f"it is about another file (SHA-256 {SHA256[:12]}…; this one has {'0b' * 6}…)",
        "it was obtained with other settings than today's",
        "it was obtained with pex 2.100.0, and today's is 2.105.2",
        f"it is about another image ({other}…; this one is {this}…)",
        "`--timeout 31` allowed more than `startup-timeout`",
    ]


def test_another_tag_needs_no_other_proof(make_target: MakeTarget) -> None:
    write_result(make_target(image=IMAGE), ONE)
    assert require(make_target(image={**IMAGE, "tag": ["registry.example/team/service:2"]})).result.passed


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"passed": False, "failure": {"code": "crashed", "problem": "it ended"}}, "it failed (crashed: it ended)"),
        ({"passed": None}, "the program was served, and nothing was checked"),
        ({"from-source": True, "sha256": ""}, "the image was built with `--from-source`"),
        ({"name": "worker"}, "it is about the binary worker"),
    ],
)
def test_a_result_that_did_not_pass_proves_nothing(
    make_target: MakeTarget, fields: dict[str, Any], problem: str
) -> None:
    target = make_target(image=IMAGE)
    write_result(target, ONE, **fields)
    (found,) = problems(target)
    assert found.startswith(problem)


def test_a_result_that_contradicts_itself_proves_nothing(make_target: MakeTarget) -> None:
    target = make_target(image=IMAGE)
    write_result(target, ONE, {"linux/amd64": condition(check=False)})
    assert problems(target) == ["it contradicts itself: it says that it passed, and names a failure"]


def test_a_platform_that_was_not_checked_proves_nothing(make_target: MakeTarget) -> None:
    target = make_target(image=IMAGE)
    digest = BOTH.top.descriptor.digest
    write_result(target, written("linux/amd64", "linux/arm64", "linux/s390x"), digest=digest)
    assert problems(target, BOTH) == ["it is about other platforms than the image has"]


def test_a_platform_without_a_boot_proves_nothing(make_target: MakeTarget) -> None:
    target = make_target(image=IMAGE)
    digest = ONE.top.descriptor.digest
    write_result(target, ONE, platforms=[{"platform": "linux/amd64", "digest": digest, "conditions": []}])
    assert problems(target) == ["it leaves out the check of a container"]


def test_an_image_of_an_engine_is_known_by_its_id(make_target: MakeTarget) -> None:
    target = make_target(image=IMAGE)
    config = ONE.blobs[0].descriptor.digest
    platforms = [{"platform": "linux/amd64", "conditions": [condition()]}]
    for known in (config, config.removeprefix("sha256:"), ONE.top.descriptor.digest):
        write_result(target, ONE, engine="podman", digest=None, id=known, platforms=platforms)
        assert require(target).result.id == known
    for other in ("sha256:" + "0c" * 32, None):
        write_result(target, ONE, engine="podman", digest=None, id=other, platforms=platforms)
        (found,) = problems(target)
        assert found.startswith("it is about another image (")


def test_an_image_without_its_evidence_must_still_be_the_checked_one(make_target: MakeTarget) -> None:
    target = make_target(image=IMAGE)
    write_result(target, ONE)
    result = require(target).result
    proof.require_same(target, result, stated(ONE))
    with pytest.raises(NoxPexError, match="it is about another image"):
        proof.require_same(target, result, stated(OTHER))
