"""The content of `NAME.image.json` for an image of an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nox_pex.evidence.results import ImageResult
from nox_pex.image import result_file
from nox_pex.image.job import BuiltImage
from nox_pex.pex import circumstances
from nox_pex.pex.build_record import Times
from nox_pex.smoke.report import SmokeReport
from tests.support.images import PYTHON, engine, image_target, job_of, shell
from tests.support.results import FINISHED, SHA256, TIME, boot

INDEX, ONE, OTHER = (f"sha256:{digit * 64}" for digit in "abc")


def content(tmp_path: Path, described: dict[str, Any], **image: Any) -> dict[str, Any]:
    """The content of the file, which the reader of results must accept with the circumstances added."""
    target = image_target(tmp_path, **image)
    built = BuiltImage(
        identity="sha256:" + "1d" * 32,
        tags=("registry.example/service:1",),
        description={"Os": "linux", "Architecture": "arm64"},
        base=described,
        python=PYTHON,
        seconds=1.0,
        times=Times(started=TIME, finished=TIME),
    )
    report = SmokeReport(name="service", binary=target.binary, size=1, boot_results=(boot("container", "GET /"),))
    found = result_file.of_engine(job_of(target, shell()), built, engine(), report, sha256=SHA256)
    under = circumstances.of_image(target).as_json(finished=FINISHED)
    result = msgspec.convert({**found, **under, "overrides": {}}, ImageResult)
    assert (result.id, result.digest, result.platforms[0].platform) == (built.identity, None, "linux/arm64")
    return found


@pytest.mark.parametrize(
    ("known", "digest"),
    [
        ([], None),
        ([f"docker.io/library/python@{ONE}"], ONE),
        ([f"python@{ONE}", f"registry.example/python@{OTHER}"], ONE),
        ([f"docker.io/library/python@{INDEX}", f"docker.io/library/python@{ONE}"], ONE),
        ([f"docker.io/library/python@{INDEX}", f"docker.io/library/python@{OTHER}"], None),
    ],
    ids=["built here", "Docker", "two names", "Podman", "uncertain"],
)
def test_the_base_is_named_by_a_digest_only_if_that_is_certain(
    tmp_path: Path, known: list[str], digest: str | None
) -> None:
    base = {"Id": "0b" * 32, "Digest": ONE, "RepoDigests": known}
    if not known or len(known) == 1:
        base.pop("Digest")
    assert content(tmp_path, base)["base"]["digest"] == digest


def test_a_digest_in_the_settings_is_the_one(tmp_path: Path) -> None:
    base = {"Id": "0b" * 32, "RepoDigests": [f"docker.io/library/python@{ONE}"]}
    assert content(tmp_path, base, base=f"python:3.11-slim@{INDEX}")["base"]["digest"] == INDEX
